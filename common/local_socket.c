/* SPDX-License-Identifier: MIT */
/* local_socket.c - a unix socket that others find by its path */
#include "common/local_socket.h"

#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static const char *
name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Does somebody listen there? Removes what nobody does. Who does, and accepts
 * nobody, is not waited for. */
static int
clear_path(const struct sockaddr_un *at, struct err *e)
{
	cleanup_fd int fd =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (lstat(at->sun_path, &st) < 0)
		return errno == ENOENT ? 0
				       : err_errno(e, 0, "%s", at->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, EX_CANTCREAT, "%s: exists and is no socket",
		    at->sun_path);
	if (connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 ||
	    errno != ECONNREFUSED)
		return err_set(e, EX_TEMPFAIL, "%s: in use by another program",
		    at->sun_path);
	if (unlink(at->sun_path) < 0)
		return err_errno(e, 0, "%s", at->sun_path);
	return 0;
}

int
local_socket_listen(const char *path, int backlog, int *folder, struct err *e)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	cleanup_fd int fd = -1, parent = -1;
	char name[sizeof(at.sun_path)];
	int len = (int)(name_of(path) - path);

	*folder = -1;
	if (strlen(path) >= sizeof(at.sun_path))
		return err_set(e, EX_USAGE, "%s: too long for a socket", path);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	if (clear_path(&at, e) < 0)
		return -1;
	snprintf(name, sizeof(name), "%.*s", len ? len : 1, len ? path : ".");
	parent = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (parent < 0 || fd < 0)
		return err_errno(e, 0, "%s", path);
	/* The mode that the file is made with (unix(7)). */
	if (fchmod(fd, 0600) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(fd, backlog) < 0)
		return err_errno(e, EX_CANTCREAT, "%s", path);
	*folder = steal_fd(&parent);
	return steal_fd(&fd);
}

void
local_socket_remove(int folder, const char *path)
{
	if (folder >= 0)
		unlinkat(folder, name_of(path), 0);
}
