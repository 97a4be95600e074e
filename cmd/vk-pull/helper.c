/* SPDX-License-Identifier: MIT */
/* helper.c - docker-credential-NAME programs */
#include "cmd/vk-pull/helper.h"

#include "common/io.h"
#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

/* Generations of processes that are ended after their helper: one that goes on
 * forking faster than that is not waited for. */
#define GENERATIONS_MAX 64
/* At a time; of more the rest is left. */
#define CHILDREN_MAX 256

extern char **environ;

/* Starts it; *in and *out are our ends. */
static int
start(const char *program, pid_t *pid, int *in, int *out)
{
	char *argv[] = {(char *)program, (char *)"get", NULL};
	int to[2], from[2] = {-1, -1}, rc;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t usual;

	if (pipe2(to, O_CLOEXEC) < 0)
		return errno;
	if (pipe2(from, O_CLOEXEC) < 0) {
		rc = errno;
		close(to[0]);
		close(to[1]);
		return rc;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, to[0], 0);
	posix_spawn_file_actions_adddup2(&actions, from[1], 1);
	/* main ignores it, and a program would inherit that. */
	sigemptyset(&usual);
	sigaddset(&usual, SIGPIPE);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigdefault(&attributes, &usual);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	rc = posix_spawnp(pid, program, &actions, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	close(to[0]);
	close(from[1]);
	if (rc != 0) {
		close(to[1]);
		close(from[0]);
		return rc;
	}
	*in = to[1];
	*out = from[0];
	return 0;
}

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* One piece of what it says. Returns its length, 0 at the end, -1 with err. */
static ssize_t
read_piece(int fd, struct buf *answer, struct err *e)
{
	char chunk[4096];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) < 0 && errno == EINTR)
		;
	if (n < 0)
		return err_errno(e, EX_IOERR, "its answer");
	if (n > 0 && buf_add(answer, chunk, (size_t)n) < 0)
		n = err_set(
		    e, EX_CONFIG, "answers more than %zu bytes", answer->max);
	explicit_bzero(chunk, sizeof(chunk));
	return n;
}

/* Reads until the process has ended. What it leaves running, as a daemon, may
 * keep the pipe open. Returns 0, -1 with err. */
static int
read_answer(const struct helper *h, int process, int out, struct buf *answer,
    struct err *e)
{
	struct pollfd p[] = {
	    {.fd = out, .events = POLLIN}, {.fd = process, .events = POLLIN}};
	uint64_t end = now_ms() + h->timeout_ms, now;

	while ((now = now_ms()) < end) {
		uint64_t left = end - now;
		ssize_t n = 1;

		if (poll(p, 2, left < INT_MAX ? (int)left : INT_MAX) <= 0)
			continue;
		if (p[0].revents)
			n = read_piece(out, answer, e);
		else if (p[1].revents)
			return 0;
		if (n < 0)
			return -1;
		if (n == 0)
			p[0].fd = -1;
	}
	err_set(e, EX_CONFIG, "no answer in time");
	return err_hint(e, "--timeout says how long it may take");
}

/* ---- its end ------------------------------------------------------------ */

static int
reap(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

struct children {
	pid_t at[CHILDREN_MAX];
	size_t count;
};

/* Ours now: those whose parents have ended are among them. */
static void
list_children(struct children *c)
{
	char path[64], list[4096], *at = list, *next;
	cleanup_fd int fd = -1;
	ssize_t n;
	long pid;

	c->count = 0;
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : io_read(fd, list, sizeof(list) - 1);
	list[n > 0 ? n : 0] = '\0';
	for (; c->count < CHILDREN_MAX && (pid = strtol(at, &next, 10)) > 0;
	     at = next)
		c->at[c->count++] = (pid_t)pid;
}

static bool
is_among(const struct children *c, pid_t pid)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->at[i] == pid)
			return true;
	return false;
}

/* Ends those that we did not have before. One with a session of its own is a
 * daemon, and stays. Returns whether there were any. */
static bool
end_orphans(const struct children *before)
{
	struct children now;
	bool any = false;

	list_children(&now);
	for (size_t i = 0; i < now.count; i++) {
		pid_t pid = now.at[i];

		if (is_among(before, pid) || getsid(pid) != getsid(0))
			continue;
		kill(pid, SIGKILL);
		reap(pid);
		any = true;
	}
	return any;
}

static void
end_all(pid_t pid, const struct children *before)
{
	kill(pid, SIGKILL);
	reap(pid);
	for (int i = 0; i < GENERATIONS_MAX && end_orphans(before); i++)
		;
}

/* ---- all of it ---------------------------------------------------------- */

static int
run(const struct helper *h, const char *program, struct buf *answer,
    struct err *e)
{
	cleanup_fd int in = -1;
	cleanup_fd int out = -1;
	cleanup_fd int process = -1;
	int rc, status;
	struct children before;
	pid_t pid;

	/* Who became us by exec(2) may have had some. */
	list_children(&before);
	rc = start(program, &pid, &in, &out);
	if (rc != 0) {
		errno = rc;
		return err_errno(e, EX_CONFIG, "%s", program);
	}
	process = (int)syscall(SYS_pidfd_open, pid, 0);
	rc = process < 0 ? err_errno(e, EX_OSERR, "its process") : 0;
	/* It may not read it: SIGPIPE is ignored in main. */
	if (rc == 0 && io_write(in, h->server, strlen(h->server)) == 0)
		io_write(in, "\n", 1);
	fd_close(&in);
	if (rc == 0)
		rc = read_answer(h, process, out, answer, e);
	if (rc < 0) {
		end_all(pid, &before);
		return err_prefix(e, "%s", program);
	}
	status = reap(pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int
helper_get(const struct helper *h, struct buf *answer, struct err *e)
{
	/* Two could ask their user at once, and each would take the other's
	 * processes for its own. */
	static pthread_mutex_t alone = PTHREAD_MUTEX_INITIALIZER;
	char program[128];
	int rc;

	/* A name, not a path: it comes from a file. */
	if (strchr(h->name, '/') || strlen(h->name) > 64)
		return err_set(
		    e, EX_CONFIG, "%.64s: not a credential helper", h->name);
	snprintf(program, sizeof(program), "docker-credential-%s", h->name);
	pthread_mutex_lock(&alone);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	rc = run(h, program, answer, e);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	pthread_mutex_unlock(&alone);
	return rc;
}
