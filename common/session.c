/* SPDX-License-Identifier: MIT */
/*
 * session.c - the host's end of one session with the guest's agent
 *
 * One poll(2) loop over the connection and the caller's descriptors. What
 * bounds it:
 *
 *	to the guest	stdin is read only while less than a DATA frame waits
 *			to be sent and the guest has given credit;
 *	from the guest	a stream holds at most the STREAM_WINDOW that was
 *			given; a guest that sends more breaks the rules.
 *
 * The end: EXITED tells the status as soon as the guest knows it; the session
 * is over when both streams have had their EOF too and all is written.
 */
#include "common/session_parts.h"

#include "common/io.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const struct filter_call session_calls[] = {
    CALL(poll),
    CALL(read),
    CALL(write),
    CALL(sendto), /* the guest, and outputs that are sockets */
    CALL(fcntl),  /* O_NONBLOCK */
    CALL_IF(ioctl, 1, TIOCGWINSZ),
    CALLS_END,
};

int64_t
session_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- to the guest ---------------------------------------------------------
 */

static void
say_window(struct session *s)
{
	struct winsize size;
	uint8_t payload[8];
	struct writer w = writer_of(payload, sizeof(payload));

	if (s->request->tty < 0 ||
	    ioctl(s->request->tty, TIOCGWINSZ, &size) < 0)
		return;
	put_le(&w, size.ws_row, 2);
	put_le(&w, size.ws_col, 2);
	put_le(&w, size.ws_xpixel, 2);
	put_le(&w, size.ws_ypixel, 2);
	frame_add(&s->out, FRAME_WINDOW, 0, payload, sizeof(payload));
}

static void
say_signal(struct session *s, int signal)
{
	uint8_t number = (uint8_t)signal;

	frame_add(&s->out, FRAME_SIGNAL, 0, &number, 1);
}

/* Writes what waits for the guest. */
static int
flush(struct session *s)
{
	ssize_t n;

	if (s->out.failed)
		return err_set(s->e, EX_OSERR, "out of memory");
	if (s->out.len == 0)
		return 0;
	do
		n = send(s->fd, s->out.data, s->out.len,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == ENOTSOCK)
		n = write(s->fd, s->out.data, s->out.len);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
		/* What the guest said last may still be there to be read. */
		s->out.len = 0;
		s->in_open = false;
		return 0;
	}
	if (n < 0)
		return err_errno(s->e, EX_IOERR, "connection to the guest");
	buf_drop(&s->out, (size_t)n);
	return 0;
}

static bool
in_wanted(const struct session *s)
{
	return s->in_open && s->greeted && s->in_credit > 0 &&
	       s->out.len < FRAME_DATA_MAX;
}

/* One read of stdin into a DATA frame. */
static int
take_input(struct session *s)
{
	size_t want = FRAME_DATA_MAX;
	uint8_t *room;
	ssize_t n;

	if (want > s->in_credit)
		want = s->in_credit;
	room = buf_reserve(&s->out, FRAME_HEAD + want);
	if (!room)
		return err_set(s->e, EX_OSERR, "out of memory");
	n = read(s->request->in, room + FRAME_HEAD, want);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) { /* an error here (EIO: a terminal hung up) is an end */
		s->in_open = false;
		frame_add(&s->out, FRAME_EOF, STREAM_IN, NULL, 0);
		return 0;
	}
	frame_head(room, FRAME_DATA, STREAM_IN, (size_t)n);
	s->out.len += FRAME_HEAD + (size_t)n;
	s->in_credit -= (uint32_t)n;
	return 0;
}

/* ---- the loop -------------------------------------------------------------
 */

/* The guest has not answered yet, and may never, or its command has ended, or
 * it is gone: there is nobody who could be told. */
static bool
ends_here(const struct session *s, int signal)
{
	return (!s->greeted || s->ended || s->gone) &&
	       (signal == SIGINT || signal == SIGTERM || signal == SIGHUP ||
		   signal == SIGQUIT);
}

/* Returns 0, 1 where one ends the session, -1 with err. */
static int
take_signals(struct session *s)
{
	uint8_t numbers[64];
	ssize_t n = read(s->request->signals, numbers, sizeof(numbers));

	for (ssize_t i = 0; i < n; i++) {
		if (numbers[i] == SIGWINCH) {
			say_window(s);
			continue;
		}
		if (ends_here(s, numbers[i])) {
			s->result->end = SESSION_KILLED;
			s->result->code = numbers[i];
			return 1;
		}
		say_signal(s, numbers[i]);
		/* Once it has ended, so are we to. */
		s->hurried |= numbers[i] == SIGTERM || numbers[i] == SIGHUP;
		/* Our terminal went away: a command that stays is ended. */
		if (numbers[i] == SIGHUP && !s->deadline_ms) {
			s->hung_up = true;
			s->deadline_ms =
			    session_now_ms() + s->request->grace_ms;
		}
		if (numbers[i] != SIGTSTP || !s->request->stop_self)
			continue;
		if (flush(s) < 0)
			return -1;
		s->request->stop_self();
	}
	return 0;
}

