/* SPDX-License-Identifier: MIT */
/* groups.c - control groups of what the agent starts */
#include "agent/groups.h"

#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
	const char *path;
	int fd;
} groups[] = {{CGROUP_ROOT "/vk-exec", -1}, {CGROUP_ROOT "/vk-main", -1}};

#define GROUPS (sizeof(groups) / sizeof(groups[0]))

void
groups_make(void)
{
	cleanup_fd int control =
	    open(CGROUP_ROOT "/cgroup.subtree_control", O_WRONLY | O_CLOEXEC);

	if (control < 0 || io_write(control, "+cpu", 4) < 0) {
		log_info("no control group: %s", strerror(errno));
		return;
	}
	for (size_t i = 0; i < GROUPS; i++) {
		if (mkdir(groups[i].path, 0755) == 0 || errno == EEXIST)
			groups[i].fd = open(
			    groups[i].path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (groups[i].fd < 0)
			log_info("%s: %s", groups[i].path, strerror(errno));
	}
}

void
groups_release(void)
{
	for (size_t i = 0; i < GROUPS; i++) {
		if (groups[i].fd < 0)
			continue;
		fd_close(&groups[i].fd);
		if (rmdir(groups[i].path) < 0)
			log_info("%s: %s", groups[i].path, strerror(errno));
	}
}

pid_t
groups_fork(bool is_main)
{
	struct clone_args args = {.exit_signal = SIGCHLD,
	    .flags = CLONE_INTO_CGROUP,
	    .cgroup = (unsigned)groups[is_main].fd};
	long pid;

	if (groups[is_main].fd < 0)
		return fork();
	/* To be born into a group costs nothing; to be moved into it waits for
	 * every processor. Linux 5.7 and later can do that. */
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0 && errno != EAGAIN && errno != ENOMEM)
		return fork();
	return (pid_t)pid;
}
