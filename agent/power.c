/* SPDX-License-Identifier: MIT */
/* power.c - the end of the guest */
#include "agent/power.h"

#include "agent/disks.h"
#include "agent/files.h"
#include "agent/groups.h"
#include "agent/session.h"
#include "agent/terminal.h"
#include "common/log.h"

#include <errno.h>
#include <linux/reboot.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How long killed processes may take to be gone: one in an uninterruptible
 * wait is left behind. */
#define GONE_MS 500

void
power_signal_all(struct agent *a, int signal)
{
	if (a->policy.is_init) {
		kill(-1, signal);
		kill(-1, SIGCONT);
		return;
	}
	for (struct session *s = a->sessions; s; s = s->next)
		if (s->pid > 1 && !s->ended)
			terminal_kill_all(s->pid, signal);
}

/* Reaps until nobody is left. */
static void
wait_all(void)
{
	int64_t until = loop_now_ms() + GONE_MS;
	const struct timespec moment = {.tv_nsec = 1000000};

	while (loop_now_ms() < until) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid < 0)
			return;
		if (pid == 0)
			nanosleep(&moment, NULL);
	}
}

/* The journals are closed, so that the next mount has nothing to do, and need
 * not be one that may write. */
static void
close_disks(void)
{
	const struct disk_mount *mounts;
	int count = disk_mounts(&mounts);

	while (count-- > 0)
		if (mount(NULL, mounts[count].dir, NULL, MS_REMOUNT | MS_RDONLY,
			NULL) < 0)
			log_info("%s: %s", mounts[count].dir, strerror(errno));
}

void
power_down(struct agent *a, bool reboot_wanted)
{
	power_signal_all(a, SIGKILL);
	wait_all();
	if (!a->policy.is_init)
		return;
	groups_release();
	files_remove();
	sync();
	close_disks();
	reboot(reboot_wanted ? RB_AUTOBOOT : RB_POWER_OFF);
	log_warn("reboot: %s", strerror(errno));
	for (;;)
		pause(); /* process 1 never ends */
}