/* A deadline has passed: of the greeting, of the command, of its grace. */
static int
pass_deadline(struct session *s)
{
	if (!s->greeted)
		return err_set(
		    s->e, EX_UNAVAILABLE, "the guest's agent does not answer");
	if (s->timed_out || s->hung_up) {
		say_signal(s, SIGKILL);
		s->deadline_ms = 0;
		return 0;
	}
	s->timed_out = true;
	say_signal(s, SIGTERM);
	s->deadline_ms = session_now_ms() + s->request->grace_ms + 1;
	return 0;
}

bool
session_has_all(const struct session *s)
{
	for (int i = STREAM_OUT; i < STREAM_COUNT; i++)
		if (!(s->output[i].eof || s->output[i].gone))
			return false;
	return s->ended;
}

static bool
is_over(const struct session *s)
{
	for (int i = STREAM_OUT; i < STREAM_COUNT; i++)
		if (s->output[i].waiting.len > 0)
			return false;
	return s->gone || session_has_all(s);
}

/* ---- the patience with who does not take the output ---- */

/* When it ends; 0: it does not, or has not begun. */
static int64_t
patience_ends(struct session *s)
{
	int64_t since, last;

	if (!s->hurried || !(s->ended || s->gone))
		return 0;
	if (!s->patience_ms)
		s->patience_ms = session_now_ms();
	since = s->taken_ms > s->patience_ms ? s->taken_ms : s->patience_ms;
	since += SESSION_PATIENCE_MS;
	last = s->patience_ms + SESSION_PATIENCE_MAX_MS;
	return since < last ? since : last;
}

static void
lose_patience(struct session *s)
{
	for (int i = STREAM_OUT; i < STREAM_COUNT; i++)
		if (!s->output[i].eof || s->output[i].waiting.len > 0)
			session_output_drop(&s->output[i]);
	s->result->dropped = true;
}

