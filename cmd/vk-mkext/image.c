/* SPDX-License-Identifier: MIT */
/* image.c - the ext4 file system around a tree whose content is written */
#include "cmd/vk-mkext/image.h"

#include "cmd/vk-mkext/channel.h"
#include "cmd/vk-mkext/dir.h"
#include "cmd/vk-mkext/inode.h"
#include "cmd/vk-mkext/layout.h"
#include "cmd/vk-mkext/links.h"
#include "cmd/vk-mkext/values.h"

#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The smallest journal that Linux takes. */
#define JOURNAL_MIN 1024u

/* The map of the reserved descriptors, which ext2fs_create_resize_inode
 * finds a place for. */
#define RESIZE_BLOCKS 1u

/* Inode table blocks written at once. */
#define TABLE_CHUNK 64u

struct image {
	ext2_filsys fs;
	struct tree *tree;
	struct space *space;
	struct store *store;
	const struct image_wish *wish;
	struct layout layout;
	struct inode_plan *plan;
	uint32_t *used;       /* blocks in use, by group */
	uint32_t directory;   /* whose blocks are being written ... */
	uint32_t run, in_run; /* ... and where the next one goes */
	uint32_t object;      /* whose inode was written last */
	uint8_t *table;       /* TABLE_CHUNK blocks */
};

static int
library(errcode_t code, const char *what, struct err *e)
{
	if (!code)
		return 0;
	initialize_ext2_error_table(); /* its own words; once is enough */
	return err_set(e, EX_IOERR, "%s: %s", what, error_message(code));
}

/* ---- places for all that is not content --------------------------------- */

static int
place_blocks(struct image *m, uint32_t object, uint32_t count, struct err *e)
{
	for (uint32_t done = 0; done < count;) {
		struct run r = {.logical = done};
		uint64_t got;

		r.physical = space_take(m->space, count - done, &got, e);
		if (!r.physical)
			return -1;
		r.count = (uint32_t)got;
		if (tree_add_run(m->tree, object, &r, e) < 0)
			return -1;
		done += r.count;
	}
	return 0;
}

static int
place_directory(struct image *m, uint32_t object, struct err *e)
{
	uint32_t blocks = dir_build(m->tree, object, m->wish->uuid, NULL, e);

	if (!blocks || place_blocks(m, object, blocks, e) < 0)
		return -1;
	tree_object(m->tree, object)->size = (uint64_t)blocks * BLOCK_SIZE;
	return 0;
}

/* A target that does not fit the inode gets a block. */
static int
place_target(struct image *m, uint32_t object, struct err *e)
{
	const struct object *o = tree_object(m->tree, object);
	uint8_t block[BLOCK_SIZE] = {0};

	if (o->target.length < INODE_TARGET_MAX)
		return 0;
	memcpy(block, tree_text(m->tree, o->target.text), o->target.length);
	if (place_blocks(m, object, 1, e) < 0)
		return -1;
	o = tree_object(m->tree, object);
	return store_block(m->store, m->tree->runs[o->run].physical, block, e);
}

static int
place_all(struct image *m, struct err *e)
{
	for (uint32_t i = 1; i < m->tree->object_count; i++) {
		const struct object *o = tree_object(m->tree, i);

		if (o->links == 0)
			continue;
		if ((S_ISDIR(o->mode) && place_directory(m, i, e) < 0) ||
		    (S_ISLNK(o->mode) && place_target(m, i, e) < 0))
			return -1;
	}
	return store_flush(m->store, e);
}

/* ---- the file system's frame -------------------------------------------- */

static void
set_features(struct ext2_super_block *s, bool journal)
{
	ext2fs_set_feature_xattr(s);
	ext2fs_set_feature_dir_index(s);
	ext2fs_set_feature_resize_inode(s);
	ext2fs_set_feature_filetype(s);
	ext2fs_set_feature_extents(s);
	ext2fs_set_feature_64bit(s);
	ext2fs_set_feature_flex_bg(s);
	ext2fs_set_feature_sparse_super(s);
	ext2fs_set_feature_large_file(s);
	ext2fs_set_feature_huge_file(s);
	ext2fs_set_feature_dir_nlink(s);
	ext2fs_set_feature_extra_isize(s);
	ext2fs_set_feature_metadata_csum(s);
	if (journal)
		ext2fs_set_feature_journal(s);
}

