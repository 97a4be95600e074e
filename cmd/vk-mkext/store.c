/* SPDX-License-Identifier: MIT */
/* store.c - file content on its way into blocks of the image */
#include "cmd/vk-mkext/store.h"

#include "cmd/vk-mkext/drain.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* What is shorter is copied: a piece of its own costs a write more. */
#define LEND_MIN ((size_t)8 << 10)

int
store_init(struct store *s, int fd, struct tree *tree, struct space *space,
    struct err *e)
{
	*s = (struct store){.fd = fd, .tree = tree, .space = space};
	s->partial = malloc(BLOCK_SIZE);
	if (!s->partial)
		return err_set(e, EX_OSERR, "out of memory");
	s->drain = drain_new(fd, e);
	return s->drain ? 0 : -1;
}

void
store_release(struct store *s)
{
	drain_free(s->drain);
	free(s->partial);
	s->drain = NULL;
	s->partial = NULL;
}

static int
written(int result, struct err *e)
{
	return result < 0 ? err_errno(e, EX_IOERR, "writing the image") : 0;
}

int
store_flush(struct store *s, struct err *e)
{
	return written(drain_flush(s->drain), e);
}

/* Whole blocks to a place in the image. */
static int
put(struct store *s, uint64_t block, const uint8_t *data, size_t length,
    struct err *e)
{
	uint64_t at = block * BLOCK_SIZE;

	if (length >= LEND_MIN && s->lasts && s->lasts(s->with, data))
		return written(drain_lend(s->drain, at, data, length), e);
	return written(drain_copy(s->drain, at, data, length), e);
}

int
store_block(struct store *s, uint64_t block, const void *data, struct err *e)
{
	return put(s, block, data, BLOCK_SIZE, e);
}

static bool
is_zero(const uint8_t *block)
{
	uint64_t head, all = 0;

	memcpy(&head, block, sizeof(head));
	if (head)
		return false;
	for (size_t i = 0; i < BLOCK_SIZE; i += 64) {
		uint64_t words[8];

		memcpy(words, block + i, sizeof(words));
		for (size_t k = 0; k < 8; k++)
			all |= words[k];
		if (all)
			return false;
	}
	return true;
}

/* count blocks, none of them a hole. */
static int
place(struct store *s, uint32_t logical, const uint8_t *data, uint64_t count,
    struct err *e)
{
	while (count > 0) {
		struct run r = {.logical = logical};
		uint64_t got;

		r.physical = space_take(s->space, count, &got, e);
		if (!r.physical)
			return -1;
		r.count = (uint32_t)got;
		if (tree_add_run(s->tree, s->object, &r, e) < 0 ||
		    put(s, r.physical, data, got * BLOCK_SIZE, e) < 0)
			return -1;
		s->content += got * BLOCK_SIZE;
		logical += r.count;
		data += got * BLOCK_SIZE;
		count -= got;
	}
	return 0;
}

/* count blocks, some of them perhaps zeros. */
static int
blocks(struct store *s, uint32_t logical, const uint8_t *data, uint64_t count,
    struct err *e)
{
	uint64_t at = 0, end;

	while (at < count) {
		if (is_zero(data + at * BLOCK_SIZE)) {
			at++;
			continue;
		}
		for (end = at + 1;
		     end < count && !is_zero(data + end * BLOCK_SIZE);)
			end++;
		if (place(s, logical + (uint32_t)at, data + at * BLOCK_SIZE,
			end - at, e) < 0)
			return -1;
		at = end;
	}
	return 0;
}

/* Makes blocks a hole again; where the file system has no holes, zeros. */
static int
erase(struct store *s, const struct run *r, struct err *e)
{
	off_t at = (off_t)(r->physical * BLOCK_SIZE);

	if (fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
		(off_t)r->count * BLOCK_SIZE) == 0)
		return 0;
	memset(s->partial, 0, BLOCK_SIZE);
	for (uint32_t i = 0; i < r->count; i++)
		if (put(s, r->physical + i, s->partial, BLOCK_SIZE, e) < 0)
			return -1;
	return store_flush(s, e);
}