/* Milliseconds until the next deadline: 0, it has passed; -1, there is none. */
static int
time_left(int64_t deadline_ms, int64_t patience_ms)
{
	int64_t next = deadline_ms, left;

	if (!next || (patience_ms && patience_ms < next))
		next = patience_ms;
	if (!next)
		return -1;
	left = next - session_now_ms();
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

enum {
	AT_GUEST,
	AT_SIGNALS,
	AT_CANCEL,
	AT_HURRY,
	AT_STDIN,
	AT_STDOUT,
	AT_STDERR,
	AT_COUNT
};

static int
wait_for(struct session *s, struct pollfd *p)
{
	const struct session_request *r = s->request;
	int64_t patience_ms = patience_ends(s);
	int left = time_left(s->deadline_ms, patience_ms);

	/* A guest that has said all may go while some of it still waits. */
	p[AT_GUEST] = (struct pollfd){
	    .fd =
		s->gone || (session_has_all(s) && !r->with_guest) ? -1 : s->fd,
	    .events = (short)(POLLIN | (s->out.len ? POLLOUT : 0))};
	p[AT_HURRY] =
	    (struct pollfd){.fd = s->hurried ? -1 : r->hurry, .events = POLLIN};
	p[AT_SIGNALS] = (struct pollfd){.fd = r->signals, .events = POLLIN};
	p[AT_CANCEL] = (struct pollfd){.fd = r->cancel, .events = POLLIN};
	p[AT_STDIN] =
	    (struct pollfd){.fd = in_wanted(s) ? r->in : -1, .events = POLLIN};
	for (int i = STREAM_OUT; i < STREAM_COUNT; i++) {
		int events = session_output_events(s, &s->output[i]);

		p[AT_STDOUT + i - STREAM_OUT] = (struct pollfd){
		    .fd = events < 0 ? -1 : s->output[i].sink.fd,
		    .events = (short)events};
	}
	if (left == 0 && patience_ms && patience_ms <= session_now_ms()) {
		lose_patience(s);
		return 0;
	}
	if (left == 0)
		return pass_deadline(s) < 0 ? -1 : 0;
	if (poll(p, AT_COUNT, left) < 0) {
		for (int i = 0; i < AT_COUNT; i++)
			p[i].revents = 0;
		if (errno != EINTR)
			return err_errno(s->e, EX_OSERR, "poll");
	}
	return 1;
}

/* One turn. Returns 0, 1 where it was the last, -1 with err. */
static int
turn(struct session *s)
{
	struct pollfd p[AT_COUNT];
	int status;

	if (flush(s) < 0)
		return -1;
	status = wait_for(s, p);
	if (status <= 0)
		return status;
	if (p[AT_CANCEL].revents) {
		s->result->end = SESSION_CANCELLED;
		return 1;
	}
	if (p[AT_HURRY].revents)
		s->hurried = true;
	if (p[AT_SIGNALS].revents && (status = take_signals(s)) != 0)
		return status;
	for (int i = STREAM_OUT; i < STREAM_COUNT; i++)
		if (p[AT_STDOUT + i - STREAM_OUT].revents)
			session_output_ready(s, &s->output[i],
			    p[AT_STDOUT + i - STREAM_OUT].revents);
	if (p[AT_GUEST].revents & ~POLLOUT && session_guest_take(s) < 0)
		return -1;
	if (p[AT_STDIN].revents && in_wanted(s) && take_input(s) < 0)
		return -1;
	return 0;
}

static int
start(struct session *s)
{
	struct buf payload cleanup_buf = BUF_INIT(FRAME_OPEN_MAX);
	const struct session_request *r = s->request;
	bool detached = r->flags & OPEN_DETACH;
	const int outputs[] = {[STREAM_OUT] = r->out, [STREAM_ERR] = r->err};

	buf_init(&s->out, FRAME_OPEN_MAX + 2 * STREAM_WINDOW);
	for (int i = STREAM_OUT; i < STREAM_COUNT; i++) {
		struct output *o = &s->output[i];

		buf_init(&o->waiting, STREAM_WINDOW);
		if (r->sinks)
			o->sink = r->sinks[i - STREAM_OUT];
		else
			sink_init(&o->sink, detached ? -1 : outputs[i]);
		o->granted = STREAM_WINDOW;
	}
	s->in_open = (r->flags & OPEN_STDIN) && r->in >= 0 && !detached;
	s->in_credit = STREAM_WINDOW;
	s->deadline_ms = session_now_ms() + r->greeting_ms;
	if (io_nonblock(s->fd, 1) < 0)
		return err_errno(s->e, EX_OSERR, "connection to the guest");
	/* All of it in one piece: nothing in it waits for an answer. */
	s->connected = r->port == 0;
	if (r->port)
		buf_printf(&s->out, "CONNECT %u\n", r->port);
	if (frame_reader_init(&s->reader, FRAME_DATA_MAX) < 0 ||
	    frame_add_hello(&s->out) < 0)
		return err_set(s->e, EX_OSERR, "out of memory");
	if (session_open_payload(r, &payload, s->e) < 0)
		return -1;
	if (frame_add(&s->out, FRAME_OPEN, 0, payload.data, payload.len) < 0)
		return err_set(s->e, EX_OSERR, "out of memory");
	if ((r->flags & OPEN_STDIN) && r->in < 0)
		frame_add(&s->out, FRAME_EOF, STREAM_IN, NULL, 0);
	return 0;
}

static void
end(struct session *s)
{
	frame_reader_release(&s->reader);
	buf_release(&s->out);
	for (int i = STREAM_OUT; i < STREAM_COUNT; i++) {
		buf_release(&s->output[i].waiting);
		if (!s->request->sinks)
			sink_release(&s->output[i].sink);
	}
}

int
session_run(int fd, const struct session_request *request,
    struct session_result *result, struct err *e)
{
	struct session s = {
	    .request = request, .result = result, .e = e, .fd = fd};
	int status;

	*result = (struct session_result){.end = SESSION_FAILED};
	e->text[0] = '\0';
	status = start(&s);
	while (status == 0 && !is_over(&s))
		status = turn(&s);
	if (status == 0 && s.cut)
		status = session_guest_lost(&s);
	end(&s);
	/* An output that failed (a full disk) is told, after the end. */
	return status < 0 || e->text[0] ? -1 : 0;
}

int
session_status(const struct session_result *result)
{
	switch (result->end) {
	case SESSION_EXITED:
	case SESSION_FAILED:
		return result->code;
	case SESSION_KILLED:
		return 128 + result->code;
	case SESSION_TIMED_OUT:
		return 124;
	case SESSION_CANCELLED:
		return 130;
	case SESSION_DETACHED:
		break;
	}
	return 0;
}
