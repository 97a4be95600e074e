/* SPDX-License-Identifier: MIT */
/* extent.c - a file's extent tree */
#include "cmd/vk-mkext/extent.h"

#include "cmd/vk-mkext/space.h"
#include "common/cursor.h"
#include "common/scope.h"

#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext3_extents.h>
#include <stdlib.h>

#define HEADER    12u
#define ENTRY     12u
#define ROOT_ROOM ((EXTENT_ROOT_SIZE - HEADER) / ENTRY)
#define NODE_ROOM ((BLOCK_SIZE - HEADER) / ENTRY)

/* An extent, or (count 0) an index entry: physical is a node's block. */
struct entry {
	uint64_t physical;
	uint32_t logical;
	uint32_t count;
};

static uint32_t
extents(const struct run *r, uint32_t count)
{
	uint32_t all = 0;

	for (uint32_t i = 0; i < count; i++)
		all += (uint32_t)((r[i].count + EXT_INIT_MAX_LEN - 1) /
				  EXT_INIT_MAX_LEN);
	return all;
}

uint32_t
extent_blocks(const struct run *r, uint32_t count)
{
	uint32_t entries = extents(r, count), blocks = 0;

	while (entries > ROOT_ROOM) {
		entries = (entries + NODE_ROOM - 1) / NODE_ROOM;
		blocks += entries;
	}
	return blocks;
}

static void
put_node(
    struct writer *w, const struct entry *from, uint32_t count, uint32_t depth)
{
	size_t room = (w->left - HEADER) / ENTRY;

	put_le(w, EXT3_EXT_MAGIC, 2);
	put_le(w, count, 2);
	put_le(w, room, 2);
	put_le(w, depth, 2);
	put_le(w, 0, 4);
	for (uint32_t i = 0; i < count; i++) {
		put_le(w, from[i].logical, 4);
		if (depth == 0) {
			put_le(w, from[i].count, 2);
			put_le(w, from[i].physical >> 32, 2);
			put_le(w, from[i].physical, 4);
		} else {
			put_le(w, from[i].physical, 4);
			put_le(w, from[i].physical >> 32, 2);
			put_le(w, 0, 2);
		}
	}
	put_zeros(w, w->left);
}

/* Runs may be longer than an extent. */
static struct entry *
split(const struct run *r, uint32_t count, uint32_t *entries)
{
	struct entry *all = calloc(extents(r, count) + 1, sizeof(*all)), *at;

	if (!all)
		return NULL;
	at = all;
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t done = 0; done < r[i].count; at++) {
			uint32_t left = r[i].count - done;

			at->count =
			    left > EXT_INIT_MAX_LEN ? EXT_INIT_MAX_LEN : left;
			at->logical = r[i].logical + done;
			at->physical = r[i].physical + done;
			done += at->count;
		}
	*entries = (uint32_t)(at - all);
	return all;
}

int
extent_build(const struct run *r, uint32_t count, uint8_t root[],
    uint64_t first, const struct extent_sink *sink, struct err *e)
{
	uint8_t block[BLOCK_SIZE];
	uint32_t entries, depth = 0;
	cleanup_free struct entry *level = split(r, count, &entries);

	if (!level)
		return err_set(e, EX_OSERR, "out of memory");
	/* The level above goes where the one below was read from. */
	for (; entries > ROOT_ROOM; depth++) {
		uint32_t nodes = 0;

		for (uint32_t i = 0; i < entries; i += NODE_ROOM, nodes++) {
			uint32_t n = entries - i;
			struct writer w = writer_of(block, sizeof(block));

			put_node(&w, level + i, n > NODE_ROOM ? NODE_ROOM : n,
			    depth);
			if (sink->block(sink->with, first, block, e) < 0)
				return -1;
			level[nodes] = (struct entry){
			    .logical = level[i].logical, .physical = first++};
		}
		entries = nodes;
	}
	struct writer w = writer_of(root, EXTENT_ROOT_SIZE);

	put_node(&w, level, entries, depth);
	return 0;
}
