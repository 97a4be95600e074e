/* SPDX-License-Identifier: MIT */
/* view.c - who watches the guest's console, and types into it */
#include "cmd/vk-boot/view.h"

#include "cmd/vk-boot/unix_place.h"

#include "common/io.h"
#include "common/scope.h"
#include "tests/descriptors.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct loop *loop;
static struct ring *ring;
static struct views *views;
static unsigned left;

static void
turn(void)
{
	while (loop_turn(loop, 0) > 0)
		continue;
}

static void
count_left(void *owner)
{
	(void)owner;
	left++;
}

/* A view by a socket, whose other end is returned. */
static int
open_view(bool from_start, bool escape)
{
	struct view_config config = {
	    .from_start = from_start,
	    .escape = escape,
	    .stays = true,
	    .left = count_left,
	};
	struct err e = ERR_INIT;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		ends) < 0)
		return -1;
	config.in = config.out = ends[0];
	if (views_open(views, &config, NULL, 0, &e) < 0)
		fd_close(&ends[1]);
	turn();
	return ends[1];
}

static void
say(const char *text)
{
	ring_add(ring, text, strlen(text));
	turn();
}

static void
type(int fd, const char *text)
{
	if (io_write(fd, text, strlen(text)) < 0)
		printf("# write: %m\n");
	turn();
}

/* What is there to read, without waiting. */
static const char *
hear(int fd)
{
	static char text[4096];
	ssize_t n;

	turn();
	n = read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	return n == 0 ? "end" : text;
}

static void
test_two(void)
{
	int one, two;

	say("before\n");
	one = open_view(true, false);
	two = open_view(false, true);
	is_str(hear(one), "before\n", "what was said before");
	is_str(hear(two), "", "or not");
	say("now\n");
	is_str(hear(one), "now\n", "what is said");
	is_str(hear(two), "now\n", "to all");
	type(one, "a\x1d.");
	type(two, "b\x1d\x1d");
	is_str(
	    hear(views_input(views)), "a\x1d.b\x1d", "what any of them types");
	shutdown(one, SHUT_WR);
	say("more\n");
	is_str(hear(one), "more\n", "who types no more still watches");
	close(one);
	turn();
	is_int(left, 1, "one has gone");
	type(two, "\x1d.c");
	is_str(hear(two), "more\n", "who has not read yet");
	is_str(hear(two), "end", "one leaves");
	is_int(left, 2, "and is gone");
	is_str(hear(views_input(views)), "", "nothing of that is typed");
	close(two);
}

static void
test_slow(void)
{
	static char line[] =
	    "0123456789abcdef0123456789abcdef0123456789abcde\n";
	size_t total = 0, len;
	int fd = open_view(false, false);
	const char *text;
	bool whole = true;

	for (unsigned i = 0; i < 40000; i++) /* 1.9 MB */
		say(line);
	while ((len = strlen(text = hear(fd))) > 0 && total < 4 << 20) {
		whole &= total > 0 || text[0] == '0';
		total += len;
	}
	ok(whole && total >= RING_KEEP && total < 40000 * strlen(line),
	    "one that reads slowly loses some, not the end (%zu)", total);
	say("end\n");
	is_str(hear(fd), "end\n", "and goes on");
	close(fd);
	turn();
}

/* Types more than the guest takes, which reads nothing. How much that is. */
static size_t
stuff(int fd)
{
	char piece[1000];
	size_t typed = 0;
	ssize_t n;

	memset(piece, 'x', sizeof(piece));
	while ((n = write(fd, piece, sizeof(piece))) > 0) {
		typed += (size_t)n;
		turn();
	}
	return typed;
}

/* All that the guest can read. */
static size_t
take(void)
{
	char piece[1000];
	size_t taken = 0;
	ssize_t n;

	for (bool turned = false;; turned = n <= 0) {
		n = read(views_input(views), piece, sizeof(piece));
		if (n <= 0 && turned)
			return taken;
		if (n <= 0)
			turn();
		else
			taken += (size_t)n;
	}
}

/* The guest reads nothing: those who type wait, and lose nothing. */
static void
test_stuffed(void)
{
	int fd = open_view(false, false);
	size_t typed = stuff(fd);

	ok(typed < 4 << 20, "it is not taken without end (%zu)", typed);
	is_int(take(), typed, "all of it arrives");
	close(fd);
	turn();
}

