/* SPDX-License-Identifier: MIT */
/* announce.c - the host's end of the agent's one announcing connection */
#include "common/announce.h"

#include "common/io.h"

#include <errno.h>
#include <string.h>

int
announce_init(struct announce *a)
{
	a->state = ANNOUNCE_WANT_HELLO;
	return frame_reader_init(&a->reader, FRAME_IMAGE_MAX);
}

void
announce_release(struct announce *a)
{
	frame_reader_release(&a->reader);
}

/* Copies text out of a frame: cut, ended, printable. */
static void
copy_text(char *into, size_t size, const uint8_t *from, size_t len)
{
	if (len > size - 1)
		len = size - 1;
	for (size_t i = 0; i < len; i++)
		into[i] = from[i] ? (char)from[i] : '?';
	into[len] = '\0';
	err_printable(into);
}

static int
parse_hello(const struct frame *f, struct announce_event *event, struct err *e)
{
	struct cursor c;

	if (frame_check_hello(f, &c, "the guest's agent", e) < 0)
		return -1;
	event->stage_count = 0;
	while (c.left > 0 && event->stage_count < ANNOUNCE_STAGES_MAX) {
		unsigned i = event->stage_count;
		uint64_t ns = get_le64(&c);
		uint8_t len = get_u8(&c);
		const uint8_t *name = get_bytes(&c, len);

		if (!name)
			return err_set(e, EX_PROTOCOL,
			    "the guest's agent: broken greeting");
		event->stages[i].ns = ns;
		copy_text(event->stages[i].name, sizeof(event->stages[i].name),
		    name, len);
		event->stage_count++;
	}
	return 0;
}

static int
parse_event(const struct frame *f, struct announce_event *event, struct err *e)
{
	struct cursor c = cursor_of(f->data, f->len);

	event->kind = (enum event)get_u8(&c);
	if (c.bad)
		return err_set(
		    e, EX_PROTOCOL, "the guest's agent: empty event");
	copy_text(event->text, sizeof(event->text), c.at, c.left);
	return 0;
}

static int
take(struct announce *a, const struct frame *f, struct announce_event *event,
    struct err *e)
{
	event->type = (enum frame_type)f->type;
	if (f->type == FRAME_EVENT)
		return parse_event(f, event, e);
	if (f->type == FRAME_HELLO && a->state == ANNOUNCE_WANT_HELLO) {
		a->state = ANNOUNCE_WANT_IMAGE;
		return parse_hello(f, event, e);
	}
	if (f->type == FRAME_IMAGE && a->state == ANNOUNCE_WANT_IMAGE) {
		a->state = ANNOUNCE_WANT_READY;
		event->image = f->data;
		event->image_len = f->len;
		return 0;
	}
	if (f->type == FRAME_READY && a->state == ANNOUNCE_WANT_READY) {
		a->state = ANNOUNCE_RUNNING;
		return 0;
	}
	return err_set(e, EX_PROTOCOL,
	    "the guest's agent: frame of type %u out of turn", f->type);
}

enum announce_result
announce_next(
    struct announce *a, int fd, struct announce_event *event, struct err *e)
{
	for (;;) {
		struct frame f;
		int got = frame_next(&a->reader, &f, e);
		ssize_t n;

		if (got < 0) {
			err_prefix(e, "the guest's agent");
			return ANNOUNCE_ERROR;
		}
		if (got > 0)
			return take(a, &f, event, e) < 0 ? ANNOUNCE_ERROR
							 : ANNOUNCE_EVENT;
		n = frame_fill(&a->reader, fd);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return ANNOUNCE_AGAIN;
		if (n < 0 && errno != ECONNRESET) {
			err_errno(e, EX_IOERR, "the guest's agent");
			return ANNOUNCE_ERROR;
		}
		if (n <= 0)
			return ANNOUNCE_END;
	}
}

static int
say(int fd, enum frame_type type, struct writer *payload)
{
	uint8_t frame[FRAME_HEAD + 16];
	size_t len = writer_len(payload);

	frame_head(frame, type, 0, len);
	memcpy(frame + FRAME_HEAD, payload->start, len);
	return io_write(fd, frame, FRAME_HEAD + len);
}

int
announce_stop(int fd, const struct announce_stop *stop)
{
	uint8_t payload[8];
	struct writer w = writer_of(payload, sizeof(payload));

	put_le(&w, stop->signal, 1);
	put_le(&w, stop->reboot, 1);
	put_le(&w, 0, 2);
	put_le(&w, stop->deadline_ms, 4);
	return say(fd, FRAME_STOP, &w);
}

int
announce_clock(int fd, uint64_t ns)
{
	uint8_t payload[8];
	struct writer w = writer_of(payload, sizeof(payload));

	put_le(&w, ns, 8);
	return say(fd, FRAME_CLOCK, &w);
}
