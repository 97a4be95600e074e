/* SPDX-License-Identifier: MIT */
/*
 * ext2_tree.c - all of an ext4 image as a newc archive
 *
 * A folder's entries are collected first, then written, each folder before
 * what is in it. The image may lie: folders may be in a circle, or more than
 * there is paper for. So the depth, and with it the length of a path, is
 * bounded, and so are the entries and the bytes of the archive.
 *
 * Hard links have one inode number and a count above 1. The first one written
 * has the data, the others have none: that is how Linux takes them.
 */
#include "cmd/vk-boot/ext2_reader.h"

#include "common/buf.h"
#include "common/io.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define DEPTH_MAX   100
#define ENTRIES_MAX 4000000
/* The names of one folder, with 4 bytes of number each. */
#define NAMES_MAX ((size_t)256 << 20)

struct tree {
	int to;           /* -1: only the size is wanted */
	uint64_t at, max; /* in the archive */
	uint64_t entries;
	uint8_t *seen; /* a bit an inode: its data has been written */
	char path[PATH_MAX];
	struct buf out; /* what is not written yet */
};

static int
flush(struct tree *tree, struct err *e)
{
	if (io_write(tree->to, tree->out.data, tree->out.len) < 0)
		return err_errno(e, EX_OSERR, "memory for the image");
	tree->out.len = 0;
	return 0;
}

static int
add(struct tree *tree, const void *bytes, size_t len, struct err *e)
{
	if (len > tree->max - tree->at)
		return err_set(e, EX_DATAERR, "too large for memory");
	tree->at += len;
	if (tree->to < 0)
		return 0;
	if (tree->out.len + len > tree->out.max && flush(tree, e) < 0)
		return -1;
	if (len > tree->out.max)
		return io_write(tree->to, bytes, len) < 0
			   ? err_errno(e, EX_OSERR, "memory for the image")
			   : 0;
	return buf_add(&tree->out, bytes, len) < 0
		   ? err_errno(e, EX_OSERR, "memory")
		   : 0;
}

static int
pad(struct tree *tree, struct err *e)
{
	return add(tree, "\0\0\0", -tree->at & 3, e);
}

static uint64_t
size_of(const struct ext2_inode *inode)
{
	return inode->i_size |
	       (S_ISREG(inode->i_mode) ? (uint64_t)inode->i_size_high << 32
				       : 0);
}

/* The device numbers of i_block, in either of their forms. */
static void
device_of(const struct ext2_inode *inode, unsigned *major, unsigned *minor)
{
	uint32_t old = inode->i_block[0], new = inode->i_block[1];

	*major = old ? old >> 8 & 0xff : new >> 8 & 0xfff;
	*minor = old ? old & 0xff : (new & 0xff) | (new >> 12 & 0xfff00);
}

static int
add_header(struct tree *tree, ext2_ino_t number, const struct ext2_inode *inode,
    uint64_t size, struct err *e)
{
	const char *name = tree->path[0] ? tree->path : ".";
	size_t name_size = strlen(name) + 1;
	unsigned major = 0, minor = 0;
	char header[128];
	int len;

	if (S_ISCHR(inode->i_mode) || S_ISBLK(inode->i_mode))
		device_of(inode, &major, &minor);
	len = snprintf(header, sizeof(header),
	    "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08zx%08x",
	    number, inode->i_mode, inode_uid(*inode), inode_gid(*inode),
	    S_ISDIR(inode->i_mode) ? 2 : inode->i_links_count, inode->i_mtime,
	    (unsigned)size, 0, 0, major, minor, name_size, 0);
	if (add(tree, header, (size_t)len, e) < 0 ||
	    add(tree, name, name_size, e) < 0)
		return -1;
	return pad(tree, e);
}

/* Whether a file's data was written under another name; marks it. */
static bool
was_seen(struct tree *tree, ext2_ino_t number)
{
	uint8_t bit = (uint8_t)(1 << number % 8),
		*byte = &tree->seen[number / 8];
	bool seen = *byte & bit;

	*byte |= bit;
	return seen;
}

static int
add_file(struct tree *tree, ext2_ino_t number, const struct ext2_inode *inode,
    struct err *e)
{
	uint64_t size = size_of(inode), copied = 0;

	if (inode->i_links_count > 1 && was_seen(tree, number))
		size = 0;
	if (size > UINT32_MAX)
		return err_set(
		    e, EX_DATAERR, "%s: larger than 4 GiB", tree->path);
	if (add_header(tree, number, inode, size, e) < 0)
		return -1;
	if (size == 0)
		return 0;
	if (tree->to >= 0 &&
	    (flush(tree, e) < 0 ||
		ext2_copy(number, tree->path, size, tree->to, &copied, e) < 0))
		return -1;
	if (tree->to >= 0 && copied != size)
		return err_set(e, EX_DATAERR, "%s: damaged", tree->path);
	tree->at += size;
	return pad(tree, e);
}

/* A short target lies in the inode, a longer one in a block. */
static int
add_link(struct tree *tree, ext2_ino_t number, const struct ext2_inode *inode,
    struct err *e)
{
	char target[PATH_MAX];
	uint64_t size = size_of(inode);
	ext2_file_t file;
	unsigned got = 0;

