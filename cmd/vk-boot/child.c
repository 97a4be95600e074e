/* SPDX-License-Identifier: MIT */
/* child.c - a process of its own for what reads hostile bytes with much code */
#include "cmd/vk-boot/child.h"

#include "common/io.h"
#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Bytes that are mapped already: the guest's memory among them. */
static uint64_t
address_space(void)
{
	cleanup_fd int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	char text[64];
	ssize_t got = fd < 0 ? -1 : io_read(fd, text, sizeof(text) - 1);

	text[got > 0 ? got : 0] = '\0';
	return strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void
set_limit(__rlimit_resource_t what, uint64_t limit)
{
	struct rlimit both = {limit, limit};

	setrlimit(what, &both); /* what is refused was lower already */
}

static int
compare(const void *a, const void *b)
{
	const int *first = a, *second = b;

	return (*first > *second) - (*first < *second);
}

/* Closes what is between those that are kept. */
static void
close_others(const int *keep, size_t count)
{
	int sorted[CHILD_KEEP_MAX];
	unsigned next = 0;

	memcpy(sorted, keep, count * sizeof(*keep));
	qsort(sorted, count, sizeof(*sorted), compare);
	for (size_t i = 0; i < count; i++) {
		if ((unsigned)sorted[i] > next)
			close_range(next, (unsigned)sorted[i] - 1, 0);
		next = (unsigned)sorted[i] + 1;
	}
	close_range(next, UINT_MAX, 0);
}

void
child_confine(const int *keep, size_t count)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	set_limit(RLIMIT_AS, address_space() + CHILD_MEMORY);
	set_limit(RLIMIT_CPU, CHILD_SECONDS);
	set_limit(RLIMIT_CORE, 0);
	set_limit(RLIMIT_NPROC, 0);
	close_others(keep, count);
}

/* What a child says at its end. */
struct verdict {
	int result;
	struct err err;
};

_Noreturn static void
child_main(int (*work)(void *, struct err *), void *owner, const int *keep,
    size_t count, int answer)
{
	struct verdict verdict = {.result = -1};
	int fds[CHILD_KEEP_MAX];

	memcpy(fds, keep, count * sizeof(*keep));
	fds[count] = answer;
	child_confine(fds, count + 1);
	verdict.result = work(owner, &verdict.err);
	_exit(io_write(answer, &verdict, sizeof(verdict)) < 0);
}

int
child_run(int (*work)(void *owner, struct err *), void *owner, const int *keep,
    size_t count, struct err *e)
{
	struct verdict verdict;
	int pipes[2];
	ssize_t got;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return err_errno(e, EX_OSERR, "pipe");
	pid = fork();
	if (pid == 0)
		child_main(work, owner, keep, count, pipes[1]);
	close(pipes[1]);
	got = pid < 0 ? -1 : io_read(pipes[0], &verdict, sizeof(verdict));
	close(pipes[0]);
	if (pid < 0)
		return err_errno(e, EX_OSERR, "fork");
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (got != (ssize_t)sizeof(verdict))
		return err_set(e, EX_DATAERR, "damaged: reading it failed");
	if (verdict.result == 0)
		return 0;
	/* Bytes of a process that may not be itself any more. */
	verdict.err.text[sizeof(verdict.err.text) - 1] = '\0';
	return err_set(e, verdict.err.status, "%s", verdict.err.text);
}
