/* SPDX-License-Identifier: MIT */
/* dir.c - a directory's blocks, as ext4 wants them */
#include "cmd/vk-mkext/dir.h"

#include "cmd/vk-mkext/space.h"
#include "common/cursor.h"
#include "common/scope.h"

#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A checksum in the shape of an entry (struct ext2_dir_entry_tail). */
#define TAIL      12u
#define LEAF_ROOM (BLOCK_SIZE - TAIL)
#define LEAF_FILL (LEAF_ROOM / 8 * 7)

/* Index entries are 8 bytes, and so is the index's own checksum. In the root
 * "." and ".." and a header of 8 bytes come before them, in other nodes an
 * empty entry of 8 bytes. */
#define INDEX_ENTRY 8u
#define ROOT_HEAD   32u
#define NODE_HEAD   8u
#define ROOT_LIMIT  ((BLOCK_SIZE - ROOT_HEAD) / INDEX_ENTRY - 1)
#define NODE_LIMIT  ((BLOCK_SIZE - NODE_HEAD) / INDEX_ENTRY - 1)

/* Nodes are not filled to the brim either. */
#define NODE_FILL (NODE_LIMIT / 8 * 7)

struct item {
	uint32_t hash, minor;
	uint32_t name;
};

/* One leaf: items[first ... end). */
struct leaf {
	uint32_t first, end;
	uint32_t hash;
};

struct build {
	const struct tree *tree;
	uint32_t directory;
	const struct dir_sink *sink;
	struct item *items;
	struct leaf *leaves;
	uint32_t count, leaf_count;
	uint8_t *block;
};

static uint32_t
entry_size(uint32_t length)
{
	return (8 + length + 3) & ~3u;
}

static uint8_t
type_of(uint16_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return EXT2_FT_REG_FILE;
	case S_IFDIR:
		return EXT2_FT_DIR;
	case S_IFLNK:
		return EXT2_FT_SYMLINK;
	case S_IFCHR:
		return EXT2_FT_CHRDEV;
	case S_IFBLK:
		return EXT2_FT_BLKDEV;
	case S_IFIFO:
		return EXT2_FT_FIFO;
	default:
		return EXT2_FT_UNKNOWN;
	}
}

/* An entry that takes size bytes of the block. */
static void
put_entry(struct writer *w, const struct object *o, const char *name,
    uint32_t length, uint32_t size)
{
	put_le(w, o->inode, 4);
	put_le(w, size, 2);
	put_le(w, length, 1);
	put_le(w, type_of(o->mode), 1);
	put_bytes(w, name, length);
	put_zeros(w, size - 8 - length);
}

static void
put_tail(struct writer *w)
{
	put_le(w, 0, 4);
	put_le(w, TAIL, 2);
	put_le(w, 0, 1);
	put_le(w, 0xde, 1);
	put_le(w, 0, 4);
}

/* "." and "..", the latter taking size bytes. */
static void
put_dots(const struct build *b, struct writer *w, uint32_t size)
{
	const struct object *self = tree_object(b->tree, b->directory);

	put_entry(w, self, ".", 1, 12);
	put_entry(w, tree_object(b->tree, self->parent), "..", 2, size);
}

/* The last entry reaches to the tail. */
static void
put_items(const struct build *b, struct writer *w, uint32_t first, uint32_t end)
{
	for (uint32_t i = first; i < end; i++) {
		const struct name *n = tree_name(b->tree, b->items[i].name);
		uint32_t size = i + 1 < end ? entry_size(n->length)
					    : (uint32_t)(w->left - TAIL);

		put_entry(w, tree_object(b->tree, n->object),
		    tree_text(b->tree, n->text), n->length, size);
	}
	put_tail(w);
}

static int
emit(const struct build *b, uint32_t index, struct err *e)
{
	return b->sink->block(b->sink->with, index, b->block, e);
}

static int
emit_list(const struct build *b, struct err *e)
{
	struct writer w = writer_of(b->block, BLOCK_SIZE);

	put_dots(b, &w, b->count > 0 ? 12 : LEAF_ROOM - 12);
	put_items(b, &w, 0, b->count);
	return emit(b, 0, e);
}

/* Index entries for count leaves (or nodes) from the first on; what they
 * point to lies at block and after, a step of leaves apart. */
struct index {
	uint32_t first, count, block, step, limit;
};

static void
put_index(const struct build *b, struct writer *w, const struct index *x)
{
	put_le(w, x->limit, 2);
	put_le(w, x->count, 2);
	for (uint32_t i = 0; i < x->count; i++) {
		if (i > 0)
			put_le(w, b->leaves[x->first + i * x->step].hash, 4);
		put_le(w, x->block + i, 4);
	}
	put_zeros(w, w->left);
}

