/* SPDX-License-Identifier: MIT */
/* session_guest.c - what the guest says in a session, none of it trusted */
#include "common/session_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* "OK 4294967295\n" is the longest; a socket of another's may say more. */
#define ANSWER_MAX 64

static int
take_data(struct session *s, const struct frame *f)
{
	struct output *o = &s->output[f->stream];

	if (f->stream == STREAM_IN || o->eof || f->len == 0 ||
	    f->len > o->granted)
		return err_set(s->e, EX_PROTOCOL,
		    "the guest sent %u bytes out of turn", f->len);
	o->granted -= f->len;
	return session_output_add(s, o, f->data, f->len);
}

static int
take_credit(struct session *s, const struct frame *f)
{
	struct cursor c = cursor_of(f->data, f->len);
	uint32_t more = get_le32(&c);

	if (c.bad || f->stream != STREAM_IN ||
	    more > STREAM_WINDOW - s->in_credit)
		return err_set(
		    s->e, EX_PROTOCOL, "the guest gave credit out of bounds");
	s->in_credit += more;
	return 0;
}

static int
take_eof(struct session *s, const struct frame *f)
{
	struct output *o = &s->output[f->stream];

	if (f->stream == STREAM_IN) {
		s->in_open = false; /* the command reads no more */
		return 0;
	}
	if (o->eof)
		return 0; /* that was known */
	o->eof = true;
	session_output_finish(s, o);
	return 0;
}

static int
take_started(struct session *s, const struct frame *f)
{
	struct cursor c = cursor_of(f->data, f->len);
	uint32_t id = get_le32(&c), pid = get_le32(&c);

	if (c.bad || id == 0 || s->result->id != 0)
		return err_set(s->e, EX_PROTOCOL,
		    "the guest started it twice, or as no session");
	s->result->id = id;
	s->result->pid = pid;
	if (s->request->started)
		s->request->started(s->request->context, id, pid);
	if (s->request->flags & OPEN_DETACH) {
		s->result->end = SESSION_DETACHED;
		s->ended = true;
		for (int i = STREAM_OUT; i < STREAM_COUNT; i++)
			s->output[i].eof = true;
	}
	return 0;
}

static int
take_exited(struct session *s, const struct frame *f)
{
	struct cursor c = cursor_of(f->data, f->len);
	int status = (int)get_le32(&c);

	if (c.bad || s->ended || !(WIFEXITED(status) || WIFSIGNALED(status)))
		return err_set(
		    s->e, EX_PROTOCOL, "the guest told no proper status");
	s->ended = true;
	s->in_open = false;
	if (WIFEXITED(status)) {
		s->result->end = SESSION_EXITED;
		s->result->code = WEXITSTATUS(status);
	} else {
		s->result->end = SESSION_KILLED;
		s->result->code = WTERMSIG(status);
		s->result->core = WCOREDUMP(status);
	}
	if (s->timed_out)
		s->result->end = SESSION_TIMED_OUT;
	return 0;
}

static int
take_failed(struct session *s, const struct frame *f)
{
	struct cursor c = cursor_of(f->data, f->len);
	uint8_t code = get_u8(&c);

	if (c.bad || code < 125 || code > 127)
		return err_set(
		    s->e, EX_PROTOCOL, "the guest told no proper failure");
	s->result->end = SESSION_FAILED;
	s->result->code = code;
	snprintf(s->result->text, sizeof(s->result->text), "%.*s",
	    (int)(c.left < ERR_TEXT_MAX ? c.left : ERR_TEXT_MAX - 1),
	    c.left ? (const char *)c.at : "");
	err_printable(s->result->text);
	s->ended = true;
	s->in_open = false;
	for (int i = STREAM_OUT; i < STREAM_COUNT; i++)
		s->output[i].eof = true;
	return 0;
}

static int
take_accepted(struct session *s, const struct frame *f)
{
	struct cursor c = cursor_of(f->data, f->len);
	uint64_t token = get_le64(&c);

	if (c.bad || s->request->kind != OPEN_LISTEN)
		return err_set(s->e, EX_PROTOCOL,
		    "the guest accepted what nobody asked for");
	if (s->request->accepted)
		s->request->accepted(s->request->context, token);
	return 0;
}

static int
take_frame(struct session *s, const struct frame *f)
{
	struct cursor c;

	if (!s->greeted) {
		if (frame_check_hello(f, &c, "the guest's agent", s->e) < 0)
			return -1;
		s->greeted = true;
		if (s->request->greeted)
			s->request->greeted(s->request->context);
		s->deadline_ms =
		    s->request->timeout_ms
			? session_now_ms() + (int64_t)s->request->timeout_ms
			: 0;
		return 0;
	}
	if (s->left)
		return 0;
	switch (f->type) {
	case FRAME_DATA:
		return take_data(s, f);
	case FRAME_CREDIT:
		return take_credit(s, f);
	case FRAME_EOF:
		return take_eof(s, f);
	case FRAME_STARTED:
		return take_started(s, f);
	case FRAME_EXITED:
		return take_exited(s, f);
	case FRAME_FAILED:
		return take_failed(s, f);
	case FRAME_ACCEPTED:
		return take_accepted(s, f);
	default:
		return err_set(s->e, EX_PROTOCOL,
		    "the guest sent a frame of type %u", f->type);
	}
}

/* "OK port\n", before the first frame. Returns 1, 0 if it is not whole, -1. */
static int
take_answer(struct session *s)
{
	struct frame_reader *r = &s->reader;
	const char *line = (const char *)r->data + r->used;
	size_t have = r->have - r->used;
	const char *end = memchr(line, '\n', have);

	if (!end && have < ANSWER_MAX)
		return 0;
	if (!end || strncmp(line, "OK ", 3) != 0) {
		err_set(s->e, EX_PROTOCOL, "the socket answered \"%.*s\"",
		    (int)(end ? end - line : ANSWER_MAX), line);
		err_printable(s->e->text);
		return -1;
	}
	r->used += (size_t)(end - line) + 1;
	s->connected = true;
	return 1;
}

int
session_guest_lost(struct session *s)
{
	if (!s->connected)
		return err_set(s->e, EX_UNAVAILABLE,
		    "nobody listens on port %u of the guest", s->request->port);
	return err_set(s->e, EX_IOERR,
	    s->greeted ? "the connection to the guest was lost"
		       : "the guest's agent does not answer");
}

/* What it has said still goes to who reads it. */
static int
end_of_guest(struct session *s)
{
	if (!s->greeted)
		return session_guest_lost(s);
	s->gone = true;
	s->in_open = false;
	/* With the guest goes what it had no room for; the status is what
	 * counts. */
	s->cut = !session_has_all(s) && !(s->ended && s->request->with_guest);
	s->hurried |= s->request->with_guest;
	return 0;
}

int
session_guest_take(struct session *s)
{
	struct frame f;
	ssize_t n = frame_fill(&s->reader, s->fd);
	int got;

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (n <= 0)
		return end_of_guest(s);
	if (!s->connected && (got = take_answer(s)) <= 0)
		return got;
	while ((got = frame_next(&s->reader, &f, s->e)) > 0)
		if (take_frame(s, &f) < 0)
			return -1;
	return got;
}