static int
initialize(struct image *m, int fd, struct err *e)
{
	struct ext2_super_block p = {.s_rev_level = EXT2_DYNAMIC_REV};
	const struct layout *l = &m->layout;
	char name[16];
	errcode_t code;

	snprintf(name, sizeof(name), "%d", fd);
	p.s_log_block_size = p.s_log_cluster_size = 2;
	p.s_blocks_per_group = p.s_clusters_per_group = GROUP_BLOCKS;
	p.s_inode_size = INODE_SIZE;
	p.s_min_extra_isize = p.s_want_extra_isize = INODE_EXTRA;
	p.s_log_groups_per_flex = 4;
	p.s_inodes_count = l->groups * l->inodes_per_group;
	p.s_reserved_gdt_blocks =
	    (uint16_t)(SPACE_DESCRIPTORS - (l->groups + 63) / 64);
	ext2fs_blocks_count_set(&p, l->blocks);
	set_features(&p, false);
	if (m->tree->xattrs.value_count > 0)
		ext2fs_set_feature_ea_inode(&p);
	code = ext2fs_initialize(
	    name, EXT2_FLAG_64BITS, &p, &channel_manager, &m->fs);
	if (code)
		return library(code, "file system", e);
	if (m->fs->group_desc_count != l->groups ||
	    m->fs->super->s_inodes_per_group != l->inodes_per_group ||
	    ext2fs_blocks_count(m->fs->super) != l->blocks ||
	    m->fs->desc_blocks + m->fs->super->s_reserved_gdt_blocks !=
		SPACE_DESCRIPTORS)
		return err_set(
		    e, EX_SOFTWARE, "libext2fs wants another layout than ours");
	return 0;
}

static void
set_super(struct image *m)
{
	struct ext2_super_block *s = m->fs->super;

	m->fs->now = (time_t)m->wish->time;
	s->s_mkfs_time = s->s_wtime = s->s_lastcheck = (uint32_t)m->wish->time;
	s->s_mkfs_time_hi = s->s_wtime_hi = s->s_lastcheck_hi =
	    (uint8_t)(m->wish->time >> 32);
	memcpy(s->s_uuid, m->wish->uuid, sizeof(s->s_uuid));
	memcpy(s->s_hash_seed, m->wish->uuid, sizeof(s->s_hash_seed));
	memcpy(s->s_volume_name, m->wish->label,
	    strnlen(m->wish->label, sizeof(s->s_volume_name)));
	s->s_def_hash_version = EXT2_HASH_HALF_MD4;
	s->s_flags = EXT2_FLAGS_SIGNED_HASH;
	s->s_default_mount_opts = EXT2_DEFM_XATTR_USER | EXT2_DEFM_ACL;
	s->s_checksum_type = EXT2_CRC32C_CHKSUM;
	s->s_creator_os = EXT2_OS_LINUX;
	s->s_max_mnt_count = -1;
	s->s_errors = EXT2_ERRORS_DEFAULT;
	ext2fs_init_csum_seed(m->fs);
}

static void
mark(struct image *m, uint64_t first, uint64_t count)
{
	ext2fs_mark_block_bitmap_range2(
	    m->fs->block_map, first, (unsigned)count);
	while (count > 0) {
		uint64_t group = first / GROUP_BLOCKS;
		uint64_t here = (group + 1) * GROUP_BLOCKS - first;

		if (here > count)
			here = count;
		m->used[group] += (uint32_t)here;
		ext2fs_bg_flags_clear(
		    m->fs, (dgrp_t)group, EXT2_BG_BLOCK_UNINIT);
		first += here;
		count -= here;
	}
}

static int
take_tables(struct image *m, struct err *e)
{
	uint32_t blocks = layout_table_blocks(&m->layout);
	uint64_t at, got;

	m->space->limit = m->layout.blocks;
	for (uint32_t g = 0; g < m->layout.groups; g++) {
		if (!(at = space_take(m->space, 1, &got, e)))
			return -1;
		ext2fs_block_bitmap_loc_set(m->fs, g, at);
		mark(m, at, 1);
	}
	for (uint32_t g = 0; g < m->layout.groups; g++) {
		if (!(at = space_take(m->space, 1, &got, e)))
			return -1;
		ext2fs_inode_bitmap_loc_set(m->fs, g, at);
		mark(m, at, 1);
	}
	for (uint32_t g = 0; g < m->layout.groups; g++) {
		if (!(at = space_take_whole(m->space, blocks, e)))
			return -1;
		ext2fs_inode_table_loc_set(m->fs, g, at);
		mark(m, at, blocks);
	}
	return 0;
}