static int
emit_index(const struct build *b, uint32_t nodes, struct err *e)
{
	struct writer w = writer_of(b->block, BLOCK_SIZE);
	struct index root = {.limit = ROOT_LIMIT, .block = 1};

	root.count = nodes ? nodes : b->leaf_count;
	root.step = nodes ? NODE_FILL : 1;
	put_dots(b, &w, BLOCK_SIZE - 12);
	w = writer_of(b->block + 24, BLOCK_SIZE - 24);
	put_le(&w, 0, 4);
	put_le(&w, EXT2_HASH_HALF_MD4, 1);
	put_le(&w, 8, 1);
	put_le(&w, nodes ? 1 : 0, 1);
	put_le(&w, 0, 1);
	put_index(b, &w, &root);
	if (emit(b, 0, e) < 0)
		return -1;
	for (uint32_t i = 0; i < nodes; i++) {
		struct index node = {.first = i * NODE_FILL,
		    .limit = NODE_LIMIT,
		    .block = 1 + nodes + i * NODE_FILL,
		    .step = 1};

		node.count = b->leaf_count - node.first;
		if (node.count > NODE_FILL)
			node.count = NODE_FILL;
		w = writer_of(b->block, BLOCK_SIZE);
		put_le(&w, 0, 4);
		put_le(&w, BLOCK_SIZE, 2);
		put_le(&w, 0, 2);
		put_index(b, &w, &node);
		if (emit(b, 1 + i, e) < 0)
			return -1;
	}
	return 0;
}

static int
compare(const void *left, const void *right)
{
	const struct item *a = left, *b = right;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	if (a->minor != b->minor)
		return a->minor < b->minor ? -1 : 1;
	return a->name < b->name ? -1 : a->name > b->name;
}

/* Cuts the sorted items into leaves. */
static int
cut(struct build *b, struct err *e)
{
	uint32_t room = 0;

	b->leaves = calloc(b->count, sizeof(*b->leaves));
	if (!b->leaves)
		return err_set(e, EX_OSERR, "out of memory");
	for (uint32_t i = 0; i < b->count; i++) {
		uint32_t size =
		    entry_size(tree_name(b->tree, b->items[i].name)->length);

		if (size > room) {
			struct leaf *l = &b->leaves[b->leaf_count++];

			l->first = i;
			l->hash = b->items[i].hash;
			/* Names of this hash are in the leaf before, too. */
			if (i > 0 && b->items[i - 1].hash == l->hash)
				l->hash |= 1;
			room = LEAF_FILL;
		}
		room -= size;
		b->leaves[b->leaf_count - 1].end = i + 1;
	}
	return 0;
}

static uint32_t
build_indexed(struct build *b, const uint8_t seed[16], struct err *e)
{
	uint32_t key[4], nodes = 0, index;

	memcpy(key, seed, sizeof(key));
	for (uint32_t i = 0; i < b->count; i++) {
		struct item *item = &b->items[i];
		const struct name *n = tree_name(b->tree, item->name);

		ext2fs_dirhash2(EXT2_HASH_HALF_MD4, tree_text(b->tree, n->text),
		    n->length, NULL, 0, key, &item->hash, &item->minor);
	}
	qsort(b->items, b->count, sizeof(*b->items), compare);
	if (cut(b, e) < 0)
		return 0;
	if (b->leaf_count > ROOT_LIMIT)
		nodes = (b->leaf_count + NODE_FILL - 1) / NODE_FILL;
	if (nodes > ROOT_LIMIT) {
		err_set(e, EX_DATAERR,
		    "a directory of %u names is larger than ext4 can index",
		    b->count);
		return 0;
	}
	index = 1 + nodes;
	if (b->sink && emit_index(b, nodes, e) < 0)
		return 0;
	for (uint32_t i = 0; b->sink && i < b->leaf_count; i++) {
		struct writer w = writer_of(b->block, BLOCK_SIZE);

		put_items(b, &w, b->leaves[i].first, b->leaves[i].end);
		if (emit(b, index + i, e) < 0)
			return 0;
	}
	return index + b->leaf_count;
}

uint32_t
dir_build(const struct tree *t, uint32_t directory, const uint8_t seed[16],
    const struct dir_sink *sink, struct err *e)
{
	uint8_t block[BLOCK_SIZE];
	struct build b = {
	    .tree = t, .directory = directory, .sink = sink, .block = block};
	uint64_t size = 24;
	uint32_t blocks;

	for (uint32_t n = tree_first_name(t, directory); n;
	     n = tree_next_name(t, n)) {
		size += entry_size(tree_name(t, n)->length);
		b.count++;
	}
	if (!sink && size <= LEAF_ROOM)
		return 1;
	b.items = calloc(b.count + 1, sizeof(*b.items));
	if (!b.items) {
		err_set(e, EX_OSERR, "out of memory");
		return 0;
	}
	b.count = 0;
	for (uint32_t n = tree_first_name(t, directory); n;
	     n = tree_next_name(t, n))
		b.items[b.count++].name = n;
	if (size <= LEAF_ROOM)
		blocks = emit_list(&b, e) < 0 ? 0 : 1;
	else
		blocks = build_indexed(&b, seed, e);
	free(b.items);
	free(b.leaves);
	return blocks;
}
