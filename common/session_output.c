/* SPDX-License-Identifier: MIT */
/* session_output.c - from the guest's streams to the caller's descriptors */
#include "common/session_parts.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

/* Nobody reads this stream any more: the command is to feel that. */
static void
lose_output(struct session *s, struct output *o)
{
	session_output_drop(o);
	if (session_is_onlooker(s)) { /* not the command, then */
		s->ended = s->left = true;
		s->result->end = SESSION_KILLED;
		s->result->code = SIGPIPE;
		for (int i = STREAM_OUT; i < STREAM_COUNT; i++)
			s->output[i].eof = true;
		return;
	}
	if (!o->eof)
		frame_add(
		    &s->out, FRAME_EOF, (unsigned)(o - s->output), NULL, 0);
}

static void
count_written(struct session *s, struct output *o, size_t n)
{
	if (n > 0)
		s->taken_ms = session_now_ms();
	o->written += (uint32_t)n;
	if (o->written < STREAM_WINDOW / 2 || o->eof)
		return;
	frame_add_u32(
	    &s->out, FRAME_CREDIT, (unsigned)(o - s->output), o->written);
	o->granted += o->written;
	o->written = 0;
}

/* Writes as much as goes. Returns the count. */
static size_t
write_out(struct session *s, struct output *o, const uint8_t *from, size_t len)
{
	size_t done = 0;

	while (done < len && !o->gone) {
		ssize_t n = sink_write(&o->sink, from + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0) {
			if (errno != EPIPE && errno != EIO &&
			    errno != ECONNRESET && !s->e->text[0])
				err_errno(s->e, EX_IOERR, "output");
			lose_output(s, o);
			break;
		}
		done += (size_t)n;
	}
	count_written(s, o, done);
	return done;
}

static int
add(struct session *s, struct output *o, const uint8_t *from, size_t len)
{
	size_t n = 0;

	if (o->sink.fd < 0 || o->gone) {
		count_written(s, o, len);
		return 0;
	}
	if (o->waiting.len == 0)
		n = write_out(s, o, from, len);
	if (n < len && !o->gone && buf_add(&o->waiting, from + n, len - n) < 0)
		return err_set(s->e, EX_OSERR, "out of memory");
	return 0;
}

/* As err_control() knows them, in pieces that may begin within a character. */
static uint8_t
printable(uint8_t before, uint8_t c)
{
	bool control = (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f ||
		       (before == 0xc2 && c >= 0x80 && c < 0xa0);

	return control ? '?' : c;
}

static int
add_text(struct session *s, struct output *o, const uint8_t *from, size_t len)
{
	const char *front = s->request->err_lines;

	for (; len > 0; from++, len--) {
		uint8_t c = printable(o->before, *from);

		if ((o->before == '\0' || o->before == '\n') &&
		    add(s, o, (const uint8_t *)front, strlen(front)) < 0)
			return -1;
		o->before = *from;
		if (add(s, o, &c, 1) < 0)
			return -1;
	}
	return 0;
}

int
session_output_add(
    struct session *s, struct output *o, const uint8_t *from, size_t len)
{
	return s->request->err_lines && o == &s->output[STREAM_ERR]
		   ? add_text(s, o, from, len)
		   : add(s, o, from, len);
}

/* That nobody reads is learnt from the descriptor, too, as the next word may be
 * long in coming; but not before there is a command to feel it, and not where
 * the guest has its say without a pause. */
int
session_output_events(const struct session *s, const struct output *o)
{
	if (o->waiting.len > 0)
		return POLLOUT;
	if (o->gone || o->eof || !s->greeted)
		return -1;
	switch (s->request->kind) {
	case OPEN_LIST:
	case OPEN_PS:
	case OPEN_GET:
		return -1;
	case OPEN_LOGS:
	case OPEN_ATTACH:
		return 0;
	default:
		return s->result->id ? 0 : -1;
	}
}

void
session_output_ready(struct session *s, struct output *o, int events)
{
	size_t n;

	if (o->waiting.len == 0) {
		if (events & (POLLERR | POLLHUP))
			lose_output(s, o);
		return;
	}
	n = write_out(s, o, (const uint8_t *)o->waiting.data, o->waiting.len);
	if (!o->gone)
		buf_drop(&o->waiting, n);
	if (o->eof)
		session_output_finish(s, o);
}

void
session_output_drop(struct output *o)
{
	o->gone = true;
	buf_release(&o->waiting);
}

void
session_output_finish(struct session *s, struct output *o)
{
	if (o->sink.fd < 0 || o->gone || o->waiting.len > 0)
		return;
	if (o->sink.fd == s->request->in)
		shutdown(o->sink.fd, SHUT_WR);
	if (!s->request->sinks)
		sink_release(&o->sink);
	if (s->request->ended)
		s->request->ended(
		    s->request->context, (unsigned)(o - s->output));
}
