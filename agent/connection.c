/* SPDX-License-Identifier: MIT */
/* connection.c - one client on the wire */
#include "agent/connection.h"

#include "agent/open.h"
#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLOSING_MS 10000
/* DATA is added only below FRAME_DATA_MAX; the rest is for what is said. */
#define OUT_MAX (4 * FRAME_DATA_MAX)

static void
forget(struct connection *c)
{
	loop_remove(&c->agent->loop, &c->watch);
	loop_timer_stop(&c->agent->loop, &c->closing);
	frame_reader_release(&c->reader);
	buf_release(&c->out);
	free(c);
}

static void
lose(struct connection *c)
{
	if (c->user)
		c->user->lost(c->context);
	forget(c);
}

void
connection_use(
    struct connection *c, const struct connection_user *user, void *context)
{
	c->user = user;
	c->context = context;
}

void
connection_say(struct connection *c, enum frame_type type, unsigned stream,
    const void *payload, size_t len)
{
	frame_add(&c->out, type, stream, payload, len);
}

void
connection_say_u32(
    struct connection *c, enum frame_type type, unsigned stream, uint32_t value)
{
	frame_add_u32(&c->out, type, stream, value);
}

size_t
connection_may_send(struct connection *c, unsigned stream)
{
	if (c->out.len >= FRAME_DATA_MAX) {
		c->starved = true;
		return 0;
	}
	return c->credit[stream] < FRAME_DATA_MAX ? c->credit[stream]
						  : FRAME_DATA_MAX;
}

size_t
connection_room_left(const struct connection *c)
{
	size_t taken = c->out.len + FRAME_HEAD;

	return c->out.size > taken ? c->out.size - taken : 0;
}

uint8_t *
connection_room(struct connection *c, size_t len)
{
	uint8_t *room = buf_reserve(&c->out, FRAME_HEAD + len);

	return room ? room + FRAME_HEAD : NULL;
}

void
connection_sent(struct connection *c, unsigned stream, size_t len)
{
	frame_head(
	    (uint8_t *)c->out.data + c->out.len, FRAME_DATA, stream, len);
	c->out.len += FRAME_HEAD + len;
	c->credit[stream] -= (uint32_t)len;
}

static void
want_events(struct connection *c)
{
	loop_want(&c->agent->loop, &c->watch,
	    (c->held ? 0 : EPOLLIN) |
		(c->out.len || c->starved ? EPOLLOUT : 0));
}

void
connection_flush(struct connection *c)
{
	ssize_t n = 0;

	while (c->out.len > 0) {
		n = send(c->watch.fd, c->out.data, c->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		buf_drop(&c->out, (size_t)n);
	}
	if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
		/* Told by the loop, where nobody holds on to c. */
		buf_drop(&c->out, c->out.len);
		shutdown(c->watch.fd, SHUT_RDWR);
	}
	want_events(c);
}

static void
closing_passed(struct timer *t)
{
	lose(container_of(t, struct connection, closing));
}

void
connection_close(struct connection *c)
{
	c->state = CONNECTION_CLOSING;
	connection_use(c, NULL, NULL);
	connection_flush(c);
	if (c->out.len == 0)
		loop_timer(
		    &c->agent->loop, &c->closing, CLOSING_MS, closing_passed);
}

void
connection_exited(struct connection *c, int wait_status)
{
	connection_say(c, FRAME_EOF, STREAM_OUT, NULL, 0);
	connection_say(c, FRAME_EOF, STREAM_ERR, NULL, 0);
	connection_say_u32(c, FRAME_EXITED, 0, (uint32_t)wait_status);
	connection_close(c);
}

void
connection_failed(struct connection *c, int code, const char *fmt, ...)
{
	char payload[ERR_TEXT_MAX];
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	len = frame_text(payload, sizeof(payload), code, fmt, ap);
	va_end(ap);
	connection_say(c, FRAME_FAILED, 0, payload, len);
	connection_close(c);
}

/* ---- frames in ------------------------------------------------------------
 */

static int
take_credit(struct connection *c, const struct frame *f)
{
	struct cursor at = cursor_of(f->data, f->len);
	uint32_t more = get_le32(&at);

	if (at.bad || f->stream == STREAM_IN ||
	    more > STREAM_WINDOW - c->credit[f->stream])
		return -1;
	c->credit[f->stream] += more;
	if (c->user)
		c->user->room(c->context);
	return 0;
}

