/* SPDX-License-Identifier: MIT */
/* log.c - who reads stderr, or does not */
#include "common/log.h"

#include "common/scope.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

/* More than a pipe, and we, have room for. */
#define LINES 20000
/* For one that is held up. */
#define LIMIT_S 60

/* How many whole lines there are, counted on from 0. */
static unsigned
lines_of(int fd)
{
	static char text[1 << 20];
	unsigned count = 0, number;
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(text) - 1 &&
	       (n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	for (char *at = text, *end; (end = strchr(at, '\n')); at = end + 1)
		count += sscanf(at, "test: line %u of many", &number) == 1 &&
			 number == count;
	return count;
}

/* stderr is one end of these, and nobody reads the other. */
static void
test_deaf(const char *what, const int ends[2])
{
	cleanup_fd int before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	unsigned first;

	dup2(ends[1], STDERR_FILENO);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	alarm(LIMIT_S);
	log_hold();
	for (unsigned i = 0; i < LINES; i++)
		log_warn("line %u of many", i);
	ok(log_waits(), "%s: who does not read is not waited for", what);
	first = lines_of(ends[0]);
	ok(first > 100, "and has what there was room for (%u)", first);
	log_warn("another");
	ok(!log_waits(), "what waited goes with the next line");
	lines_of(ends[0]);
	for (unsigned i = 0; i < 100; i++)
		log_warn("line %u of many", i);
	log_text("as it is\n");
	log_release();
	is_int(lines_of(ends[0]), 100, "who reads has all of it");
	log_warn("line 0 of many");
	is_int(lines_of(ends[0]), 1, "and what comes then as ever");
	alarm(0);
	dup2(before, STDERR_FILENO);
	close(ends[0]);
	close(ends[1]);
}

int
main(void)
{
	int ends[2];

	log_name("test");
	if (pipe2(ends, O_CLOEXEC) < 0)
		return 1;
	test_deaf("a pipe", ends);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return 1;
	test_deaf("a socket", ends);
	return tap_done();
}
