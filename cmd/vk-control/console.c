/* SPDX-License-Identifier: MIT */
/*
 * console.c - standard input and output as the VM's console
 *
 * Neither way waits for the other: a guest that takes what is typed slowly, or
 * is held, is still shown, and left. What it does not take waits here, and so
 * does what the user does not read; where that is full nothing more is read.
 */
#include "cmd/vk-control/console.h"

#include "common/buf.h"
#include "common/escape.h"
#include "common/sink.h"
#include "common/terminal.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE 4096
/* A large paste, behind which the escape is still found. */
#define TYPED_MAX ((size_t)1 << 20)
#define SHOWN_MAX ((size_t)64 << 10)

struct join {
	int fd;
	bool terminal; /* what is typed is filtered */
	struct escape escape;
	bool leave;
	bool typing; /* standard input has not ended */
	bool told;   /* that it has */
	bool gone;   /* the VM has; what it said last is still shown */
	struct sink sink;
	struct buf typed, shown; /* what waits */
};

/* From the user. 0, -1 with err. */
static int
take_typed(struct join *join, struct err *e)
{
	char typed[PIECE - 1], passed[PIECE];
	ssize_t n = read(STDIN_FILENO, typed, sizeof(typed));
	size_t len = n > 0 ? (size_t)n : 0;
	const char *from = typed;

	if (n < 0)
		return errno == EINTR || errno == EAGAIN
			   ? 0
			   : err_errno(e, EX_IOERR, "stdin");
	join->typing = n > 0;
	if (join->terminal) {
		len = escape_filter(
		    &join->escape, typed, len, passed, &join->leave);
		from = passed;
	}
	buf_add(&join->typed, from, len);
	return 0;
}

/* To the VM. 0, -1 with err. */
static int
pass_typed(struct join *join, struct err *e)
{
	ssize_t n = 0;

	if (join->typed.len > 0)
		n = send(join->fd, join->typed.data, join->typed.len,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0)
		buf_drop(&join->typed, (size_t)n);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		/* It may have gone; what it said last is still to be read. */
		if (errno != EPIPE && errno != ECONNRESET)
			return err_errno(e, EX_IOERR, "console");
		buf_drop(&join->typed, join->typed.len);
	}
	if (!join->typing && join->typed.len == 0 && !join->told) {
		shutdown(join->fd, SHUT_WR);
		join->told = true;
	}
	return 0;
}

/* From the VM. */
static void
hear(struct join *join)
{
	char text[PIECE];
	ssize_t n = recv(join->fd, text, sizeof(text), MSG_DONTWAIT);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	join->gone = n <= 0;
	if (n > 0)
		buf_add(&join->shown, text, (size_t)n);
}

/* To the user. 0, -1 with err. */
static int
show(struct join *join, struct err *e)
{
	ssize_t n = 0;

	if (join->shown.len > 0)
		n = sink_write(&join->sink, join->shown.data, join->shown.len);
	if (n > 0)
		buf_drop(&join->shown, (size_t)n);
	return n < 0 && errno != EAGAIN && errno != EINTR
		   ? err_errno(e, EX_IOERR, "stdout")
		   : 0;
}

static bool
has_room(const struct buf *b, size_t max)
{
	return b->len + PIECE <= max;
}

static int
wait_for(struct join *join, struct err *e)
{
	bool hears = !join->gone && has_room(&join->shown, SHOWN_MAX);
	struct pollfd p[3] = {
	    {.fd = join->gone ? -1 : join->fd,
		.events = (short)((hears ? POLLIN : 0) |
				  (join->typed.len > 0 ? POLLOUT : 0))},
	    {.fd = join->typing && has_room(&join->typed, TYPED_MAX)
		       ? STDIN_FILENO
		       : -1,
		.events = POLLIN},
	    {.fd = STDOUT_FILENO, .events = join->shown.len > 0 ? POLLOUT : 0},
	};

	/* A hang-up is told even to who cannot read on. */
	if (!hears && join->typed.len == 0)
		p[0].fd = -1;
	if (poll(p, 3, -1) < 0)
		return errno == EINTR ? 0 : err_errno(e, EX_OSERR, "poll");
	if (p[1].revents && take_typed(join, e) < 0)
		return -1;
	if (p[0].revents & ~POLLOUT && hears)
		hear(join);
	if (p[2].revents & (POLLERR | POLLHUP) && join->shown.len == 0) {
		errno = EPIPE; /* nobody sees what it says */
		return err_errno(e, EX_IOERR, "stdout");
	}
	if (join->typed.failed || join->shown.failed)
		return err_set(e, EX_OSERR, "out of memory");
	return 0;
}

static bool
is_over(const struct join *join)
{
	return join->leave || (join->gone && join->shown.len == 0);
}

static int
copy(struct join *join, struct err *e)
{
	while (!is_over(join))
		if (show(join, e) < 0 || pass_typed(join, e) < 0 ||
		    (!is_over(join) && wait_for(join, e) < 0))
			return -1;
	return 0;
}

int
console_join(struct connection *c, struct err *e)
{
	struct join join = {
	    .fd = c->fd,
	    .terminal = isatty(STDIN_FILENO),
	    .typing = true,
	    .typed = BUF_INIT(TYPED_MAX),
	    .shown = BUF_INIT(CONNECTION_LINE_MAX + SHOWN_MAX),
	};
	struct terminal terminal = TERMINAL_INIT;
	int result;

	if (join.terminal && terminal_raw(&terminal, STDIN_FILENO, e) < 0)
		return -1;
	sink_init(&join.sink, STDOUT_FILENO);
	/* What came together with the answer. */
	buf_add(&join.shown, c->in.data, c->in.len);
	result = copy(&join, e);
	terminal_restore(&terminal);
	sink_release(&join.sink);
	buf_release(&join.typed);
	buf_release(&join.shown);
	return result;
}
