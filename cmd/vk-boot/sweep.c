/* SPDX-License-Identifier: MIT */
/* sweep.c - who clears the run folder when vk-boot has ended */
#include "cmd/vk-boot/sweep.h"

#include "common/scope.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

const struct filter_call sweep_calls[] = {
    CALL(close),
    CALL(wait4),
    CALLS_END,
};

/* The descriptors that the sweeper keeps, at their new numbers. */
enum { KEPT_PIPE = 3, KEPT_FOLDER, KEPT_LOCK, KEPT_END };

/* Moves the three to low numbers and closes all others, so that nobody waits
 * for the end of a pipe that only the sweeper holds. */
static int
keep_only(int pipe_end, struct run_folder *folder)
{
	int high[] = {
	    fcntl(pipe_end, F_DUPFD_CLOEXEC, KEPT_END),
	    fcntl(folder->dir, F_DUPFD_CLOEXEC, KEPT_END),
	    fcntl(folder->lock, F_DUPFD_CLOEXEC, KEPT_END),
	};

	for (int i = 0; i < 3; i++)
		if (high[i] < 0 || dup2(high[i], KEPT_PIPE + i) < 0)
			return -1;
	folder->dir = KEPT_FOLDER;
	folder->lock = KEPT_LOCK;
	close(0);
	close(1);
	close(2);
	return close_range(KEPT_END, ~0u, 0);
}

static _Noreturn void
sweeper(int pipe_end, struct run_folder *folder)
{
	sigset_t all;
	char byte;
	ssize_t n;

	/* A terminal's Ctrl-C, and whoever ends vk-boot's process group, are
	 * not for this one. */
	setsid();
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_NAME, "vk-boot: sweep");
	if (keep_only(pipe_end, folder) < 0)
		_exit(1);
	do
		n = read(KEPT_PIPE, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		run_folder_release(folder);
	_exit(0);
}

int
sweep_start(struct sweep *sweep, struct run_folder *folder, struct err *e)
{
	int ends[2];

	*sweep = (struct sweep){.alive = -1, .pid = -1};
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(e, EX_OSERR, "pipe");
	sweep->pid = fork();
	if (sweep->pid == 0) {
		close(ends[1]);
		sweeper(ends[0], folder);
	}
	close(ends[0]);
	sweep->alive = ends[1];
	if (sweep->pid < 0) {
		fd_close(&sweep->alive);
		return err_errno(e, EX_OSERR, "fork");
	}
	return 0;
}

void
sweep_end(struct sweep *sweep, struct run_folder *folder)
{
	if (sweep->alive < 0) {
		run_folder_release(folder);
		return;
	}
	run_folder_leave(folder);
	fd_close(&sweep->alive);
	while (waitpid(sweep->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}
