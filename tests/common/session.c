/* SPDX-License-Identifier: MIT */
/*
 * session.c - the host's end of a session against a guest that is an enemy:
 * it ends in time, with one line, and holds no more memory than it should
 */
#include "common/session.h"

#include "common/io.h"
#include "common/scope.h"
#include "tests/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LEFT_CHUNKS 3 /* more than a pipe holds */

/* What the enemy does with its end, in a process of its own. */
static struct session_result result;
static struct err e;

static int
against(void (*enemy)(int fd), struct session_request *r)
{
	int ends[2], status;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		enemy(ends[1]);
		_exit(0);
	}
	close(ends[1]);
	e = (struct err)ERR_INIT;
	status = session_run(ends[0], r, &result, &e);
	close(ends[0]);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return status;
}

static void
say(int fd, enum frame_type type, unsigned stream, const void *data, size_t len)
{
	struct buf b cleanup_buf = BUF_INIT(FRAME_OPEN_MAX);

	frame_add(&b, type, stream, data, len);
	if (io_write(fd, b.data, b.len) < 0)
		_exit(0);
}

static void
greet(int fd)
{
	struct buf b cleanup_buf = BUF_INIT(64);

	frame_add_hello(&b);
	if (io_write(fd, b.data, b.len) < 0)
		_exit(0);
}

static void
say_u32(int fd, enum frame_type type, unsigned stream, uint32_t value)
{
	uint8_t bytes[4];
	struct writer w = writer_of(bytes, sizeof(bytes));

	put_le(&w, value, 4);
	say(fd, type, stream, bytes, 4);
}

static void
flood(int fd)
{
	static char chunk[FRAME_DATA_MAX];

	greet(fd);
	for (;;) /* far beyond its credit */
		say(fd, FRAME_DATA, STREAM_OUT, chunk, sizeof(chunk));
}

static void
long_frame(int fd)
{
	static const uint8_t head[] = {
	    0xff, 0xff, 0xff, 0x7f, FRAME_DATA, 1, 0, 0};

	greet(fd);
	if (io_write(fd, head, sizeof(head)) < 0)
		_exit(0);
	pause();
}

static void
empty_data(int fd)
{
	greet(fd);
	for (;;)
		say(fd, FRAME_DATA, STREAM_OUT, NULL, 0);
}

static void
wrong_stream(int fd)
{
	greet(fd);
	say(fd, FRAME_DATA, STREAM_IN, "x", 1);
	pause();
}

static void
much_credit(int fd)
{
	greet(fd);
	say_u32(fd, FRAME_CREDIT, STREAM_IN, 0xffffffff);
	pause();
}

static void
twice_started(int fd)
{
	static const uint8_t started[8] = {1, 0, 0, 0, 2, 0, 0, 0};

	greet(fd);
	for (;;)
		say(fd, FRAME_STARTED, 0, started, sizeof(started));
}

static void
no_session(int fd)
{
	static const uint8_t started[8] = {0, 0, 0, 0, 2, 0, 0, 0};

	greet(fd);
	for (;;)
		say(fd, FRAME_STARTED, 0, started, sizeof(started));
}

static void
twice_exited(int fd)
{
	greet(fd);
	for (;;)
		say_u32(fd, FRAME_EXITED, 0, 0);
}

static void
odd_status(int fd)
{
	greet(fd);
	say_u32(fd, FRAME_EXITED, 0, 0x137f); /* stopped: no end at all */
	pause();
}

static void
uninvited(int fd)
{
	static const uint8_t token[8] = {1};

	greet(fd);
	say(fd, FRAME_ACCEPTED, 0, token, sizeof(token));
	pause();
}

static void
after_eof(int fd)
{
	greet(fd);
	say(fd, FRAME_EOF, STREAM_OUT, NULL, 0);
	say(fd, FRAME_DATA, STREAM_OUT, "x", 1);
	pause();
}

