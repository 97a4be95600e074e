/* SPDX-License-Identifier: MIT */
/* terminal.c - pseudo-terminals, and who belongs to them */
#include "agent/terminal.h"

#include "agent/processes.h"
#include "common/scope.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>

struct winsize
terminal_size(const struct request *r)
{
	return (struct winsize){.ws_row = r->rows ? r->rows : 24,
	    .ws_col = r->columns ? r->columns : 80,
	    .ws_xpixel = r->x_pixels,
	    .ws_ypixel = r->y_pixels};
}

int
terminal_open(const struct request *r, int *slave)
{
	const struct winsize size = terminal_size(r);
	cleanup_fd int master =
	    open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	int unlocked = 0;

	if (master < 0)
		return -1;
	/* By descriptor: the name may lead elsewhere in the image's /dev. */
	if (ioctl(master, TIOCSPTLCK, &unlocked) < 0)
		return -1;
	*slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*slave < 0)
		return -1;
	ioctl(*slave, TIOCSWINSZ, &size);
	return steal_fd(&master);
}

struct wanted {
	pid_t session;
	int signal;
};

static int
signal_member(void *context, const struct process *p)
{
	const struct wanted *w = context;

	if (p->session == w->session)
		kill(p->pid, w->signal);
	return 0;
}

void
terminal_kill_all(pid_t session, int signal)
{
	struct wanted w = {session, signal};

	kill(-session, signal);
	processes_each(signal_member, &w);
}
