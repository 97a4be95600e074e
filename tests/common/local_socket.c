/* SPDX-License-Identifier: MIT */
/* local_socket.c - whose path is taken, and whose is not */
#include "common/local_socket.h"

#include "common/scope.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MANY 16

static char path[64];

/* Listens there; -1 with errno. */
static int
listener(int backlog)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	if (fd >= 0 && (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
			   listen(fd, backlog) < 0))
		fd_close(&fd);
	return fd;
}

static void
test_others(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct err e = ERR_INIT;
	int folder, waiting[MANY], full = 0;
	cleanup_fd int there = listener(0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	ok(there >= 0 && local_socket_listen(path, 1, &folder, &e) < 0 &&
		e.status == EX_TEMPFAIL,
	    "who listens keeps its path: %s", e.text);
	for (int i = 0; i < MANY; i++) {
		waiting[i] = socket(
		    AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (connect(waiting[i], (struct sockaddr *)&at, sizeof(at)) < 0)
			full++;
	}
	ok(full > 0, "nobody more can knock");
	alarm(20);
	ok(local_socket_listen(path, 1, &folder, &e) < 0 &&
		e.status == EX_TEMPFAIL,
	    "who listens and accepts nobody does, too: %s", e.text);
	alarm(0);
	for (int i = 0; i < MANY; i++)
		close(waiting[i]);
}

static void
test_own(void)
{
	struct err e = ERR_INIT;
	struct stat st;
	int folder = -1;
	cleanup_fd int fd = local_socket_listen(path, 1, &folder, &e);

	ok(fd >= 0 && stat(path, &st) == 0 && (st.st_mode & 0777) == 0600,
	    "who has gone does not, and ours is for us alone%s", e.text);
	local_socket_remove(folder, path);
	ok(stat(path, &st) < 0, "and can be removed");
	fd_close(&folder);
	fd_close(&fd);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	ok(local_socket_listen(path, 1, &folder, &e) < 0 &&
		e.status == EX_CANTCREAT && stat(path, &st) == 0,
	    "a file is no socket: %s", e.text);
}

int
main(void)
{
	char base[] = "/tmp/vk-local.XXXXXX";

	if (!mkdtemp(base))
		return 1;
	snprintf(path, sizeof(path), "%s/socket", base);
	test_others();
	test_own();
	unlink(path);
	rmdir(base);
	return tap_done();
}