/* Runs that lie next to each other are marked at once: most do. */
static void
mark_content(struct image *m)
{
	uint64_t first = 0, end = 0;

	for (uint32_t i = 1; i < m->tree->object_count; i++) {
		const struct object *o = tree_object(m->tree, i);
		const struct run *r = m->tree->runs + o->run;

		for (uint32_t k = 0; o->links > 0 && k < o->runs; k++, r++) {
			if (r->physical == end &&
			    end - first < UINT32_MAX / 2) {
				end += r->count;
				continue;
			}
			if (end > first)
				mark(m, first, end - first);
			first = r->physical;
			end = first + r->count;
		}
	}
	if (end > first)
		mark(m, first, end - first);
	for (uint32_t i = 0; i < m->plan->extra_count; i++)
		mark(m, m->plan->extras[i].first, m->plan->extras[i].count);
	for (uint32_t i = 0; i < m->plan->xattr_count; i++)
		mark(m, m->plan->xattrs[i].at, 1);
}

/* What is free follows from what is used. */
static void
count_free(struct image *m)
{
	uint64_t all = 0;

	for (uint32_t g = 0; g < m->layout.groups; g++) {
		uint32_t head = space_has_super(g) ? 1 + SPACE_DESCRIPTORS : 0;
		uint32_t blocks = g + 1 < m->layout.groups
				      ? GROUP_BLOCKS
				      : (uint32_t)(m->layout.blocks -
						   (uint64_t)g * GROUP_BLOCKS);
		uint32_t unused = blocks - head - m->used[g];

		ext2fs_bg_free_blocks_count_set(m->fs, g, unused);
		all += unused;
	}
	ext2fs_free_blocks_count_set(m->fs->super, all);
}

/* ---- inodes and directories --------------------------------------------- */

static uint32_t
inodes_in(const struct image *m, uint32_t group)
{
	uint32_t each = m->layout.inodes_per_group;
	uint32_t before = group * each;

	if (m->tree->inode_count <= before)
		return 0;
	return m->tree->inode_count - before < each
		   ? m->tree->inode_count - before
		   : each;
}

static void
mark_inodes(struct image *m)
{
	uint32_t each = m->layout.inodes_per_group;

	for (uint32_t i = 1; i <= m->tree->inode_count; i++)
		ext2fs_mark_inode_bitmap2(m->fs->inode_map, i);
	for (uint32_t g = 0; g < m->layout.groups; g++) {
		uint32_t in_use = inodes_in(m, g);

		ext2fs_bg_free_inodes_count_set(m->fs, g, each - in_use);
		ext2fs_bg_itable_unused_set(m->fs, g, each - in_use);
		ext2fs_bg_used_dirs_count_set(m->fs, g, 0);
		ext2fs_bg_flags_set(m->fs, g, EXT2_BG_INODE_ZEROED);
		if (in_use > 0)
			ext2fs_bg_flags_clear(m->fs, g, EXT2_BG_INODE_UNINIT);
		else
			ext2fs_bg_flags_set(m->fs, g, EXT2_BG_INODE_UNINIT);
	}
	for (uint32_t i = 1; i < m->tree->object_count; i++) {
		const struct object *o = tree_object(m->tree, i);
		dgrp_t g;

		if (o->links == 0 || !S_ISDIR(o->mode))
			continue;
		g = (o->inode - 1) / each;
		ext2fs_bg_used_dirs_count_set(
		    m->fs, g, ext2fs_bg_used_dirs_count(m->fs, g) + 1);
	}
	m->fs->super->s_free_inodes_count =
	    m->layout.groups * each - m->tree->inode_count;
}