static int
take_open(struct connection *c, const struct frame *f)
{
	struct request request;
	struct err e = ERR_INIT;

	if (f->type != FRAME_OPEN)
		return -1;
	c->state = CONNECTION_RUNNING;
	if (request_parse(&request, f->data, f->len, &e) < 0)
		connection_failed(c, 125, "%s", e.text);
	else
		open_request(c, &request);
	request_release(&request);
	return 0;
}

static int
take_frame(struct connection *c, const struct frame *f)
{
	struct err e = ERR_INIT;
	struct cursor at;

	switch (c->state) {
	case CONNECTION_GREETING:
		c->state = CONNECTION_OPENING;
		if (frame_check_hello(f, &at, "the client", &e) < 0) {
			log_warn("%s", e.text);
			connection_failed(c, 125, "%s", e.text);
		}
		return 0;
	case CONNECTION_OPENING:
		return take_open(c, f);
	case CONNECTION_RUNNING:
		if (f->type == FRAME_CREDIT)
			return take_credit(c, f);
		return c->user ? c->user->frame(c->context, f) : 0;
	default:
		return 0; /* what was on its way when all was said */
	}
}

/* "CONNECT port\n", as the host's own socket takes it. Returns 1 when it was
 * there, 0 if it is not whole, -1. */
static int
take_line(struct connection *c)
{
	struct frame_reader *r = &c->reader;
	uint8_t *line = r->data + r->used, *end;
	char answer[32];
	size_t have = r->have - r->used;
	int len;

	end = memchr(line, '\n', have);
	if (!end)
		return have > 16 ? -1 : 0;
	if (end - line < 9 || memcmp(line, "CONNECT ", 8) != 0)
		return -1;
	len = snprintf(answer, sizeof(answer), "OK %d\n", EXEC_PORT);
	buf_drop(&c->out, c->out.len);
	buf_add(&c->out, answer, (size_t)len);
	frame_add_hello(&c->out);
	r->used += (size_t)(end - line) + 1;
	c->state = CONNECTION_GREETING;
	return 1;
}

/* Acts on all that has been read. */
static int
take_all(struct connection *c)
{
	struct err e = ERR_INIT;
	struct frame f;
	int got = 0;

	if (c->state == CONNECTION_LINE && (got = take_line(c)) <= 0)
		return got;
	while (!c->held && (got = frame_next(&c->reader, &f, &e)) > 0)
		if (take_frame(c, &f) < 0) {
			log_warn("a client broke the rules: frame of type %u",
			    f.type);
			return -1;
		}
	if (got < 0)
		log_warn("a client broke the rules: %s", e.text);
	return got;
}

static void
ready(struct watch *w, uint32_t events)
{
	struct connection *c = container_of(w, struct connection, watch);
	ssize_t n;

	if (c->held && (events & (EPOLLHUP | EPOLLERR))) {
		lose(c);
		return;
	}
	if (!c->held && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) {
		n = frame_fill(&c->reader, w->fd);
		if (n == 0 || (n < 0 && errno != EAGAIN)) {
			lose(c);
			return;
		}
		if (n > 0 && take_all(c) < 0) {
			lose(c);
			return;
		}
	}
	connection_flush(c);
	if ((events & EPOLLOUT) && c->out.len < FRAME_DATA_MAX) {
		c->starved = false;
		if (c->user)
			c->user->room(c->context);
		want_events(c);
	}
	if (c->state == CONNECTION_CLOSING && c->out.len == 0 &&
	    !c->closing.at_ms)
		loop_timer(
		    &c->agent->loop, &c->closing, CLOSING_MS, closing_passed);
}

void
connection_hold(struct connection *c)
{
	c->held = true;
	connection_flush(c);
}

void
connection_resume(struct connection *c)
{
	c->held = false;
	if (take_all(c) < 0)
		lose(c);
	else
		connection_flush(c);
}

void
connection_new(struct agent *agent, int fd, enum connection_state state)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c || frame_reader_init(&c->reader, FRAME_OPEN_MAX) < 0 ||
	    loop_add(&agent->loop, &c->watch, fd, EPOLLIN, ready) < 0) {
		log_warn("a client was turned away: %s", strerror(errno));
		if (c)
			frame_reader_release(&c->reader);
		free(c);
		close(fd);
		return;
	}
	c->agent = agent;
	c->state = state;
	buf_init(&c->out, OUT_MAX);
	for (int i = STREAM_OUT; i < STREAM_COUNT; i++)
		c->credit[i] = STREAM_WINDOW;
	if (state == CONNECTION_GREETING)
		frame_add_hello(&c->out);
	/* The client did not wait for the greeting to ask. */
	ready(&c->watch, EPOLLIN);
}