static int
drop(struct store *s, uint32_t object, struct err *e)
{
	struct object *o = tree_object(s->tree, object);

	/* Some of it may not be written yet. */
	if (o->runs > 0 && store_flush(s, e) < 0)
		return -1;
	for (uint32_t i = 0; i < o->runs; i++)
		if (erase(s, &s->tree->runs[o->run + i], e) < 0)
			return -1;
	o->runs = 0;
	return 0;
}

int
store_drop_replaced(struct store *s, struct err *e)
{
	for (uint32_t i = 1; i < s->tree->object_count; i++)
		if (tree_object(s->tree, i)->links == 0 && drop(s, i, e) < 0)
			return -1;
	return 0;
}

int
store_open(struct store *s, uint32_t object, struct err *e)
{
	s->object = object;
	s->offset = 0;
	return drop(s, object, e);
}

/* Fills the partial block with bytes, or zeros where data is NULL, and sends
 * it off when it is full. Gives how many it took. */
static int
fill(struct store *s, const uint8_t *data, uint64_t length, size_t *took,
    struct err *e)
{
	size_t at = s->offset % BLOCK_SIZE, room = BLOCK_SIZE - at;

	*took = length < room ? (size_t)length : room;
	if (data)
		memcpy(s->partial + at, data, *took);
	else
		memset(s->partial + at, 0, *took);
	s->offset += *took;
	if (*took < room)
		return 0;
	return blocks(
	    s, (uint32_t)(s->offset / BLOCK_SIZE - 1), s->partial, 1, e);
}

/* Goes on to an offset; what lies between is zeros. */
static int
skip_to(struct store *s, uint64_t offset, struct err *e)
{
	size_t took, in_block = offset % BLOCK_SIZE;

	if (s->offset % BLOCK_SIZE &&
	    fill(s, NULL, offset - s->offset, &took, e) < 0)
		return -1;
	if (s->offset == offset)
		return 0;
	s->offset = offset - in_block;
	memset(s->partial, 0, in_block);
	s->offset = offset;
	return 0;
}

int
store_write(struct store *s, uint64_t offset, const void *data, size_t length,
    struct err *e)
{
	const uint8_t *from = data;
	size_t took, whole;

	if (offset < s->offset)
		return err_set(e, EX_DATAERR, "its pieces overlap");
	if (offset > STORE_FILE_MAX || length > STORE_FILE_MAX - offset)
		return err_set(
		    e, EX_DATAERR, "larger than ext4 allows (16 TiB)");
	if (skip_to(s, offset, e) < 0)
		return -1;
	if (s->offset % BLOCK_SIZE) {
		if (fill(s, from, length, &took, e) < 0)
			return -1;
		from += took;
		length -= took;
	}
	whole = length / BLOCK_SIZE;
	if (whole > 0 &&
	    blocks(s, (uint32_t)(s->offset / BLOCK_SIZE), from, whole, e) < 0)
		return -1;
	s->offset += whole * BLOCK_SIZE;
	from += whole * BLOCK_SIZE;
	length -= whole * BLOCK_SIZE;
	return length > 0 ? fill(s, from, length, &took, e) : 0;
}

int
store_solid(struct store *s, uint32_t object, const void *data, size_t length,
    struct err *e)
{
	size_t whole = length / BLOCK_SIZE, rest = length % BLOCK_SIZE;

	s->object = object;
	tree_object(s->tree, object)->size = length;
	if (place(s, 0, data, whole, e) < 0)
		return -1;
	if (rest == 0)
		return 0;
	memset(s->partial, 0, BLOCK_SIZE);
	memcpy(s->partial, (const uint8_t *)data + whole * BLOCK_SIZE, rest);
	return place(s, (uint32_t)whole, s->partial, 1, e);
}

int
store_close(struct store *s, uint64_t size, struct err *e)
{
	size_t took;

	if (size < s->offset)
		size = s->offset;
	if (size > STORE_FILE_MAX)
		return err_set(
		    e, EX_DATAERR, "larger than ext4 allows (16 TiB)");
	if (s->offset % BLOCK_SIZE && fill(s, NULL, BLOCK_SIZE, &took, e) < 0)
		return -1;
	tree_object(s->tree, s->object)->size = size;
	return 0;
}
