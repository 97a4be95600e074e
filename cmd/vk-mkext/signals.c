/* SPDX-License-Identifier: MIT */
/* signals.c - what is undone when a signal ends us */
#include "cmd/vk-mkext/signals.h"

#include "common/err.h"
#include "common/io.h"

#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>
#include <unistd.h>

static volatile sig_atomic_t cut_fd = -1;
static const char *volatile doomed;

void
signals_cut(int fd)
{
	cut_fd = fd;
}

void
signals_unlink(const char *name)
{
	doomed = name;
}

/* The thread that writes (drain.h) goes on meanwhile. The kernel looks at the
 * limit with the file's lock held, so that what has not been written by then is
 * not written behind the cut. */
static void
cut(void)
{
	static const struct rlimit none;

	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &none) < 0 || ftruncate(cut_fd, 0) < 0)
		cut_fd = -1; /* nothing more can be done */
}

static void
undo(int number)
{
	const char *name = doomed;

	if (cut_fd >= 0)
		cut();
	if (name)
		unlink(name);
	if (number == SIGBUS) {
		static const char text[] =
		    "vk-mkext: the input was cut while it was read\n";

		io_write(STDERR_FILENO, text, sizeof(text) - 1);
		_exit(EX_IOERR);
	}
	/* The second time it ends us. */
	signal(number, SIG_DFL);
	raise(number);
}

void
signals_catch(void)
{
	static const int numbers[] = {
	    SIGHUP, SIGINT, SIGTERM, SIGPIPE, SIGXFSZ, SIGXCPU, SIGBUS};
	struct sigaction action = {
	    .sa_handler = undo, .sa_flags = SA_RESETHAND | SA_NODEFER};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		struct sigaction old;

		/* nohup and the like stay in force. */
		if (sigaction(numbers[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN)
			sigaction(numbers[i], &action, NULL);
	}
}
