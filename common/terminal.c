/* SPDX-License-Identifier: MIT */
/* terminal.c - the user's terminal in raw mode, and back whatever happens */
#include "common/terminal.h"

#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the background, tcsetattr(3) would stop the process without this. */
static void
set(int fd, const struct termios *settings)
{
	sigset_t block, old;

	sigemptyset(&block);
	sigaddset(&block, SIGTTOU);
	sigprocmask(SIG_BLOCK, &block, &old);
	while (tcsetattr(fd, TCSADRAIN, settings) < 0 && errno == EINTR)
		continue;
	sigprocmask(SIG_SETMASK, &old, NULL);
}

/* Waits for the pipe's end. A byte in it: the parent did it itself. */
_Noreturn static void
guard(const struct terminal *t, int from)
{
	struct termios now;
	char byte;
	int tty;

	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_IGN);
	/* Nobody's pipe is to be held open by this process. */
	tty = dup2(t->fd, 0);
	from = dup2(from, 1);
	syscall(SYS_close_range, 2u, ~0u, 0u);
	if (read(from, &byte, 1) != 0 || tcgetattr(tty, &now) < 0)
		_exit(0);
	/* Somebody else may have set it since. */
	if (now.c_lflag == t->raw.c_lflag && now.c_iflag == t->raw.c_iflag)
		set(tty, &t->before);
	_exit(0);
}

int
terminal_raw(struct terminal *t, int fd, struct err *e)
{
	int ends[2];

	*t = (struct terminal)TERMINAL_INIT;
	if (tcgetattr(fd, &t->before) < 0)
		return err_errno(e, EX_USAGE, "terminal");
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(e, EX_OSERR, "pipe");
	t->fd = fd;
	t->raw = t->before;
	cfmakeraw(&t->raw);
	t->guard = fork();
	if (t->guard == 0) {
		close(ends[1]);
		guard(t, ends[0]);
	}
	close(ends[0]);
	t->guard_pipe = ends[1];
	set(fd, &t->raw);
	return 0;
}

void
terminal_again(const struct terminal *t)
{
	if (t->fd >= 0)
		set(t->fd, &t->raw);
}

void
terminal_pause(const struct terminal *t)
{
	if (t->fd >= 0)
		set(t->fd, &t->before);
}

void
terminal_restore(struct terminal *t)
{
	if (t->fd < 0)
		return;
	set(t->fd, &t->before);
	if (write(t->guard_pipe, "k", 1) < 0)
		errno = 0; /* it is gone already */
	fd_close(&t->guard_pipe);
	if (t->guard > 0)
		waitpid(t->guard, NULL, 0);
	t->fd = -1;
}