static int
directory_block(void *with, uint32_t index, uint8_t *block, struct err *e)
{
	struct image *m = with;
	const struct object *o = tree_object(m->tree, m->directory);
	const struct run *r = &m->tree->runs[o->run + m->run];

	(void)index; /* they come in order */
	if (library(ext2fs_dir_block_csum_set(
			m->fs, o->inode, (struct ext2_dir_entry *)block),
		"directory", e) < 0)
		return -1;
	if (store_block(m->store, r->physical + m->in_run, block, e) < 0)
		return -1;
	if (++m->in_run == r->count) {
		m->in_run = 0;
		m->run++;
	}
	return 0;
}

static int
write_directories(struct image *m, struct err *e)
{
	struct dir_sink sink = {.block = directory_block, .with = m};

	for (uint32_t i = 1; i < m->tree->object_count; i++) {
		const struct object *o = tree_object(m->tree, i);

		if (o->links == 0 || !S_ISDIR(o->mode))
			continue;
		m->directory = i;
		m->run = m->in_run = 0;
		if (!dir_build(m->tree, i, m->wish->uuid, &sink, e))
			return -1;
	}
	return store_flush(m->store, e);
}

static int
write_xattrs(struct image *m, struct err *e)
{
	for (uint32_t i = 0; i < m->plan->xattr_count; i++) {
		const struct inode_xattrs *x = &m->plan->xattrs[i];
		uint8_t block[BLOCK_SIZE] = {0};

		xattr_put_block(&m->tree->xattrs, x->set, x->references, block);
		if (library(ext2fs_ext_attr_block_csum_set(m->fs, 0, x->at,
				(struct ext2_ext_attr_header *)block),
			"extended attributes", e) < 0 ||
		    store_block(m->store, x->at, block, e) < 0)
			return -1;
	}
	return store_flush(m->store, e);
}

static int
extent_block(void *with, uint64_t at, uint8_t *block, struct err *e)
{
	struct image *m = with;

	if (library(ext2fs_extent_block_csum_set(m->fs, m->plan->inode,
			(struct ext3_extent_header *)block),
		"extents", e) < 0)
		return -1;
	return store_block(m->store, at, block, e);
}

/* The object of an inode number, asked in rising order; 0 for the reserved
 * ones. Beyond lost+found inodes rise as objects do. */
static uint32_t
object_of(struct image *m, uint32_t inode)
{
	if (inode == EXT2_ROOT_INO)
		return TREE_ROOT;
	if (inode < EXT2_GOOD_OLD_FIRST_INO)
		return 0;
	while (tree_object(m->tree, m->object)->inode != inode)
		m->object++;
	return m->object;
}

static int
fill_inode(struct image *m, uint32_t inode, uint8_t *slot, struct err *e)
{
	struct extent_sink sink = {.block = extent_block, .with = m};
	uint32_t object = object_of(m, inode);

	if (!object)
		return 0;
	if (inode_build(m->plan, object, slot, &sink, e) < 0)
		return -1;
	inode_sum(slot, inode, m->fs->csum_seed);
	return 0;
}

/* A chunk of a group's table: its inodes first ... end - 1, counted from 0,
 * which start at a block's start. */
static int
write_chunk(struct image *m, uint32_t group, uint32_t first, uint32_t end,
    struct err *e)
{
	uint32_t per_block = BLOCK_SIZE / INODE_SIZE;
	uint32_t blocks = (end - first + per_block - 1) / per_block;
	blk64_t at = ext2fs_inode_table_loc(m->fs, group) + first / per_block;
	uint32_t inode = group * m->layout.inodes_per_group + first + 1;

	memset(m->table, 0, (size_t)blocks * BLOCK_SIZE);
	/* The library's own inodes are there already: resize, journal. */
	if (inode == 1 &&
	    library(io_channel_read_blk64(m->fs->io, at, 1, m->table),
		"inode table", e) < 0)
		return -1;
	for (uint32_t i = 0; i < end - first; i++)
		if (fill_inode(
			m, inode + i, m->table + (size_t)i * INODE_SIZE, e) < 0)
			return -1;
	return library(
	    io_channel_write_blk64(m->fs->io, at, (int)blocks, m->table),
	    "inode table", e);
}

