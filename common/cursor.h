/* SPDX-License-Identifier: MIT */
/*
 * cursor.h - a bounded walk over bytes from outside, and one over bytes for it
 *
 * Reading past the end does not happen: the cursor turns bad, stays bad, and
 * every further read gives 0 (or NULL). So a parser reads a whole header and
 * asks once. Nothing is copied or owned.
 *
 *	struct cursor c = cursor_of(frame, len);
 *	uint16_t type = get_be16(&c);
 *	const void *mac = get_bytes(&c, 6);
 *	if (c.bad)
 *		return -1;
 */
#ifndef VK_COMMON_CURSOR_H
#define VK_COMMON_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
	const uint8_t *at;
	size_t left;
	bool bad;
};

static inline struct cursor
cursor_of(const void *data, size_t len)
{
	return (struct cursor){.at = data, .left = len};
}

/* Borrows the next len bytes, NULL (and bad) if they are not there. */
static inline const uint8_t *
get_bytes(struct cursor *c, size_t len)
{
	const uint8_t *at = c->at;

	if (c->bad || len > c->left) {
		c->bad = true;
		return NULL;
	}
	c->at += len;
	c->left -= len;
	return at;
}

static inline uint64_t
get_le(struct cursor *c, size_t width)
{
	const uint8_t *p = get_bytes(c, width);
	uint64_t value = 0;

	for (size_t i = width; p && i-- > 0;)
		value = value << 8 | p[i];
	return value;
}

static inline uint64_t
get_be(struct cursor *c, size_t width)
{
	const uint8_t *p = get_bytes(c, width);
	uint64_t value = 0;

	for (size_t i = 0; p && i < width; i++)
		value = value << 8 | p[i];
	return value;
}

static inline uint8_t
get_u8(struct cursor *c)
{
	return (uint8_t)get_le(c, 1);
}

static inline uint16_t
get_le16(struct cursor *c)
{
	return (uint16_t)get_le(c, 2);
}

static inline uint32_t
get_le32(struct cursor *c)
{
	return (uint32_t)get_le(c, 4);
}

static inline uint64_t
get_le64(struct cursor *c)
{
	return get_le(c, 8);
}

static inline uint16_t
get_be16(struct cursor *c)
{
	return (uint16_t)get_be(c, 2);
}

static inline uint32_t
get_be32(struct cursor *c)
{
	return (uint32_t)get_be(c, 4);
}

/* The other direction: fills a caller's array, and turns bad when it is full.
 * What was written is [start, at). */
struct writer {
	uint8_t *start, *at;
	size_t left;
	bool bad;
};

static inline struct writer
writer_of(void *into, size_t size)
{
	return (struct writer){.start = into, .at = into, .left = size};
}

static inline size_t
writer_len(const struct writer *w)
{
	return (size_t)(w->at - w->start);
}

/* Room for len bytes to be filled in by the caller, NULL if there is none. */
static inline uint8_t *
put_room(struct writer *w, size_t len)
{
	uint8_t *at = w->at;

	if (w->bad || len > w->left) {
		w->bad = true;
		return NULL;
	}
	w->at += len;
	w->left -= len;
	return at;
}

static inline void
put_bytes(struct writer *w, const void *from, size_t len)
{
	uint8_t *room = put_room(w, len);

	if (room && len > 0)
		memcpy(room, from, len);
}

static inline void
put_zeros(struct writer *w, size_t len)
{
	uint8_t *room = put_room(w, len);

	if (room && len > 0)
		memset(room, 0, len);
}

static inline void
put_le(struct writer *w, uint64_t value, size_t width)
{
	uint8_t *p = put_room(w, width);

	for (size_t i = 0; p && i < width; i++, value >>= 8)
		p[i] = (uint8_t)value;
}

static inline void
put_be(struct writer *w, uint64_t value, size_t width)
{
	uint8_t *p = put_room(w, width);

	for (size_t i = width; p && i-- > 0; value >>= 8)
		p[i] = (uint8_t)value;
}

#endif
