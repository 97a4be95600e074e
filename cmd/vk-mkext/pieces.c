/* SPDX-License-Identifier: MIT */
/* pieces.c - where in a file of an image its data lies */
#include "cmd/vk-mkext/pieces.h"

#include <stdbool.h>
#include <stdlib.h>

int
pieces_init(struct pieces *p, uint64_t blocks, struct err *e)
{
	*p = (struct pieces){.left = blocks};
	p->at = calloc(TARIN_SEGMENTS_MAX, sizeof(*p->at));
	return p->at ? 0 : err_set(e, EX_OSERR, "out of memory");
}

void
pieces_release(struct pieces *p)
{
	free(p->at);
	p->at = NULL;
}

uint64_t
pieces_size(const struct pieces *p)
{
	uint64_t size = 0;

	for (size_t i = 0; i < p->count; i++)
		size += p->at[i].len;
	return size;
}

/* ---- pieces ------------------------------------------------------------- */

/* Adds what begins at an offset to the last piece if that is near enough. */
static bool
join(struct pieces *p, uint64_t offset, uint64_t len)
{
	struct tar_segment *last = &p->at[p->count - 1];

	if (offset - (last->offset + last->len) >= p->gap)
		return false;
	last->len = offset + len - last->offset;
	return true;
}

/* Fills holes that are longer than those before. */
static bool
coarsen(struct pieces *p)
{
	size_t count = p->count;

	if (p->gap == PIECES_GAP_MAX)
		return false;
	p->gap *= 2;
	p->count = 1;
	for (size_t i = 1; i < count; i++)
		if (!join(p, p->at[i].offset, p->at[i].len))
			p->at[p->count++] = p->at[i];
	return true;
}

static int
add(struct pieces *p, uint64_t offset, uint64_t len, struct err *e)
{
	while (!join(p, offset, len)) {
		if (p->count < TARIN_SEGMENTS_MAX) {
			p->at[p->count++] = (struct tar_segment){offset, len};
			break;
		}
		if (!coarsen(p))
			return err_set(e, EX_DATAERR,
			    "more than %d pieces, far from each other",
			    TARIN_SEGMENTS_MAX);
	}
	return 0;
}

/* ---- blocks ------------------------------------------------------------- */

struct search {
	struct pieces *pieces;
	const struct view *view;
	uint64_t block_size, size;
	uint64_t next; /* block of the file: those before are done */
	struct err *err;
	int result;
};

/* Blocks of the image that the file names. */
static int
charge(struct search *s, uint64_t count)
{
	if (count > s->pieces->left)
		return err_set(s->err, EX_DATAERR,
		    "files have more blocks than the image");
	s->pieces->left -= count;
	return 0;
}

/* Blocks of the file, from the first on. */
static int
found(struct search *s, uint64_t first, uint64_t count, bool written)
{
	uint64_t offset = first * s->block_size, len = count * s->block_size;

	if (first < s->next)
		return err_set(s->err, EX_DATAERR, "blocks out of order");
	s->next = first + count;
	if (!written || offset >= s->size)
		return 0;
	return add(s->pieces, offset,
	    len < s->size - offset ? len : s->size - offset, s->err);
}

static int
take_extent(struct search *s, const struct ext2fs_extent *x)
{
	if (x->e_flags & EXT2_EXTENT_FLAGS_SECOND_VISIT)
		return 0;
	if (!(x->e_flags & EXT2_EXTENT_FLAGS_LEAF))
		return charge(s, 1);
	if (charge(s, x->e_len) < 0)
		return -1;
	return found(
	    s, x->e_lblk, x->e_len, !(x->e_flags & EXT2_EXTENT_FLAGS_UNINIT));
}

static int
walk_extents(struct search *s)
{
	const struct view *v = s->view;
	ext2_extent_handle_t handle;
	struct ext2fs_extent x;
	int result = 0;
	errcode_t code = ext2fs_extent_open2(
	    v->fs, v->inode, (struct ext2_inode *)&v->raw, &handle);

	if (code)
		return view_error(code, "extents", s->err);
	code = ext2fs_extent_get(handle, EXT2_EXTENT_ROOT, &x);
	while (!code && result == 0) {
		result = take_extent(s, &x);
		if (result == 0)
			code = ext2fs_extent_get(handle, EXT2_EXTENT_NEXT, &x);
	}
	ext2fs_extent_free(handle);
	if (result == 0 && code != EXT2_ET_EXTENT_NO_NEXT)
		result = view_error(code, "extents", s->err);
	return result;
}

/* A block of a map as ext2 has it; those of the map count below zero. */
static int
take_block(ext2_filsys fs, blk64_t *block, e2_blkcnt_t count, blk64_t parent,
    int offset, void *with)
{
	struct search *s = with;

	(void)fs, (void)block, (void)parent, (void)offset;
	s->result = charge(s, 1);
	if (s->result == 0 && count >= 0)
		s->result = found(s, (uint64_t)count, 1, true);
	return s->result < 0 ? BLOCK_ABORT : 0;
}

static int
walk_map(struct search *s)
{
	errcode_t code = ext2fs_block_iterate3(s->view->fs, s->view->inode,
	    BLOCK_FLAG_READ_ONLY, NULL, take_block, s);

	return s->result < 0 ? -1 : view_error(code, "blocks", s->err);
}

/* What lies in the inode itself may end in a hole as well. */
static int
take_inline(struct search *s)
{
	size_t size = 0;
	errcode_t code =
	    ext2fs_inline_data_size(s->view->fs, s->view->inode, &size);

	if (code)
		return view_error(code, "data in the inode", s->err);
	return add(s->pieces, 0, size < s->size ? size : s->size, s->err);
}

static int
walk_blocks(struct search *s)
{
	uint32_t flags = s->view->raw.i_flags;

	if (flags & EXT4_INLINE_DATA_FL)
		return take_inline(s);
	return flags & EXT4_EXTENTS_FL ? walk_extents(s) : walk_map(s);
}

int
pieces_find(struct pieces *p, const struct view *v, struct err *e)
{
	struct search s = {.pieces = p,
	    .view = v,
	    .block_size = v->fs->blocksize,
	    .size = view_size(v),
	    .err = e};

	/* An empty one at the start, so that a hole there is one between two
	 * as well. */
	p->gap = PIECES_GAP;
	p->at[0] = (struct tar_segment){0, 0};
	p->count = 1;
	if (s.size > s.block_size << 32)
		err_set(e, EX_DATAERR, "larger than a file can be");
	else if (walk_blocks(&s) == 0) {
		join(p, s.size, 0);
		if (p->at[0].len == 0) {
			p->count--;
			memmove(p->at, p->at + 1, p->count * sizeof(*p->at));
		}
		return 0;
	}
	return err_prefix(e, "%s", v->path);
}