/* Nor if they do not stay: with one descriptor, or two. */
static void
test_left(bool two)
{
	struct view_config config = {.left = count_left};
	unsigned turns = 0, before = left;
	struct err e = ERR_INIT;
	size_t typed;
	int ends[2] = {-1, -1}, fd;

	if (two && pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0) {
		config.in = ends[0];
		config.out = open("/dev/null", O_WRONLY | O_CLOEXEC);
		views_open(views, &config, NULL, 0, &e);
		fd = ends[1];
	} else {
		fd = open_view(false, false);
	}
	typed = stuff(fd);
	close(fd);
	while (turns < 1000 && loop_turn(loop, 0) > 0)
		turns++;
	ok(turns < 1000, "who has typed and left keeps nobody busy");
	is_int(take(), typed, "what was typed arrives");
	is_int(left - before, 1, "and then it is gone");
}

/* Our standard output may be a socket that others write to as well. */
static void
test_blocking(void)
{
	struct view_config config = {.in = -1};
	struct err e = ERR_INIT;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return;
	config.out = ends[0];
	ok(views_open(views, &config, NULL, 0, &e) == 0, "a socket");
	alarm(60);
	for (unsigned i = 0; i < 10000; i++) /* 640 kB */
		say("0123456789abcdef0123456789abcdef0123456789abcdef"
		    "0123456789abcde\n");
	alarm(0);
	ok(true, "that nobody reads holds up nothing");
	close(ends[1]);
	turn();
}

/* All descriptors are taken: who comes waits until one leaves. */
static void
test_starved(void)
{
	char folder[] = "/tmp/vk-test-view.XXXXXX", path[64];
	struct unix_place place = UNIX_PLACE_INIT;
	struct descriptors taken;
	struct err e = ERR_INIT;
	unsigned turns = 0;
	int one, two;

	if (!mkdtemp(folder))
		return;
	snprintf(path, sizeof(path), "%s/s", folder);
	ok(views_listen(views, path, &e) == 0 &&
		unix_place_open(&place, path, &e) == 0,
	    "a socket for views");
	one = unix_place_connect(&place);
	turn();
	two = unix_place_connect(&place);
	descriptors_take(&taken);
	while (turns < 1000 && loop_turn(loop, 0) > 0)
		turns++;
	ok(turns < 1000, "without a free descriptor nobody spins");
	fd_close(&one);
	if (turns < 1000) {
		turn();
		ok(strlen(hear(two)) > 3, "who waits comes when one left");
	}
	descriptors_give(&taken);
	fd_close(&two);
	turn();
	unix_place_close(&place);
	unlink(path);
	rmdir(folder);
}

/* At the end nobody reads: that is waited for once, and not by each. */
static void
test_deaf(void)
{
	struct timespec from, to;
	struct err e = ERR_INIT;
	int fds[VIEWS_MAX];
	long ms;

	views = views_new(loop, ring, &e);
	for (int i = 0; i < VIEWS_MAX; i++)
		fds[i] = open_view(true, false);
	ok(fds[VIEWS_MAX - 1] >= 0, "as many views as may be");
	for (size_t said = 0; said < RING_KEEP; said += 50)
		say("0123456789abcdef0123456789abcdef0123456789abcdefg\n");
	clock_gettime(CLOCK_MONOTONIC, &from);
	views_free(views);
	clock_gettime(CLOCK_MONOTONIC, &to);
	ms = (to.tv_sec - from.tv_sec) * 1000 +
	     (to.tv_nsec - from.tv_nsec) / 1000000;
	ok(ms < 4000, "that nobody reads them costs the end little (%ld ms)",
	    ms);
	for (int i = 0; i < VIEWS_MAX; i++)
		fd_close(&fds[i]);
}

int
main(void)
{
	struct err e = ERR_INIT;
	int fds[VIEWS_MAX + 1];

	loop = loop_new("test", &e);
	ring = ring_new(-1, &e);
	views = views_new(loop, ring, &e);
	ok(views != NULL, "made: %s", e.text);
	test_two();
	test_slow();
	test_stuffed();
	test_left(false);
	test_left(true);
	test_blocking();
	test_starved();
	for (int i = 0; i <= VIEWS_MAX; i++)
		fds[i] = open_view(false, false);
	ok(fds[VIEWS_MAX - 1] >= 0 && fds[VIEWS_MAX] < 0, "one too many");
	ring_add(ring, "last\n", 5);
	views_free(views);
	is_str(hear(fds[0]), "last\n", "the last word is shown");
	for (int i = 0; i <= VIEWS_MAX; i++)
		fd_close(&fds[i]);
	test_deaf();
	ring_free(ring);
	loop_free(loop);
	return tap_done();
}