/* What lies behind the last inode in use stays a hole. */
static int
write_inodes(struct image *m, struct err *e)
{
	const uint32_t chunk = TABLE_CHUNK * (BLOCK_SIZE / INODE_SIZE);

	m->object = TREE_LOST_FOUND;
	for (uint32_t g = 0; g < m->layout.groups; g++) {
		uint32_t in_use = inodes_in(m, g), end;

		for (uint32_t i = 0; i < in_use; i = end) {
			end = in_use - i > chunk ? i + chunk : in_use;
			if (write_chunk(m, g, i, end, e) < 0)
				return -1;
		}
	}
	return store_flush(m->store, e);
}

/* ---- all of it ---------------------------------------------------------- */

static int
add_journal(struct image *m, uint64_t blocks, struct err *e)
{
	errcode_t code;

	code = ext2fs_add_journal_inode2(m->fs, (blk_t)blocks, m->space->next,
	    EXT2_MKJOURNAL_LAZYINIT | EXT2_MKJOURNAL_NO_MNT_CHECK);
	return library(code, "journal", e);
}

/* As many as mke2fs takes for a file system of this size. */
static uint64_t
journal_blocks(const struct image *m)
{
	uint64_t all = m->wish->bytes / BLOCK_SIZE;
	int blocks;

	if (!m->wish->total)
		all += m->space->next;
	blocks = ext2fs_default_journal_size(all);
	/* It says -1 of what is too small for any. */
	return blocks > 0 ? (uint64_t)blocks : JOURNAL_MIN;
}

static int
finish(struct image *m, int fd, uint64_t journal, struct err *e)
{
	if (ftruncate(fd, (off_t)(m->layout.blocks * BLOCK_SIZE)) < 0)
		return err_errno(e, EX_IOERR, "size");
	if (initialize(m, fd, e) < 0)
		return -1;
	set_super(m);
	mark_content(m);
	if (take_tables(m, e) < 0)
		return -1;
	count_free(m);
	mark_inodes(m);
	if (library(ext2fs_create_resize_inode(m->fs), "resize inode", e) < 0)
		return -1;
	if (journal > 0 && add_journal(m, journal, e) < 0)
		return -1;
	if (write_directories(m, e) < 0 || write_xattrs(m, e) < 0 ||
	    write_inodes(m, e) < 0)
		return -1;
	for (uint32_t g = 0; g < m->layout.groups; g++)
		ext2fs_group_desc_csum_set(m->fs, g);
	ext2fs_mark_super_dirty(m->fs);
	ext2fs_mark_bb_dirty(m->fs);
	ext2fs_mark_ib_dirty(m->fs);
	/* Without a sync: whoever wants one says --sync. */
	if (library(ext2fs_close2(m->fs, EXT2_FLAG_FLUSH_NO_SYNC),
		"file system", e) < 0)
		return -1;
	m->fs = NULL;
	return 0;
}

static void
release(struct image *m)
{
	if (m->fs)
		ext2fs_free(m->fs);
	inode_plan_free(m->plan);
	free(m->used);
	free(m->table);
}

int
image_finish(int fd, struct tree *tree, struct space *space,
    struct store *store, const struct image_wish *wish, struct err *e)
{
	struct image m = {
	    .tree = tree, .space = space, .store = store, .wish = wish};
	struct layout_wish lw = {.total = wish->total,
	    .bytes = wish->bytes,
	    .inodes = wish->inodes,
	    .tight = wish->tight};
	uint64_t journal = 0;
	int result = -1;

	if (store_drop_replaced(store, e) < 0 ||
	    links_split(tree, store, e) < 0 ||
	    values_make(tree, store, wish->uuid, e) < 0 ||
	    tree_number(tree, e) < 0 || place_all(&m, e) < 0)
		goto out;
	m.plan = inode_plan_new(tree, space, e);
	if (!m.plan)
		goto out;
	lw.used = tree->inode_count;
	lw.extra = RESIZE_BLOCKS;
	if (wish->journal)
		journal = journal_blocks(&m);
	lw.extra += journal;
	if (layout_plan(&m.layout, &lw, space, e) < 0)
		goto out;
	m.used = calloc(m.layout.groups, sizeof(*m.used));
	m.table = malloc(TABLE_CHUNK * BLOCK_SIZE);
	if (!m.used || !m.table) {
		err_set(e, EX_OSERR, "out of memory");
		goto out;
	}
	result = finish(&m, fd, journal, e);
out:
	release(&m);
	return result;
}
