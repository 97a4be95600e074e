/* SPDX-License-Identifier: MIT */
/* frame.c - the wire between the host and the guest's agent */
#include "common/frame.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READER_SIZE (2 * (FRAME_HEAD + FRAME_DATA_MAX))
/* Greetings, and most of what is asked: no page more is touched for them. */
#define READER_FIRST 2048

int
frame_reader_init(struct frame_reader *r, uint32_t max)
{
	*r = (struct frame_reader){.size = READER_FIRST, .max = max};
	r->data = malloc(r->size);
	return r->data ? 0 : -1;
}

void
frame_reader_release(struct frame_reader *r)
{
	free(r->data);
	*r = (struct frame_reader){.data = NULL};
}

/* The longest payload that a type may have. */
static uint32_t
limit_of(uint8_t type)
{
	switch (type) {
	case FRAME_OPEN:
		return FRAME_OPEN_MAX;
	case FRAME_IMAGE:
		return FRAME_IMAGE_MAX;
	case FRAME_DATA:
		return FRAME_DATA_MAX;
	default:
		return FRAME_CONTROL_MAX;
	}
}

static int
grow(struct frame_reader *r, size_t size)
{
	uint8_t *data = realloc(r->data, size);

	if (!data)
		return -1;
	r->data = data;
	r->size = size;
	return 0;
}

ssize_t
frame_fill(struct frame_reader *r, int fd)
{
	ssize_t n;

	/* The last read may not have brought all there is. */
	if (r->have == r->size && r->size < READER_SIZE &&
	    grow(r, READER_SIZE) < 0)
		return -1;
	if (r->used == r->have) {
		r->used = r->have = 0;
	} else if (r->used > 0 && r->size - r->have < FRAME_DATA_MAX) {
		memmove(r->data, r->data + r->used, r->have - r->used);
		r->have -= r->used;
		r->used = 0;
	}
	if (r->have == r->size) {
		errno = ENOBUFS; /* frame_next was not asked first */
		return -1;
	}
	do
		n = read(fd, r->data + r->have, r->size - r->have);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		r->have += (size_t)n;
	return n;
}

/* Makes the buffer hold a frame of len bytes in all. */
static int
make_room(struct frame_reader *r, size_t len, struct err *e)
{
	if (len <= r->size)
		return 0;
	if (grow(r, len < READER_SIZE ? READER_SIZE : len) < 0)
		return err_errno(e, EX_OSERR, "frame of %zu bytes", len);
	return 0;
}

int
frame_next(struct frame_reader *r, struct frame *f, struct err *e)
{
	size_t have = r->have - r->used;
	struct cursor c = cursor_of(r->data + r->used, have);
	uint32_t len = get_le32(&c), limit;
	unsigned zero;

	f->type = get_u8(&c);
	f->stream = get_u8(&c);
	zero = get_le16(&c);
	if (c.bad)
		return 0;
	limit = limit_of(f->type);
	if (limit > r->max)
		limit = r->max;
	if (len > limit || zero != 0 || f->stream >= STREAM_COUNT)
		return err_set(e, EX_PROTOCOL,
		    "broken frame: type %u, stream %u, %u bytes", f->type,
		    f->stream, len);
	if (make_room(r, FRAME_HEAD + (size_t)len, e) < 0)
		return -1;
	f->data = get_bytes(&c, len);
	f->len = len;
	if (c.bad) {
		/* The whole of it has to fit behind what is used up. */
		if (r->size - r->used < FRAME_HEAD + (size_t)len) {
			memmove(r->data, r->data + r->used, have);
			r->used = 0;
			r->have = have;
		}
		return 0;
	}
	r->used += FRAME_HEAD + (size_t)len;
	return 1;
}

void
frame_head(
    uint8_t head[FRAME_HEAD], enum frame_type type, unsigned stream, size_t len)
{
	struct writer w = writer_of(head, FRAME_HEAD);

	put_le(&w, len, 4);
	put_le(&w, type, 1);
	put_le(&w, stream, 1);
	put_le(&w, 0, 2);
}