static void
other_version(int fd)
{
	static const uint8_t hello[8] = {'v', 'k', 'x', 'e', 7, 0, 0, 0};

	say(fd, FRAME_HELLO, 0, hello, sizeof(hello));
	pause();
}

static void
gibberish(int fd)
{
	if (io_write(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28) < 0)
		_exit(0);
	pause();
}

static void
hangs_up(int fd)
{
	greet(fd);
}

static void
escapes(int fd)
{
	greet(fd);
	say(fd, FRAME_FAILED, 0, "\177\033]0;owned\007\n", 12);
	pause();
}

static void
never_reads(int fd)
{
	greet(fd);
	pause();
}

static void
test_breaches(void)
{
	static const struct {
		const char *name;
		void (*enemy)(int);
		const char *text;
	} cases[] = {
	    {"floods", flood, "out of turn"},
	    {"lies about a length", long_frame, "broken frame"},
	    {"sends nothing for ever", empty_data, "out of turn"},
	    {"writes to stdin", wrong_stream, "out of turn"},
	    {"gives credit without end", much_credit, "credit"},
	    {"starts twice", twice_started, "twice"},
	    {"starts no session", no_session, "no session"},
	    {"ends twice", twice_exited, "status"},
	    {"tells an odd status", odd_status, "status"},
	    {"accepts uninvited", uninvited, "nobody asked"},
	    {"goes on after its end", after_eof, "out of turn"},
	    {"is of another version", other_version, "version 7"},
	    {"speaks something else", gibberish, "frame"},
	    {"hangs up", hangs_up, "lost"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct session_request r = SESSION_REQUEST_INIT;
		/* A stdout that nobody reads: what comes has to be held. */
		int ends[2], status = pipe2(ends, O_CLOEXEC);

		r.out = ends[1];
		status = against(cases[i].enemy, &r);
		ok(status < 0 && strstr(e.text, cases[i].text),
		    "a guest that %s: %s", cases[i].name, e.text);
		close(ends[0]);
		close(ends[1]);
	}
}

/* What is wrong with a frame, or its place, as bytes behind a greeting. */
#define BYTES(text) text, sizeof(text) - 1

static const struct raw {
	const char *name, *bytes;
	size_t len;
} raws[] = {
    {"sets reserved bits", BYTES("\1\0\0\0\x08\1\1\0x")},
    {"names a stream that is none", BYTES("\1\0\0\0\x08\3\0\0x")},
    {"gives half a credit", BYTES("\2\0\0\0\x0a\0\0\0xx")},
    {"gives credit for its own stream", BYTES("\4\0\0\0\x0a\1\0\0\1\0\0\0")},
    {"gives a byte more than all", BYTES("\4\0\0\0\x0a\0\0\0\1\0\0\0")},
    {"wraps the credit", BYTES("\4\0\0\0\x0a\0\0\0\0\0\xfc\xff")},
    {"starts by half", BYTES("\4\0\0\0\x10\0\0\0\1\0\0\0")},
    {"ends by half", BYTES("\1\0\0\0\x11\0\0\0\0")},
    {"ends without a word", BYTES("\0\0\0\0\x11\0\0\0")},
    {"ends by no signal", BYTES("\4\0\0\0\x11\0\0\0\xff\xff\0\0")},
    {"fails with a code that is none", BYTES("\1\0\0\0\x12\0\0\0\5")},
    {"fails without a word", BYTES("\0\0\0\0\x12\0\0\0")},
    {"sends a frame of type 0", BYTES("\0\0\0\0\0\0\0\0")},
    {"sends a frame of type 255", BYTES("\0\0\0\0\xff\0\0\0")},
    {"asks to open", BYTES("\0\0\0\0\2\0\0\0")},
    {"greets twice", BYTES("\x08\0\0\0\1\0\0\0vkxe\1\0\0\0")},
    {"sends a signal", BYTES("\1\0\0\0\3\0\0\0\x09")},
    {"sends a window", BYTES("\x08\0\0\0\4\0\0\0xxxxxxxx")},
    {"announces an image", BYTES("\2\0\0\0\x20\0\0\0{}")},
    {"announces that it is ready", BYTES("\0\0\0\0\x21\0\0\0")},
    {"tells an event", BYTES("\2\0\0\0\x22\0\0\0\1x")},
    {"stops the host", BYTES("\x08\0\0\0\x28\0\0\0\0\0\0\0\0\0\0\0")},
    {"sets the clock", BYTES("\x08\0\0\0\x29\0\0\0xxxxxxxx")},
    {"sends one byte too many", BYTES("\1\0\1\0\x08\1\0\0")},
    {"claims 4 GiB", BYTES("\xff\xff\xff\xff\x08\1\0\0")},
    {"ends in the middle of a head", BYTES("\4\0\0")},
    {"ends in the middle of a frame", BYTES("\4\0\0\0\x08\1\0\0x")},
    {"writes after an end of stderr",
	BYTES("\0\0\0\0\x09\2\0\0\1\0\0\0\x08\2\0\0x")},
    {"accepts by half", BYTES("\4\0\0\0\x13\0\0\0\1\0\0\0")},
};
static const struct raw *raw;

static void
say_raw(int fd)
{
	greet(fd);
	if (io_write(fd, raw->bytes, raw->len) < 0)
		_exit(0);
}

static void
test_raw(void)
{
	for (size_t i = 0; i < sizeof(raws) / sizeof(raws[0]); i++) {
		struct session_request r = SESSION_REQUEST_INIT;

		raw = &raws[i];
		r.flags = OPEN_STDIN;
		ok(against(say_raw, &r) < 0 && e.status != 0 && e.text[0] &&
			!strpbrk(e.text, "\n\033"),
		    "a guest that %s: %s", raw->name, e.text);
	}
}

static void
test_text(void)
{
	struct session_request r = SESSION_REQUEST_INIT;

	is_int(against(escapes, &r), 0, "a failure is told");
	ok(result.code == 127 && !strchr(result.text, '\033') &&
		!strchr(result.text, '\n'),
	    "without escape sequences: %s", result.text);
}

/* A character of two bytes, cut between two frames. */
static void
colours(int fd)
{
	greet(fd);
	say(fd, FRAME_DATA, STREAM_ERR, "\033[31m\t\303\274\302", 9);
	say(fd, FRAME_DATA, STREAM_ERR, "\233J\b\177\n", 5);
	say(fd, FRAME_EOF, STREAM_OUT, NULL, 0);
	say(fd, FRAME_EOF, STREAM_ERR, NULL, 0);
	say_u32(fd, FRAME_EXITED, 0, 0);
	pause();
}

/* What of its standard error arrives. */
static const char *
err_of(bool is_text)
{
	static char text[32];
	struct session_request r = SESSION_REQUEST_INIT;
	int ends[2];

	memset(text, 0, sizeof(text));
	if (pipe2(ends, O_CLOEXEC) < 0)
		return text;
	r.err = ends[1];
	r.err_lines = is_text ? "vm: " : NULL;
	is_int(against(colours, &r), 0, "an agent that writes in colour");
	close(ends[1]);
	io_read(ends[0], text, sizeof(text) - 1);
	close(ends[0]);
	return text;
}

static void
test_err(void)
{
	is_str(err_of(false), "\033[31m\t\303\274\302\233J\b\177\n",
	    "a command's standard error comes as it is");
	is_str(err_of(true), "vm: ?[31m\t\303\274\302?J??\n",
	    "the agent's own without what a terminal would obey");
}

/* An agent may pass output on before it knows that the command has started. */
static void
speaks_early(int fd)
{
	static const uint8_t started[] = {7, 0, 0, 0, 9, 0, 0, 0};

	greet(fd);
	say(fd, FRAME_DATA, STREAM_OUT, "early", 5);
	say(fd, FRAME_DATA, STREAM_ERR, "early", 5);
	say(fd, FRAME_STARTED, 0, started, sizeof(started));
	pause();
}

static void
test_detached(void)
{
	struct session_request r = SESSION_REQUEST_INIT;
	char text[16] = "";
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	r.flags = OPEN_DETACH;
	r.out = r.err = ends[1];
	is_int(against(speaks_early, &r), 0, "a command that is left alone");
	is_int(result.end == SESSION_DETACHED ? result.id : 0, 7, "has an id");
	close(ends[1]);
	is_int(io_read(ends[0], text, sizeof(text)), 0,
	    "and what it says stays in the guest");
	close(ends[0]);
}

/* ---- the way to the guest's port -------------------------------------------
 */

static void
take_all(int fd)
{
	char asked[256];

	if (read(fd, asked, sizeof(asked)) < 0)
		_exit(0);
}

static void
closes(int fd)
{
	take_all(fd);
}

static void
refuses(int fd)
{
	take_all(fd);
	if (io_write(fd, "NO\033[2J\n", 8) < 0)
		_exit(0);
	pause();
}

static void
has_no_end(int fd)
{
	take_all(fd);
	for (;;)
		if (io_write(fd, "OK OK OK ", 9) < 0)
			_exit(0);
}

/* All that the host says comes before it has heard anything. */
static void
answers_in_pieces(int fd)
{
	static const char asks[] = "CONNECT 30315\n\x08\0\0\0\1\0\0\0vkxe";
	char asked[256];
	ssize_t n = read(fd, asked, sizeof(asked));

	if (n < (ssize_t)sizeof(asks) || memcmp(asked, asks, 26) != 0)
		_exit(0);
	for (const char *at = "OK 30315\n"; *at; at++)
		if (io_write(fd, at, 1) < 0)
			_exit(0);
	greet(fd);
	say(fd, FRAME_EOF, STREAM_OUT, NULL, 0);
	say(fd, FRAME_EOF, STREAM_ERR, NULL, 0);
	say_u32(fd, FRAME_EXITED, 0, 7 << 8);
	pause();
}

static void
silent(int fd)
{
	(void)fd;
	pause();
}

static void
test_port(void)
{
	struct session_request r = SESSION_REQUEST_INIT;

	r.port = EXEC_PORT;
	ok(against(closes, &r) < 0 && e.status == EX_UNAVAILABLE &&
		strstr(e.text, "nobody listens on port 30315"),
	    "a port that nobody has: %s", e.text);
	ok(against(refuses, &r) < 0 && e.status == EX_PROTOCOL &&
		strstr(e.text, "answered") && !strchr(e.text, '\033'),
	    "a socket that is none of a VM: %s", e.text);
	ok(against(has_no_end, &r) < 0 && e.status == EX_PROTOCOL,
	    "an answer without an end: %s", e.text);
	is_int(against(answers_in_pieces, &r), 0, "an answer byte by byte");
	is_int(session_status(&result), 7, "its session's end");
	r.greeting_ms = 50;
	ok(against(silent, &r) < 0 && e.status == EX_UNAVAILABLE,
	    "no answer in the time that was given: %s", e.text);
}

/* stdin without end into a guest that does not read, and a way out of it. */
static void *
cancel_soon(void *context)
{
	uint64_t one = 1;

	usleep(300000);
	if (write(*(int *)context, &one, sizeof(one)) < 0)
		perror("eventfd");
	return NULL;
}

static void
test_blocked(void)
{
	struct session_request r = SESSION_REQUEST_INIT;
	int cancel = eventfd(0, EFD_CLOEXEC);
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	struct rusage before, after;
	pthread_t thread;

	getrusage(RUSAGE_SELF, &before);
	r.flags = OPEN_STDIN;
	r.in = zero;
	r.cancel = cancel;
	pthread_create(&thread, NULL, cancel_soon, &cancel);
	is_int(against(never_reads, &r), 0, "a guest that stops reading");
	pthread_join(thread, NULL);
	is_int(result.end, SESSION_CANCELLED, "can be left");
	getrusage(RUSAGE_SELF, &after);
	ok(after.ru_maxrss - before.ru_maxrss < 4096,
	    "memory grew by %ld KiB over all of it",
	    after.ru_maxrss - before.ru_maxrss);
	close(cancel);
	close(zero);
}

/* Says all, and is gone while most of it waits for its reader. */
static void
leaves(int fd)
{
	static char chunk[FRAME_DATA_MAX];

	greet(fd);
	for (int i = 0; i < LEFT_CHUNKS; i++)
		say(fd, FRAME_DATA, STREAM_OUT, chunk, sizeof(chunk));
	say(fd, FRAME_EOF, STREAM_OUT, NULL, 0);
	say(fd, FRAME_EOF, STREAM_ERR, NULL, 0);
	say_u32(fd, FRAME_EXITED, 0, 7 << 8);
	if (shutdown(fd, SHUT_WR) < 0)
		_exit(0);
	take_all(fd); /* the session's own words, and then its end */
	while (read(fd, chunk, sizeof(chunk)) > 0)
		continue;
}

/* Begins when a pipe is full and nobody comes any more. */
static void *
read_late(void *context)
{
	static size_t count;
	char bytes[4096];
	ssize_t n;

	usleep(300000);
	for (count = 0; (n = read(*(int *)context, bytes, sizeof(bytes))) > 0;)
		count += (size_t)n;
	return &count;
}

static void
test_late_reader(void)
{
	struct session_request r = SESSION_REQUEST_INIT;
	int ends[2];
	pthread_t thread;
	void *count;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	r.out = ends[1];
	pthread_create(&thread, NULL, read_late, &ends[0]);
	is_int(against(leaves, &r), 0, "a guest is gone before all is read");
	close(ends[1]);
	pthread_join(thread, &count);
	is_int(*(size_t *)count, LEFT_CHUNKS * FRAME_DATA_MAX, "all is read");
	is_int(session_status(&result), 7, "and the status is told");
	close(ends[0]);

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	r.out = ends[1];
	r.with_guest = true;
	pthread_create(&thread, NULL, read_late, &ends[0]);
	is_int(against(leaves, &r), 0, "with its guest: a reader that is slow");
	close(ends[1]);
	pthread_join(thread, &count);
	ok(*(size_t *)count == LEFT_CHUNKS * FRAME_DATA_MAX && !result.dropped,
	    "has all");
	close(ends[0]);
}

/* ---- nobody reads ---- */

/* A session whose output nobody reads. Returns how long it took, ms. */
static int64_t
unread(void (*enemy)(int fd), struct session_request *r)
{
	struct timespec from, to;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	r->out = ends[1];
	clock_gettime(CLOCK_MONOTONIC, &from);
	is_int(against(enemy, r), 0, "nobody reads");
	clock_gettime(CLOCK_MONOTONIC, &to);
	close(ends[0]);
	close(ends[1]);
	return (to.tv_sec - from.tv_sec) * 1000 +
	       (to.tv_nsec - from.tv_nsec) / 1000000;
}

/* Its command has ended, and it would say more if that were taken. */
static void
has_more(int fd)
{
	static char chunk[FRAME_DATA_MAX];

	greet(fd);
	for (int i = 0; i < LEFT_CHUNKS; i++)
		say(fd, FRAME_DATA, STREAM_OUT, chunk, sizeof(chunk));
	say_u32(fd, FRAME_EXITED, 0, 7 << 8);
	take_all(fd);
	pause();
}

/* Ends when it is told to. */
static void
obeys(int fd)
{
	static char chunk[FRAME_DATA_MAX];
	struct frame_reader reader;
	struct frame f;

	greet(fd);
	for (int i = 0; i < LEFT_CHUNKS; i++)
		say(fd, FRAME_DATA, STREAM_OUT, chunk, sizeof(chunk));
	if (frame_reader_init(&reader, FRAME_OPEN_MAX) < 0)
		_exit(0);
	do
		while (frame_next(&reader, &f, &e) == 0)
			if (frame_fill(&reader, fd) <= 0)
				_exit(0);
	while (f.type != FRAME_SIGNAL);
	say_u32(fd, FRAME_EXITED, 0, 7 << 8);
	pause();
}

static void *
end_soon(void *context)
{
	static const char end = SIGTERM;

	usleep(300000);
	if (write(*(int *)context, &end, 1) != 1)
		perror("pipe");
	return NULL;
}

static void
test_ended(void)
{
	struct session_request r = SESSION_REQUEST_INIT;
	pthread_t thread;
	int signals[2];

	if (pipe2(signals, O_CLOEXEC) < 0)
		return;
	r.signals = signals[0];
	pthread_create(&thread, NULL, end_soon, &signals[1]);
	unread(has_more, &r);
	pthread_join(thread, NULL);
	is_int(session_status(&result), 128 + SIGTERM,
	    "a signal ends it when there is no command to get it");
	pthread_create(&thread, NULL, end_soon, &signals[1]);
	unread(obeys, &r);
	pthread_join(thread, NULL);
	ok(session_status(&result) == 7 && result.dropped,
	    "else the command, and soon after it the session");
	close(signals[0]);
	close(signals[1]);
}

static void
test_unread(void)
{
	struct session_request r = SESSION_REQUEST_INIT;
	int hurry = eventfd(1, EFD_CLOEXEC);
	int64_t ms;

	r.with_guest = true;
	ms = unread(leaves, &r);
	ok(ms >= SESSION_PATIENCE_MS && ms < 2 * SESSION_PATIENCE_MS,
	    "with its guest: it ends soon (%d ms)", (int)ms);
	ok(session_status(&result) == 7 && result.dropped,
	    "the status is told, and what is lost");

	r.hurry = hurry;
	ms = unread(has_more, &r);
	ok(ms >= SESSION_PATIENCE_MS && ms < 2 * SESSION_PATIENCE_MS,
	    "its caller is in a hurry: it ends soon (%d ms)", (int)ms);
	ok(session_status(&result) == 7 && result.dropped, "the same");
	close(hurry);
}

/* Waits for the EOF of its output: that ends the command. */
static void
feels_it(int fd)
{
	struct frame_reader reader;
	struct frame f;
	uint8_t bytes[8] = {1, 0, 0, 0, 1};

	greet(fd);
	say(fd, FRAME_STARTED, 0, bytes, sizeof(bytes));
	if (frame_reader_init(&reader, FRAME_OPEN_MAX) < 0)
		_exit(0);
	do
		while (frame_next(&reader, &f, &e) == 0)
			if (frame_fill(&reader, fd) <= 0)
				_exit(0);
	while (f.type != FRAME_EOF || f.stream != STREAM_OUT);
	say(fd, FRAME_EOF, STREAM_OUT, NULL, 0);
	say(fd, FRAME_EOF, STREAM_ERR, NULL, 0);
	say_u32(fd, FRAME_EXITED, 0, 9 << 8);
	pause();
}

/* A log without a new line. */
static void
says_no_more(int fd)
{
	greet(fd);
	pause();
}

/* Before anything more is written to it. */
static void
test_reader_gone(void)
{
	struct session_request r = SESSION_REQUEST_INIT;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	close(ends[0]);
	r.out = ends[1];
	is_int(against(feels_it, &r), 0, "the reader of the output has gone");
	is_int(session_status(&result), 9, "which the guest is told at once");
	r.kind = OPEN_LOGS;
	is_int(against(says_no_more, &r), 0, "who follows a log");
	is_int(session_status(&result), 128 + SIGPIPE,
	    "does not wait for its next line");
	close(ends[1]);
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	test_breaches();
	test_raw();
	test_text();
	test_err();
	test_detached();
	test_port();
	test_blocked();
	test_late_reader();
	test_unread();
	test_ended();
	test_reader_gone();
	return tap_done();
}
