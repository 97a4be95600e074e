/* SPDX-License-Identifier: MIT */
/* backlog.c - the last that a command wrote, by stream */
#include "agent/backlog.h"

#include <stdlib.h>
#include <string.h>

/* A record: u8 stream, u24 length, the bytes. */
#define HEAD 4
/* Records stay short beside the ring, so that little is dropped at a time. */
#define RECORD_MAX (BACKLOG_SIZE / 16)

struct backlog *
backlog_new(void)
{
	struct backlog *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->data = malloc(BACKLOG_SIZE);
	if (!b->data) {
		free(b);
		return NULL;
	}
	return b;
}

void
backlog_free(struct backlog *b)
{
	if (b)
		free(b->data);
	free(b);
}

static void
ring_copy_in(struct backlog *b, const void *from, size_t len)
{
	size_t at = b->end % BACKLOG_SIZE, first = BACKLOG_SIZE - at;

	if (first > len)
		first = len;
	memcpy(b->data + at, from, first);
	memcpy(b->data, (const char *)from + first, len - first);
	b->end += len;
}

static void
ring_copy_out(const struct backlog *b, uint64_t from, void *into, size_t len)
{
	size_t at = from % BACKLOG_SIZE, first = BACKLOG_SIZE - at;

	if (first > len)
		first = len;
	memcpy(into, b->data + at, first);
	memcpy((char *)into + first, b->data, len - first);
}

static size_t
record_len(const struct backlog *b, uint64_t at, unsigned *stream)
{
	uint8_t head[HEAD];

	ring_copy_out(b, at, head, HEAD);
	*stream = head[0];
	return (size_t)head[1] | (size_t)head[2] << 8 | (size_t)head[3] << 16;
}

static void
add_record(struct backlog *b, unsigned stream, const void *from, size_t len)
{
	uint8_t head[HEAD] = {(uint8_t)stream, (uint8_t)len,
	    (uint8_t)(len >> 8), (uint8_t)(len >> 16)};
	unsigned dropped;

	while (b->end - b->start + HEAD + len > BACKLOG_SIZE)
		b->start += HEAD + record_len(b, b->start, &dropped);
	ring_copy_in(b, head, HEAD);
	ring_copy_in(b, from, len);
}

void
backlog_add(struct backlog *b, unsigned stream, const void *from, size_t len)
{
	const char *at = from;

	while (len > 0) {
		size_t part = len < RECORD_MAX ? len : RECORD_MAX;

		add_record(b, stream, at, part);
		at += part;
		len -= part;
	}
}

size_t
backlog_read(const struct backlog *b, uint64_t *at, unsigned *stream,
    void *into, size_t size)
{
	size_t len;

	if (*at < b->start)
		*at = b->start;
	if (*at >= b->end)
		return 0;
	len = record_len(b, *at, stream);
	ring_copy_out(b, *at + HEAD, into, len < size ? len : size);
	*at += HEAD + len;
	return len < size ? len : size;
}