	if (size == 0 || size >= sizeof(target))
		return err_set(e, EX_DATAERR, "%s: damaged", tree->path);
	if (size < sizeof(inode->i_block) &&
	    !(inode->i_flags & (EXT4_EXTENTS_FL | EXT4_INLINE_DATA_FL)))
		memcpy(target, inode->i_block, size);
	else {
		if (ext2.file_open(ext2.fs, number, 0, &file))
			return err_set(
			    e, EX_DATAERR, "%s: cannot be read", tree->path);
		ext2.file_read(file, target, (unsigned)size, &got);
		ext2.file_close(file);
		if (got != size)
			return err_set(
			    e, EX_DATAERR, "%s: cannot be read", tree->path);
	}
	if (add_header(tree, number, inode, size, e) < 0 ||
	    add(tree, target, size, e) < 0)
		return -1;
	return pad(tree, e);
}

/* ---- folders ------------------------------------------------------------ */

/* Adds "number, length, name" of an entry to a buffer. */
static int
collect(ext2_ino_t dir, int kind, struct ext2_dir_entry *entry, int offset,
    int block_size, char *block, void *private)
{
	struct buf *names = private;
	uint8_t len = entry->name_len & 0xff;

	(void)dir, (void)offset, (void)block_size, (void)block;
	if (kind != DIRENT_OTHER_FILE || len == 0 ||
	    memchr(entry->name, '/', len) || memchr(entry->name, '\0', len))
		return 0;
	buf_add(names, &entry->inode, sizeof(entry->inode));
	buf_add(names, &len, 1);
	return buf_add(names, entry->name, len) < 0 ? DIRENT_ABORT : 0;
}

static int add_inode(struct tree *, ext2_ino_t, unsigned depth, struct err *);

static int
add_entries(
    struct tree *tree, const struct buf *names, unsigned depth, struct err *e)
{
	size_t path_len = strlen(tree->path);

	for (size_t at = 0; at < names->len;) {
		uint8_t len = (uint8_t)names->data[at + 4];
		ext2_ino_t number;

		memcpy(&number, names->data + at, 4);
		if (path_len + 1 + len >= sizeof(tree->path))
			return err_set(
			    e, EX_DATAERR, "%s: path too long", tree->path);
		snprintf(tree->path + path_len, sizeof(tree->path) - path_len,
		    "%s%.*s", path_len ? "/" : "", len, names->data + at + 5);
		if (add_inode(tree, number, depth, e) < 0)
			return -1;
		tree->path[path_len] = '\0';
		at += 5u + len;
	}
	return 0;
}

static int
add_folder(struct tree *tree, ext2_ino_t number, unsigned depth, struct err *e)
{
	cleanup_buf struct buf names = BUF_INIT(NAMES_MAX);

	if (depth > DEPTH_MAX)
		return err_set(e, EX_DATAERR, "%s: more than %d folders deep",
		    tree->path, DEPTH_MAX);
	if (ext2.dir_iterate(ext2.fs, number, 0, NULL, collect, &names) ||
	    names.failed)
		return err_set(e, EX_DATAERR, "%s: cannot be read", tree->path);
	return add_entries(tree, &names, depth, e);
}

static int
add_inode(struct tree *tree, ext2_ino_t number, unsigned depth, struct err *e)
{
	struct ext2_inode inode;

	if (number > ext2.fs->super->s_inodes_count ||
	    ext2.read_inode(ext2.fs, number, &inode))
		return err_set(e, EX_DATAERR, "%s: cannot be read", tree->path);
	if (++tree->entries > ENTRIES_MAX)
		return err_set(e, EX_DATAERR, "too many files for memory");
	if (S_ISREG(inode.i_mode))
		return add_file(tree, number, &inode, e);
	if (S_ISLNK(inode.i_mode))
		return add_link(tree, number, &inode, e);
	if (add_header(tree, number, &inode, 0, e) < 0)
		return -1;
	return S_ISDIR(inode.i_mode) ? add_folder(tree, number, depth + 1, e)
				     : 0;
}

static int
walk(struct tree *tree, struct err *e)
{
	static const struct ext2_inode end = {.i_links_count = 1};
	size_t bitmap = ext2.fs->super->s_inodes_count / 8 + 1;

	tree->at = tree->entries = 0;
	tree->path[0] = '\0';
	memset(tree->seen, 0, bitmap);
	if (add_inode(tree, EXT2_ROOT_INO, 0, e) < 0)
		return -1;
	snprintf(tree->path, sizeof(tree->path), "TRAILER!!!");
	if (add_header(tree, 0, &end, 0, e) < 0)
		return -1;
	return tree->to < 0 ? 0 : flush(tree, e);
}

/* Measures, then writes. */
static int
measure_and_write(
    struct tree *tree, uint64_t max, int to, uint64_t *size, struct err *e)
{
	tree->to = -1;
	tree->max = UINT64_MAX;
	if (walk(tree, e) < 0)
		return -1;
	*size = tree->at;
	if (tree->at > max)
		return err_set(e, EX_USAGE,
		    "%ju MiB of files do not fit into memory",
		    (uintmax_t)(tree->at >> 20));
	tree->to = to;
	tree->max = max;
	return walk(tree, e);
}

int
ext2_tree(uint64_t max, int to, uint64_t *size, struct err *e)
{
	static struct tree tree; /* a path is too much for a stack */
	int rc;

	*size = 0;
	tree = (struct tree){.out = BUF_INIT(1 << 20)};
	tree.seen = malloc(ext2.fs->super->s_inodes_count / 8 + 1);
	if (!tree.seen)
		return err_errno(e, EX_OSERR, "memory for the image");
	rc = measure_and_write(&tree, max, to, size, e);
	free(tree.seen);
	buf_release(&tree.out);
	return rc;
}
