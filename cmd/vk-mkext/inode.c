/* SPDX-License-Identifier: MIT */
/* inode.c - inodes as they lie in the table */
#include "cmd/vk-mkext/inode.h"

#include "cmd/vk-mkext/crc32c.h"
#include "common/cursor.h"
#include "common/scope.h"

#include <assert.h>
#include <ext2fs/ext2_fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Bytes of the inode of ext2, which the large one goes on from. */
#define INODE_OLD 128u

static_assert(INODE_OLD + INODE_EXTRA + XATTR_INODE_ROOM == 256,
    "an inode has 256 bytes");

/* The structures of the disk are filled in as they are. */
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
    "ext4 is little-endian, and so is every machine this runs on");

/* Linux does not count a directory's links beyond this (dir_nlink). */
#define DIRECTORY_LINKS_MAX 65000u

/* Times of ext4 end in 2446: 34 bits, from 1901 on. */
#define TIME_MIN ((int64_t)INT32_MIN)
#define TIME_MAX (((int64_t)3 << 32) + INT32_MAX)

static int
add_extra(struct inode_plan *p, struct space *s, uint32_t object,
    uint32_t count, struct err *e)
{
	struct inode_extra *x;

	if (p->extra_count == p->extra_room) {
		uint32_t room = p->extra_room ? p->extra_room * 2 : 64;
		void *grown = reallocarray(p->extras, room, sizeof(*p->extras));

		if (!grown)
			return err_set(e, EX_OSERR, "out of memory");
		p->extras = grown;
		p->extra_room = room;
	}
	if (count > GROUP_BLOCKS - SPACE_DESCRIPTORS - 1)
		return err_set(e, EX_DATAERR, "a file in too many pieces");
	x = &p->extras[p->extra_count];
	x->object = object;
	x->count = count;
	x->first = space_take_whole(s, count, e);
	if (!x->first)
		return -1;
	p->extra_count++;
	return 0;
}

/* Gives the object a block for its attributes: the last one of its set if that
 * is not shared by too many already. last is by set. */
static int
add_xattrs(struct inode_plan *p, struct space *s, uint32_t object,
    uint32_t *last, struct err *e)
{
	uint32_t set = tree_object(p->tree, object)->xattrs;
	struct inode_xattrs *x;
	uint64_t got;

	if (!last[set] ||
	    p->xattrs[last[set] - 1].references == XATTR_SHARED_MAX) {
		if (p->xattr_count == p->xattr_room) {
			uint32_t room = p->xattr_room ? p->xattr_room * 2 : 64;
			void *grown = reallocarray(p->xattrs, room, sizeof(*x));

			if (!grown)
				return err_set(e, EX_OSERR, "out of memory");
			p->xattrs = grown;
			p->xattr_room = room;
		}
		x = &p->xattrs[p->xattr_count];
		*x = (struct inode_xattrs){.set = set};
		x->at = space_take(s, 1, &got, e);
		if (!x->at)
			return -1;
		last[set] = ++p->xattr_count;
	}
	p->xattrs[last[set] - 1].references++;
	p->xattr_of[object] = last[set];
	return 0;
}

static int
plan_object(struct inode_plan *p, struct space *s, uint32_t object,
    uint32_t *last, struct err *e)
{
	const struct object *o = tree_object(p->tree, object);
	uint32_t blocks = extent_blocks(p->tree->runs + o->run, o->runs);

	if (S_ISDIR(o->mode) && object != TREE_ROOT &&
	    p->subdirectories[o->parent] < UINT16_MAX)
		p->subdirectories[o->parent]++;
	if (blocks > 0 && add_extra(p, s, object, blocks, e) < 0)
		return -1;
	if (o->xattrs && xattr_needs_block(&p->tree->xattrs, o->xattrs))
		return add_xattrs(p, s, object, last, e);
	return 0;
}

struct inode_plan *
inode_plan_new(const struct tree *t, struct space *s, struct err *e)
{
	struct inode_plan *p = calloc(1, sizeof(*p));
	cleanup_free uint32_t *last = calloc(t->xattrs.count, sizeof(*last));

	if (p) {
		p->tree = t;
		p->subdirectories =
		    calloc(t->object_count, sizeof(*p->subdirectories));
		p->xattr_of = calloc(t->object_count, sizeof(*p->xattr_of));
	}
	if (!p || !last || !p->subdirectories || !p->xattr_of) {
		err_set(e, EX_OSERR, "out of memory");
		inode_plan_free(p);
		return NULL;
	}
	for (uint32_t i = 1; i < t->object_count; i++)
		if (tree_object(t, i)->links > 0 &&
		    plan_object(p, s, i, last, e) < 0) {
			inode_plan_free(p);
			return NULL;
		}
	return p;
}

void
inode_plan_free(struct inode_plan *p)
{
	if (!p)
		return;
	free(p->extras);
	free(p->subdirectories);
	free(p->xattrs);
	free(p->xattr_of);
	free(p);
}

static const struct inode_extra *
extra_of(const struct inode_plan *p, uint32_t object)
{
	uint32_t low = 0, high = p->extra_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (p->extras[middle].object < object)
			low = middle + 1;
		else
			high = middle;
	}
	return low < p->extra_count && p->extras[low].object == object
		   ? &p->extras[low]
		   : NULL;
}