int
frame_add(struct buf *b, enum frame_type type, unsigned stream,
    const void *payload, size_t len)
{
	uint8_t head[FRAME_HEAD];

	if (!buf_reserve(b, FRAME_HEAD + len))
		return -1;
	frame_head(head, type, stream, len);
	buf_add(b, head, sizeof(head));
	return buf_add(b, payload, len);
}

int
frame_add_hello(struct buf *b)
{
	uint8_t hello[8];
	struct writer w = writer_of(hello, sizeof(hello));

	put_le(&w, EXEC_MAGIC, 4);
	put_le(&w, EXEC_VERSION, 2);
	put_le(&w, 0, 2);
	return frame_add(b, FRAME_HELLO, 0, hello, sizeof(hello));
}

int
frame_add_u32(
    struct buf *b, enum frame_type type, unsigned stream, uint32_t value)
{
	uint8_t bytes[4];
	struct writer w = writer_of(bytes, sizeof(bytes));

	put_le(&w, value, 4);
	return frame_add(b, type, stream, bytes, sizeof(bytes));
}

size_t
frame_text(char *into, size_t size, int first, const char *fmt, va_list ap)
{
	int len;

	into[0] = (char)first;
	len = vsnprintf(into + 1, size - 1, fmt, ap);
	if (len < 0)
		len = 0;
	return 1 + ((size_t)len < size - 1 ? (size_t)len : size - 2);
}

int
frame_check_hello(
    const struct frame *f, struct cursor *c, const char *whose, struct err *e)
{
	uint32_t magic;
	unsigned version;

	*c = cursor_of(f->data, f->len);
	magic = get_le32(c);
	version = get_le16(c);
	get_le16(c);
	if (f->type != FRAME_HELLO || c->bad || magic != EXEC_MAGIC)
		return err_set(
		    e, EX_PROTOCOL, "%s does not speak vk-exec(5)", whose);
	if (version != EXEC_VERSION)
		return err_set(e, EX_PROTOCOL,
		    "%s speaks version %u of vk-exec(5), this side version %u",
		    whose, version, EXEC_VERSION);
	return 0;
}

int
item_next(struct cursor *c, struct item_view *item)
{
	if (c->left == 0)
		return 0;
	item->len = get_le32(c);
	item->tag = get_le16(c);
	item->data = get_bytes(c, item->len);
	return c->bad ? -1 : 1;
}

const char *
item_string(const struct item_view *item)
{
	if (item->len == 0 ||
	    memchr(item->data, 0, item->len) != item->data + item->len - 1)
		return NULL;
	return (const char *)item->data;
}

int
item_number(const struct item_view *item, size_t width, uint64_t *value)
{
	struct cursor c = cursor_of(item->data, item->len);

	*value = get_le(&c, width);
	return c.bad || c.left > 0 ? -1 : 0;
}

int
item_add(struct buf *b, enum item tag, const void *data, size_t len)
{
	uint8_t head[ITEM_HEAD];
	struct writer w = writer_of(head, sizeof(head));

	if (len > UINT32_MAX || !buf_reserve(b, sizeof(head) + len)) {
		b->failed = true;
		return -1;
	}
	put_le(&w, len, 4);
	put_le(&w, tag, 2);
	buf_add(b, head, sizeof(head));
	return buf_add(b, data, len);
}

int
item_add_string(struct buf *b, enum item tag, const char *text)
{
	return item_add(b, tag, text, strlen(text) + 1);
}

int
item_add_number(struct buf *b, enum item tag, uint64_t value, size_t width)
{
	uint8_t bytes[8];
	struct writer w = writer_of(bytes, sizeof(bytes));

	put_le(&w, value, width);
	return item_add(b, tag, bytes, writer_len(&w));
}
