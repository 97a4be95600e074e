/* SPDX-License-Identifier: MIT */
/* unix_place.c - a unix socket by its path, also once that cannot be reached */
#include "cmd/vk-boot/unix_place.h"

#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

const struct filter_call unix_place_calls[] = {
    CALL_IF(socket, 0, AF_UNIX),
    CALL(connect),
    CALL(close),
    CALLS_END,
};

int
unix_place_open(struct unix_place *place, const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	cleanup_free char *folder =
	    slash ? strndup(path, (size_t)(name - path)) : strdup(".");

	*place = (struct unix_place)UNIX_PLACE_INIT;
	if (!*name || strlen(name) >= sizeof(place->name) ||
	    strlen(path) >= sizeof(place->path))
		return err_set(e, EX_USAGE, "%s: not a socket's path", path);
	snprintf(place->name, sizeof(place->name), "%s", name);
	snprintf(place->path, sizeof(place->path), "%s", path);
	if (folder)
		place->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return place->folder < 0 ? err_errno(e, 0, "%s", path) : 0;
}

void
unix_place_close(struct unix_place *place)
{
	fd_close(&place->folder);
}

static int
address_of(const struct unix_place *place, struct sockaddr_un *address)
{
	int n;

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	n = snprintf(address->sun_path, sizeof(address->sun_path),
	    "/proc/self/fd/%d/%s", place->folder, place->name);
	if (n < (int)sizeof(address->sun_path))
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

int
unix_place_connect(const struct unix_place *place)
{
	struct sockaddr_un address;
	cleanup_fd int fd = -1;

	if (address_of(place, &address) < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* A stream socket of this family is connected at once or not at all:
	 * EAGAIN says that the listener's backlog is full. */
	if (fd < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -1;
	return steal_fd(&fd);
}

/* What is there was left behind: a socket on which nobody listens. */
static bool
is_left(const struct unix_place *place)
{
	cleanup_fd int fd = unix_place_connect(place);
	struct stat st;

	return fd < 0 && errno == ECONNREFUSED &&
	       fstatat(place->folder, place->name, &st, AT_SYMLINK_NOFOLLOW) ==
		   0 &&
	       S_ISSOCK(st.st_mode);
}

int
unix_place_listen(const struct unix_place *place, struct err *e)
{
	cleanup_fd int fd =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;

	/* The mode that the file is made with (unix(7)). */
	if (address_of(place, &address) < 0 || fd < 0 || fchmod(fd, 0600) < 0)
		return err_errno(e, EX_CANTCREAT, "%s", place->path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int number = errno;
		bool left = number == EADDRINUSE && is_left(place);

		errno = number;
		if (!left)
			return err_errno(e, EX_CANTCREAT, "%s", place->path);
		unix_place_remove(place);
		if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
			return err_errno(e, EX_CANTCREAT, "%s", place->path);
	}
	if (listen(fd, SOMAXCONN) < 0)
		return err_errno(e, EX_CANTCREAT, "%s", place->path);
	return steal_fd(&fd);
}

int
unix_place_accept(int listener, bool *starved)
{
	int fd;

	do
		fd =
		    accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	*starved |= fd < 0 && errno != EAGAIN;
	return fd;
}

void
unix_place_remove(const struct unix_place *place)
{
	if (place->folder >= 0)
		unlinkat(place->folder, place->name, 0);
}
