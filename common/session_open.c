/* SPDX-License-Identifier: MIT */
/* session_open.c - the way to the agent, and what a session asks of it */
#include "common/scope.h"
#include "common/session.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int
session_connect(const char *path, struct err *e)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_errno(e, EX_OSERR, "socket");
	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(e, EX_USAGE, "%s: too long for a socket", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_errno(e, 0, "%s", path);
	return steal_fd(&fd);
}

static void
add_all(struct buf *b, enum item tag, char *const *strings)
{
	for (; strings && *strings; strings++)
		item_add_string(b, tag, *strings);
}

static void
add_window(struct buf *b, int tty)
{
	struct winsize size;
	uint8_t bytes[8];
	struct writer w = writer_of(bytes, sizeof(bytes));

	if (tty < 0 || ioctl(tty, TIOCGWINSZ, &size) < 0)
		return;
	put_le(&w, size.ws_row, 2);
	put_le(&w, size.ws_col, 2);
	put_le(&w, size.ws_xpixel, 2);
	put_le(&w, size.ws_ypixel, 2);
	item_add(b, ITEM_WINDOW, bytes, sizeof(bytes));
}

int
session_open_payload(
    const struct session_request *r, struct buf *b, struct err *e)
{
	item_add_number(b, ITEM_KIND, r->kind, 1);
	item_add_number(b, ITEM_FLAGS, r->flags, 4);
	item_add_number(b, ITEM_GRACE_MS, r->grace_ms, 4);
	add_all(b, ITEM_ARG, r->argv);
	add_all(b, ITEM_ENV, r->env);
	add_all(b, ITEM_PATH, r->paths);
	if (r->user)
		item_add_string(b, ITEM_USER, r->user);
	if (r->dir)
		item_add_string(b, ITEM_DIR, r->dir);
	if (r->term)
		item_add_string(b, ITEM_TERM, r->term);
	if (r->target)
		item_add_string(b, ITEM_TARGET, r->target);
	if (r->flags & OPEN_TTY)
		add_window(b, r->tty);
	if (r->id)
		item_add_number(b, ITEM_ID, r->id, 4);
	if (r->signal)
		item_add_number(b, ITEM_SIGNAL, (uint64_t)r->signal, 1);
	if (r->token)
		item_add_number(b, ITEM_TOKEN, r->token, 8);
	if (r->clock_ns)
		item_add_number(b, ITEM_CLOCK_NS, r->clock_ns, 8);
	if (b->failed)
		return err_set(e, EX_DATAERR, "arguments and environment: %s",
		    strerror(E2BIG));
	return 0;
}
