/* SPDX-License-Identifier: MIT */
/* init.c - process 1 is handed to the image's own init */
#include "agent/init.h"

#include "agent/groups.h"
#include "agent/mounts.h"
#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Units that last until the power goes (systemd.unit(5)). */
#define UNITS "/run/systemd/system"

/* A login on the console would be for nobody: it is only written to. Without
 * udev, systemd(1) would even wait 90 s for its device. */
static void
mask_login(const char *terminal)
{
	char path[128];

	snprintf(
	    path, sizeof(path), UNITS "/serial-getty@%s.service", terminal);
	if (symlink("/dev/null", path) < 0 && errno != EEXIST)
		log_info("%s: %s", path, strerror(errno));
}

static void
mask_logins(void)
{
	cleanup_fd int fd =
	    open("/sys/class/tty/console/active", O_RDONLY | O_CLOEXEC);
	char text[256], *rest = text, *terminal;
	ssize_t n = fd < 0 ? 0 : io_read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	if (mounts_make_dir(UNITS) < 0) {
		log_info(UNITS ": %s", strerror(errno));
		return;
	}
	mask_login("hvc0"); /* taken by systemd wherever it is */
	while ((terminal = strsep(&rest, " \n")))
		if (*terminal && strcmp(terminal, "tty0") != 0)
			mask_login(terminal);
}

void
init_prepare(void)
{
	groups_hand_over();
	mask_logins();
}

void
init_took_over(struct agent *a)
{
	a->handed_over = true;
	agent_moved(a);
	/* systemd(1) spares processes of such a name when it ends all others.
	 */
	if (a->own_name)
		a->own_name[0] = '@';
}
