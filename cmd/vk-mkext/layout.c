/* SPDX-License-Identifier: MIT */
/* layout.c - how large the file system is, and how many inodes it has */
#include "cmd/vk-mkext/layout.h"

#include "common/size.h"

#include <inttypes.h>
#include <stddef.h>

/* A table fills whole blocks, and a bitmap block has one bit for each. */
#define INODES_STEP (BLOCK_SIZE / INODE_SIZE)
#define INODES_MAX  (BLOCK_SIZE * 8)

/* libext2fs drops a last group that has less than this beside its tables. */
#define LAST_GROUP_MIN 50

static uint64_t
groups_of(uint64_t blocks)
{
	return (blocks + GROUP_BLOCKS - 1) / GROUP_BLOCKS;
}

/* How many inodes there must be at least. */
static uint64_t
least_inodes(const struct layout_wish *w)
{
	return w->inodes > w->used ? w->inodes : w->used;
}

/* Inodes of each group; 0 if groups cannot hold those that there must be. */
static uint32_t
inodes_per_group(const struct layout_wish *w, uint64_t blocks, uint64_t groups)
{
	uint64_t least = least_inodes(w), wanted = least, each;

	if (w->inodes == 0 && !w->tight)
		wanted =
		    blocks * BLOCK_SIZE / LAYOUT_BYTES_PER_INODE + w->used / 8;
	if (wanted < least)
		wanted = least;
	each = (wanted + groups - 1) / groups;
	each = (each + INODES_STEP - 1) / INODES_STEP * INODES_STEP;
	if (each > INODES_MAX)
		each = groups * INODES_MAX >= least ? INODES_MAX : 0;
	return (uint32_t)each;
}

/* What comes behind the content, in this order. */
struct tail {
	uint64_t extra;
	uint64_t groups; /* two bitmaps and a table for each */
	uint32_t table;
	uint64_t spare;
};

/* Takes count blocks in any pieces. */
static int
take(struct space *s, uint64_t count, struct err *e)
{
	uint64_t got;

	for (; count > 0; count -= got)
		if (!space_take(s, count, &got, e))
			return -1;
	return 0;
}

/* Where the tail would end; UINT64_MAX if that is too far. */
static uint64_t
end_of(const struct space *content, const struct tail *t)
{
	struct space s = *content;
	struct err ignored = ERR_INIT;

	s.limit = SPACE_BLOCKS_MAX;
	if (take(&s, t->extra, &ignored) < 0 ||
	    take(&s, 2 * t->groups, &ignored) < 0)
		return UINT64_MAX;
	for (uint64_t i = 0; i < t->groups; i++)
		if (!space_take_whole(&s, t->table, &ignored))
			return UINT64_MAX;
	return take(&s, t->spare, &ignored) < 0 ? UINT64_MAX : s.next;
}

/* A last group too small to be one is made as large as it must be, or is
 * left away where the size is fixed. */
static uint64_t
fit_last_group(const struct layout_wish *w, uint64_t blocks, uint32_t table)
{
	uint64_t last = blocks % GROUP_BLOCKS;
	uint64_t least = 2 + table + LAST_GROUP_MIN;

	if (space_has_super(blocks / GROUP_BLOCKS))
		least += 1 + SPACE_DESCRIPTORS;
	if (last == 0 || last >= least)
		return blocks;
	return w->total ? blocks - last : blocks - last + least;
}

static int
too_small(uint64_t needed, struct err *e)
{
	char text[SIZE_TEXT_MAX];

	err_set(e, EX_DATAERR, "the content needs %s",
	    size_text(needed * BLOCK_SIZE, text));
	return err_hint(e, "a larger size can be given with -s");
}

static int
too_large(struct err *e)
{
	return err_set(e, EX_DATAERR, "larger than a new image can be (%u GiB)",
	    (unsigned)(SPACE_BLOCKS_MAX * BLOCK_SIZE / GIB));
}

static int
too_many(const struct layout_wish *w, struct err *e)
{
	err_set(e, EX_DATAERR, "it cannot have %" PRIu64 " inodes",
	    least_inodes(w));
	return err_hint(e, "a larger size can be given with -s");
}

/* The size is given: everything must fit it. */
static int
plan_total(struct layout *l, const struct layout_wish *w,
    const struct space *space, struct err *e)
{
	uint64_t blocks = w->bytes / BLOCK_SIZE, end, before;

	do {
		before = blocks;
		l->groups = (uint32_t)groups_of(blocks);
		if (blocks > SPACE_BLOCKS_MAX)
			return too_large(e);
		if (blocks == 0)
			return too_small(space->next, e);
		l->inodes_per_group = inodes_per_group(w, blocks, l->groups);
		if (!l->inodes_per_group)
			return too_many(w, e);
		blocks = fit_last_group(w, blocks, layout_table_blocks(l));
	} while (blocks != before);
	l->blocks = blocks;
	end = end_of(space, &(struct tail){.extra = w->extra,
				.groups = l->groups,
				.table = layout_table_blocks(l)});
	return end > blocks ? too_small(end, e) : 0;
}

/* The free space is given: more groups need more tables, which may need more
 * groups; grows until it fits. */
static int
plan_free(struct layout *l, const struct layout_wish *w,
    const struct space *space, struct err *e)
{
	uint64_t groups = 1, blocks;

	for (;;) {
		struct tail t = {.extra = w->extra,
		    .groups = groups,
		    .spare = w->bytes / BLOCK_SIZE};

		if (groups > SPACE_GROUPS_MAX)
			return too_large(e);
		l->inodes_per_group = inodes_per_group(
		    w, groups * (uint64_t)GROUP_BLOCKS, groups);
		if (!l->inodes_per_group) {
			groups++;
			continue;
		}
		t.table = layout_table_blocks(l);
		blocks = end_of(space, &t);
		if (blocks > SPACE_BLOCKS_MAX)
			return too_large(e);
		/* Inodes may need more groups than blocks do. */
		if (blocks <= (groups - 1) * GROUP_BLOCKS)
			blocks = (groups - 1) * GROUP_BLOCKS + 1;
		blocks = fit_last_group(w, blocks, layout_table_blocks(l));
		if (groups_of(blocks) <= groups)
			break;
		groups = groups_of(blocks);
	}
	l->groups = (uint32_t)groups;
	l->blocks = blocks;
	return 0;
}

int
layout_plan(struct layout *l, const struct layout_wish *w,
    const struct space *space, struct err *e)
{
	return w->total ? plan_total(l, w, space, e)
			: plan_free(l, w, space, e);
}