/* Low 32 bits, and in the extra field two more bits and the nanoseconds. */
static void
set_time(uint32_t *low, uint32_t *extra, const struct moment *m)
{
	int64_t seconds = m->seconds < TIME_MIN   ? TIME_MIN
			  : m->seconds > TIME_MAX ? TIME_MAX
						  : m->seconds;
	uint32_t epoch = (uint32_t)((seconds - (int32_t)seconds) >> 32) & 3;

	*low = (uint32_t)seconds;
	*extra = epoch | m->nanoseconds << 2;
}

/* The form of old kernels where it suffices, as Linux does. */
static void
set_device(uint32_t block[2], uint32_t major, uint32_t minor)
{
	if (major < 256 && minor < 256)
		block[0] = major << 8 | minor;
	else
		block[1] = (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
}

static void
set_meta(struct ext2_inode_large *d, const struct object *o)
{
	d->i_mode = o->mode;
	d->i_uid = (uint16_t)o->uid;
	d->osd2.linux2.l_i_uid_high = (uint16_t)(o->uid >> 16);
	d->i_gid = (uint16_t)o->gid;
	d->osd2.linux2.l_i_gid_high = (uint16_t)(o->gid >> 16);
	d->i_size = (uint32_t)o->size;
	d->i_size_high = (uint32_t)(o->size >> 32);
	d->i_flags = o->flags;
	if (o->flags & EXT4_EA_INODE_FL)
		d->osd1.linux1.l_i_version = o->references;
	d->i_extra_isize = INODE_EXTRA;
	set_time(&d->i_atime, &d->i_atime_extra, &o->accessed);
	set_time(&d->i_ctime, &d->i_ctime_extra, &o->changed);
	set_time(&d->i_mtime, &d->i_mtime_extra, &o->modified);
	set_time(&d->i_crtime, &d->i_crtime_extra, &o->modified);
}

static uint16_t
links_of(const struct inode_plan *p, uint32_t object)
{
	const struct object *o = tree_object(p->tree, object);
	uint32_t links = o->links;

	if (S_ISDIR(o->mode)) {
		links = 2u + p->subdirectories[object];
		if (links > DIRECTORY_LINKS_MAX)
			links = 1;
	}
	return (uint16_t)links;
}

/* What the inode says of blocks: how many there are, and of attributes. */
static void
set_blocks(const struct inode_plan *p, struct ext2_inode_large *d,
    uint32_t object, uint64_t extra)
{
	const struct object *o = tree_object(p->tree, object);
	const struct run *r = p->tree->runs + o->run;
	uint64_t blocks = extra;

	for (uint32_t i = 0; i < o->runs; i++)
		blocks += r[i].count;
	if (p->xattr_of[object]) {
		uint64_t at = p->xattrs[p->xattr_of[object] - 1].at;

		d->i_file_acl = (uint32_t)at;
		d->osd2.linux2.l_i_file_acl_high = (uint16_t)(at >> 32);
		blocks += 1 + xattr_value_blocks(&p->tree->xattrs, o->xattrs);
	}
	blocks *= BLOCK_SIZE / 512;
	d->i_blocks = (uint32_t)blocks;
	d->osd2.linux2.l_i_blocks_hi = (uint16_t)(blocks >> 32);
}

static int
set_extents(struct inode_plan *p, struct ext2_inode_large *d, uint32_t object,
    const struct extent_sink *sink, struct err *e)
{
	const struct object *o = tree_object(p->tree, object);
	const struct inode_extra *x = extra_of(p, object);
	uint8_t root[EXTENT_ROOT_SIZE] = {0};

	d->i_flags |= EXT4_EXTENTS_FL;
	if (S_ISDIR(o->mode) && o->size > BLOCK_SIZE)
		d->i_flags |= EXT2_INDEX_FL;
	set_blocks(p, d, object, x ? x->count : 0);
	p->inode = o->inode;
	if (extent_build(p->tree->runs + o->run, o->runs, root,
		x ? x->first : 0, sink, e) < 0)
		return -1;
	memcpy(d->i_block, root, sizeof(root));
	return 0;
}

int
inode_build(struct inode_plan *p, uint32_t object, uint8_t *into,
    const struct extent_sink *sink, struct err *e)
{
	const struct object *o = tree_object(p->tree, object);
	struct ext2_inode_large *d = (struct ext2_inode_large *)into;

	set_meta(d, o);
	d->i_links_count = links_of(p, object);
	set_blocks(p, d, object, 0);
	if (o->xattrs)
		xattr_put_inode(&p->tree->xattrs, o->xattrs,
		    into + INODE_OLD + INODE_EXTRA);
	if (S_ISREG(o->mode) || S_ISDIR(o->mode) || o->runs > 0)
		return set_extents(p, d, object, sink, e);
	if (S_ISCHR(o->mode) || S_ISBLK(o->mode))
		set_device(d->i_block, o->device.major, o->device.minor);
	else if (S_ISLNK(o->mode))
		memcpy(d->i_block, tree_text(p->tree, o->target.text),
		    o->target.length);
	return 0;
}

void
inode_sum(uint8_t slot[INODE_SIZE], uint32_t inode, uint32_t seed)
{
	struct ext2_inode_large *d = (struct ext2_inode_large *)slot;
	uint32_t sum;

	d->osd2.linux2.l_i_checksum_lo = 0;
	d->i_checksum_hi = 0;
	sum = crc32c(seed, &inode, sizeof(inode));
	sum = crc32c(sum, &d->i_generation, sizeof(d->i_generation));
	sum = crc32c(sum, slot, INODE_SIZE);
	d->osd2.linux2.l_i_checksum_lo = (uint16_t)sum;
	d->i_checksum_hi = (uint16_t)(sum >> 16);
}
