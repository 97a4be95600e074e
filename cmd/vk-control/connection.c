/* SPDX-License-Identifier: MIT */
/* connection.c - lines of JSON to a control socket and back */
#include "cmd/vk-control/connection.h"

#include "common/endpoint.h"
#include "common/io.h"
#include "common/run_folder.h"
#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>

static int
socket_of(
    const char *name, const char *path, char *into, size_t size, struct err *e)
{
	if (!path)
		return run_path(name, "control", into, size, e);
	if (strlen(path) >= size)
		return err_set(e, EX_USAGE, "%s: too long for a socket", path);
	snprintf(into, size, "%s", path);
	return 0;
}

/* By it the end is seen: opened while the VM lives, it is no later one's. */
static int
open_lock(const char *name)
{
	char path[RUN_PATH_MAX + 16];
	struct err e = ERR_INIT;

	if (run_path(name, "lock", path, sizeof(path), &e) < 0)
		return -1;
	return open(path, O_RDONLY | O_CLOEXEC);
}

int
connection_open(
    struct connection *c, const char *name, const char *path, struct err *e)
{
	union endpoint address = {.local = {.sun_family = AF_UNIX}};

	*c = (struct connection){
	    .name = path ? path : name, .fd = -1, .lock = -1};
	buf_init(&c->in, CONNECTION_LINE_MAX);
	if (socket_of(name, path, address.local.sun_path,
		sizeof(address.local.sun_path), e) < 0)
		return -1;
	if (!path)
		c->lock = open_lock(name);
	c->fd = endpoint_connect(&address, sizeof(address.local), 0);
	if (c->fd >= 0)
		return 0;
	if (path || (errno != ENOENT && errno != ECONNREFUSED))
		return err_errno(e, 0, "%s", c->name);
	err_set(e, EX_NOINPUT, "%s: no such VM runs", name);
	return err_hint(e, "its socket would be %s", address.local.sun_path);
}

void
connection_close(struct connection *c)
{
	fd_close(&c->fd);
	fd_close(&c->lock);
	buf_release(&c->in);
}

/* The first bytes take the descriptor along. */
static int
send_all(int to, const struct buf *out, int fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} rights = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS}};
	struct iovec part = {.iov_base = out->data, .iov_len = out->len};
	struct msghdr message = {
	    .msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = &rights,
	    .msg_controllen = sizeof(rights),
	};
	ssize_t sent = 0;

	if (fd >= 0) {
		memcpy(CMSG_DATA(&rights.header), &fd, sizeof(fd));
		sent = sendmsg(to, &message, MSG_NOSIGNAL);
	}
	if (sent < 0)
		return -1;
	return io_write(to, out->data + sent, out->len - (size_t)sent) < 0 ? -1
									   : 0;
}

int
connection_say(
    struct connection *c, const json_t *requests, int fd, struct err *e)
{
	struct buf out = BUF_INIT(CONNECTION_LINE_MAX);
	int result = 0;

	for (size_t i = 0; i < json_array_size(requests); i++) {
		cleanup_free char *text =
		    json_dumps(json_array_get(requests, i),
			JSON_COMPACT | JSON_PRESERVE_ORDER);

		buf_printf(&out, "%s\n", text ? text : "");
	}
	if (out.failed)
		result = err_set(e, EX_USAGE, "the request is too long");
	else if (send_all(c->fd, &out, fd) < 0) {
		c->ended = errno == EPIPE || errno == ECONNRESET;
		result = err_errno(e, EX_IOERR, "%s", c->name);
	}
	buf_release(&out);
	return result;
}

/* Reads more. 1, 0 at the end, -1 with err. */
static int
read_more(struct connection *c, int timeout_ms, struct err *e)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	char *room = buf_reserve(&c->in, 4096);
	ssize_t n;
	int ready;

	if (!room)
		return err_set(
		    e, EX_PROTOCOL, "%s: the answer is too long", c->name);
	do
		ready = poll(&p, 1, timeout_ms);
	while (ready < 0 && errno == EINTR);
	if (ready == 0)
		return err_set(e, EX_TEMPFAIL, "%s: no answer", c->name);
	n = read(c->fd, room, 4096);
	if (n < 0 && errno != ECONNRESET)
		return err_errno(e, EX_IOERR, "%s", c->name);
	c->in.len += n > 0 ? (size_t)n : 0;
	c->ended = n <= 0;
	return n > 0;
}

int
connection_hear(
    struct connection *c, int timeout_ms, json_t **line, struct err *e)
{
	json_error_t error;
	char *newline;
	size_t len;

	while (!(
	    newline = c->in.len ? memchr(c->in.data, '\n', c->in.len) : NULL)) {
		int more = read_more(c, timeout_ms, e);

		if (more <= 0)
			return more;
	}
	len = (size_t)(newline - c->in.data);
	*line = json_loadb(c->in.data, len, 0, &error);
	buf_drop(&c->in, len + 1);
	if (json_is_object(*line))
		return 1;
	json_decref(*line);
	return err_set(e, EX_PROTOCOL, "%s: not a JSON object", c->name);
}

int
connection_outlive(struct connection *c, struct err *e)
{
	json_t *line;
	int result;

	while ((result = connection_hear(c, -1, &line, e)) > 0)
		json_decref(line);
	while (c->lock >= 0 && flock(c->lock, LOCK_SH) < 0 && errno == EINTR)
		continue;
	return result;
}
