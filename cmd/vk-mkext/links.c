/* SPDX-License-Identifier: MIT */
/* links.c - files with more names than ext4 counts */
#include "cmd/vk-mkext/links.h"

#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"

#include <stdlib.h>
#include <sys/stat.h>

#define PIECE_BLOCKS 64u

/* Writes the content of one object once more, for another. */
static int
copy_content(
    struct tree *t, struct store *s, uint32_t from, uint32_t to, struct err *e)
{
	cleanup_free uint8_t *piece = malloc(PIECE_BLOCKS * BLOCK_SIZE);
	const struct object *o = tree_object(t, from);
	uint32_t first = o->run, count = o->runs;
	uint64_t size = o->size;

	if (!piece)
		return err_set(e, EX_OSERR, "out of memory");
	if (store_flush(s, e) < 0 || store_open(s, to, e) < 0)
		return -1;
	for (uint32_t i = 0; i < count; i++) {
		/* Runs move when others are added. */
		struct run r = t->runs[first + i];

		for (uint32_t k = 0; k < r.count; k += PIECE_BLOCKS) {
			uint64_t at = (uint64_t)(r.logical + k) * BLOCK_SIZE;
			uint64_t length = (uint64_t)(r.count - k) * BLOCK_SIZE;

			if (length > PIECE_BLOCKS * BLOCK_SIZE)
				length = PIECE_BLOCKS * BLOCK_SIZE;
			/* The last block reaches beyond the file's end. */
			if (length > size - at)
				length = size - at;
			if (io_pread(s->fd, piece, length,
				(r.physical + k) * BLOCK_SIZE) !=
			    (ssize_t)length)
				return err_errno(e, EX_IOERR, "read back");
			if (store_write(s, at, piece, length, e) < 0)
				return -1;
		}
	}
	return store_close(s, size, e);
}

static int
split(struct tree *t, struct store *s, uint32_t object, struct err *e)
{
	uint32_t count = 0, now = object;

	for (uint32_t i = 1; i < t->name_count; i++) {
		if (t->names[i].object != object)
			continue;
		if (count == LINKS_MAX) {
			count = 0;
			now = tree_clone(t, object, e);
			if (!now || (S_ISREG(tree_object(t, object)->mode) &&
					copy_content(t, s, object, now, e) < 0))
				return -1;
		}
		count++;
		if (now == object)
			continue;
		t->names[i].object = now;
		tree_object(t, object)->links--;
		tree_object(t, now)->links++;
	}
	log_warn("a file with more than 65000 names is kept as several");
	return 0;
}

int
links_split(struct tree *t, struct store *s, struct err *e)
{
	uint32_t count = t->object_count;

	for (uint32_t i = 1; i < count; i++) {
		const struct object *o = tree_object(t, i);

		if (o->links > LINKS_MAX && !S_ISDIR(o->mode) &&
		    split(t, s, i, e) < 0)
			return -1;
	}
	return 0;
}
