/* SPDX-License-Identifier: MIT */
/* console.c - standard input and output as the VM's console */
#include "cmd/vk-control/console.h"

#include "common/escape.h"
#include "common/io.h"
#include "common/terminal.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE 4096

/* Where each of the two streams is. */
struct join {
	int fd;
	bool terminal; /* what is typed is filtered */
	struct escape escape;
	bool leave;
};

/* From the user to the VM. 1, 0 at its end, -1 with err. */
static int
take_typed(struct join *join, struct err *e)
{
	char typed[PIECE - 1], passed[PIECE];
	ssize_t n = read(STDIN_FILENO, typed, sizeof(typed));
	size_t len = n > 0 ? (size_t)n : 0;
	const char *from = typed;

	if (n < 0)
		return errno == EINTR ? 1 : err_errno(e, EX_IOERR, "stdin");
	if (n == 0) {
		shutdown(join->fd, SHUT_WR);
		return 0;
	}
	if (join->terminal) {
		len = escape_filter(
		    &join->escape, typed, len, passed, &join->leave);
		from = passed;
	}
	/* The VM may have gone; what it said last is still to be read. */
	if (io_write(join->fd, from, len) < 0 && errno != EPIPE)
		return err_errno(e, EX_IOERR, "console");
	return 1;
}

/* From the VM to the user. 1, 0 at its end, -1 with err. */
static int
show(struct join *join, struct err *e)
{
	char text[PIECE];
	ssize_t n = read(join->fd, text, sizeof(text));

	if (n < 0 && errno == EINTR)
		return 1;
	if (n <= 0)
		return 0;
	if (io_write(STDOUT_FILENO, text, (size_t)n) < 0)
		return err_errno(e, EX_IOERR, "stdout");
	return 1;
}

static int
copy(struct join *join, struct err *e)
{
	struct pollfd p[2] = {
	    {.fd = join->fd, .events = POLLIN},
	    {.fd = STDIN_FILENO, .events = POLLIN},
	};
	int result = 1;

	while (result > 0 && !join->leave) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return err_errno(e, EX_OSERR, "poll");
		if (p[1].revents) {
			result = take_typed(join, e);
			if (result == 0)
				p[1].fd = -1;
			if (result < 0)
				return -1;
			result = 1;
		}
		if (p[0].revents)
			result = show(join, e);
	}
	return result < 0 ? -1 : 0;
}

int
console_join(struct connection *c, struct err *e)
{
	struct join join = {.fd = c->fd, .terminal = isatty(STDIN_FILENO)};
	struct terminal terminal = TERMINAL_INIT;
	int result;

	if (join.terminal && terminal_raw(&terminal, STDIN_FILENO, e) < 0)
		return -1;
	/* What came together with the answer. */
	result = io_write(STDOUT_FILENO, c->in.data, c->in.len);
	if (result < 0)
		err_errno(e, EX_IOERR, "stdout");
	else
		result = copy(&join, e);
	terminal_restore(&terminal);
	return result;
}
