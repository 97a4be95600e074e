/* SPDX-License-Identifier: MIT */
/* status.c - who is to be told, and does not listen */
#include "cmd/vk-boot/status.h"

#include "common/scope.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

/* Far more than a pipe, or we, have room for. */
#define EVENTS 20000
/* For one that is held up. */
#define LIMIT_S 120

static struct loop *loop;
static struct status status;

static void
tell(const char *event, int number)
{
	status_event(&status, event,
	    json_pack("{s:i,s:s}", "n", number, "text",
		"what a guest may say as often as it likes"));
}

/* How many lines there are to be read, in order from 0 on; the last one's event
 * is put into `last`. */
static int
read_lines(int fd, char last[16])
{
	static char text[4 << 20];
	size_t len = 0;
	int count = 0;
	ssize_t n;

	while (len < sizeof(text) - 1) {
		n = read(fd, text + len, sizeof(text) - 1 - len);
		if (n <= 0 && loop_turn(loop, 0) <= 0)
			break;
		len += n > 0 ? (size_t)n : 0;
	}
	text[len] = '\0';
	for (char *at = text, *end; (end = strchr(at, '\n')); at = end + 1) {
		json_t *line = json_loadb(at, (size_t)(end - at), 0, NULL);
		const char *event = "none";
		int number = -1;

		json_unpack(line, "{s:s,s:i}", "event", &event, "n", &number);
		snprintf(last, 16, "%s", event);
		count += number == count;
		json_decref(line);
	}
	return count;
}

static void
test_deaf(const char *what, int to, int from)
{
	char last[16] = "";
	int count;

	status_init(&status, -1, to);
	status_serve(&status, loop);
	alarm(LIMIT_S);
	for (int i = 0; i < EVENTS; i++)
		tell("log", i);
	tell("exit", EVENTS);
	ok(true, "%s: who does not read is not waited for", what);
	count = read_lines(from, last);
	ok(count > 1000 && count < EVENTS, "and has whole lines later (%d)",
	    count);
	is_str(last, "exit", "of which the last is the last");
	is_int(loop_turn(loop, 0), 0, "then nobody is busy");
	tell("log", 0);
	is_int(read_lines(from, last), 1, "who reads again is told at once");
	for (int i = 0; i < EVENTS; i++)
		tell("log", i);
	status_finish(&status);
	ok(true, "nor is it at the end");
	alarm(0);
	status_release(&status);
}

static void
test_gone(void)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	status_init(&status, -1, ends[1]);
	status_serve(&status, loop);
	tell("log", 0);
	fd_close(&ends[0]);
	tell("log", 1);
	tell("exit", 2);
	is_int(loop_turn(loop, 0), 0, "who is gone is not told");
	status_finish(&status);
	status_release(&status);
	fd_close(&ends[1]);
}

/* A pipe that holds as much as it can, of somebody else's. */
static void
test_ready(void)
{
	static char full[1 << 16];
	char byte = 0;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0 ||
	    write(ends[1], full, sizeof(full)) != sizeof(full))
		return;
	status_init(&status, ends[1], -1);
	status_serve(&status, loop);
	alarm(LIMIT_S);
	status_ready(&status);
	ok(true, "who does not read that it is ready is not waited for");
	if (read(ends[0], full, sizeof(full)) != sizeof(full))
		return;
	is_int(loop_turn(loop, 0), 1, "there is room");
	ok(read(ends[0], &byte, 1) == 1 && byte == '\n', "and it is told");
	status_ready(&status);
	is_int(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0, "again");
	ok(read(ends[0], &byte, 1) < 0, "it is told once");
	alarm(0);
	status_finish(&status);
	status_release(&status);
	fd_close(&ends[0]);
	fd_close(&ends[1]);
}

int
main(void)
{
	struct err e = ERR_INIT;
	int ends[2];

	signal(SIGPIPE, SIG_IGN);
	loop = loop_new("test", &e);
	/* The reader's end does not block, ours does. */
	if (!loop || pipe2(ends, O_CLOEXEC) < 0 ||
	    fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
		return 1;
	test_deaf("a pipe", ends[1], ends[0]);
	fd_close(&ends[0]);
	fd_close(&ends[1]);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 ||
	    fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
		return 1;
	test_deaf("a socket", ends[1], ends[0]);
	fd_close(&ends[0]);
	fd_close(&ends[1]);
	test_gone();
	test_ready();
	loop_free(loop);
	return tap_done();
}
