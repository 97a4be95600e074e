/* SPDX-License-Identifier: MIT */
/* helper.c - docker-credential-NAME programs */
#include "cmd/vk-pull/helper.h"

#include "common/io.h"
#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

/* Starts it; *in and *out are our ends. */
static int
start(const char *program, pid_t *pid, int *in, int *out)
{
	char *argv[] = {(char *)program, (char *)"get", NULL};
	int to[2], from[2] = {-1, -1}, rc;
	posix_spawn_file_actions_t actions;

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
	rc = posix_spawnp(pid, program, &actions, NULL, argv, environ);
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

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Reads to the end or the time-out. Returns 0, -1. */
static int
read_all(int fd, struct buf *answer)
{
	int64_t end = now_ms() + HELPER_TIMEOUT_S * 1000;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = end - now_ms();
		char chunk[4096];
		ssize_t n;

		if (left <= 0)
			return -1;
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		n = read(fd, chunk, sizeof(chunk));
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0 && buf_add(answer, chunk, (size_t)n) < 0)
			return -1;
	}
}

int
helper_get(
    const char *name, const char *server, struct buf *answer, struct err *e)
{
	cleanup_fd int in = -1;
	cleanup_fd int out = -1;
	char program[128];
	int rc, status = 0;
	pid_t pid;

	/* A name, not a path: it comes from a file. */
	if (strchr(name, '/') || strlen(name) > 64)
		return err_set(
		    e, EX_CONFIG, "%.64s: not a credential helper", name);
	snprintf(program, sizeof(program), "docker-credential-%s", name);
	rc = start(program, &pid, &in, &out);
	if (rc != 0) {
		errno = rc;
		return err_errno(e, EX_CONFIG, "%s", program);
	}
	/* It may not read it: SIGPIPE is ignored in main. */
	if (io_write(in, server, strlen(server)) == 0)
		io_write(in, "\n", 1);
	fd_close(&in);
	rc = read_all(out, answer);
	if (rc < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (rc < 0)
		return err_set(e, EX_CONFIG, "%s: no answer in time", program);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
