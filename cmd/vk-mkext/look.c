/* SPDX-License-Identifier: MIT */
/* look.c - what is in an image, without mounting it */
#include "cmd/vk-mkext/look.h"

#include "cmd/vk-mkext/pour.h"
#include "cmd/vk-mkext/seen.h"
#include "cmd/vk-mkext/view.h"
#include "common/scope.h"

#include <errno.h>
#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory that waits for its turn. */
struct pending {
	ext2_ino_t inode;
	char *path;
};

struct look {
	const char *image;
	ext2_filsys fs;
	ext2fs_inode_bitmap seen; /* directories */
	struct pending *stack;
	size_t depth, room;
	struct seen names;
	struct pour *pour; /* a tar is made; NULL: a list */
	struct err *err;
};

static int
library(struct look *l, errcode_t code, const char *what)
{
	return view_error(code, what, l->err) < 0
		   ? err_prefix(l->err, "%s", l->image)
		   : 0;
}

static int
no_memory(struct look *l)
{
	return err_set(l->err, EX_OSERR, "out of memory");
}

/* ---- the walk ----------------------------------------------------------- */

static int
push(struct look *l, ext2_ino_t inode, const char *path)
{
	if (l->depth == l->room) {
		size_t room = l->room ? l->room * 2 : 64;
		struct pending *grown =
		    reallocarray(l->stack, room, sizeof(*grown));

		if (!grown)
			return no_memory(l);
		l->stack = grown;
		l->room = room;
	}
	l->stack[l->depth].path = strdup(path);
	if (!l->stack[l->depth].path)
		return no_memory(l);
	l->stack[l->depth++].inode = inode;
	return 0;
}

static int
show(struct look *l, ext2_ino_t inode, const char *path)
{
	struct view v = {.fs = l->fs, .inode = inode, .path = path};
	int result = view_open(&v, l->err);

	if (result < 0)
		err_prefix(l->err, "%s", l->image);
	else if (!S_ISDIR(v.raw.i_mode) && v.raw.i_links_count > 1)
		result = seen_path(
		    &l->names, (uint64_t[]){0, inode}, path, &v.same, l->err);

	if (result == 0 && l->pour) {
		result = pour_view(l->pour, &v, l->err);
		if (result < 0 && l->err->status != EX_IOERR)
			err_prefix(l->err, "%s", l->image);
	} else if (result == 0 && view_print(&v) < 0) {
		result = err_errno(l->err, EX_IOERR, "stdout");
	}
	if (result == 0 && S_ISDIR(v.raw.i_mode)) {
		if (ext2fs_test_inode_bitmap2(l->seen, inode))
			result = err_set(l->err, EX_DATAERR,
			    "%s: %s: a directory in two places", l->image,
			    path);
		ext2fs_mark_inode_bitmap2(l->seen, inode);
		if (result == 0)
			result = push(l, inode, path);
	}
	view_close(&v);
	return result;
}

struct children {
	struct look *look;
	const char *path;
	int result;
};

static int
child(ext2_ino_t dir, int which, struct ext2_dir_entry *d, int offset,
    int blocksize, char *block, void *with)
{
	struct children *c = with;
	int length = ext2fs_dirent_name_len(d);
	cleanup_free char *path = NULL;

	(void)dir, (void)offset, (void)blocksize, (void)block;
	if (which != DIRENT_OTHER_FILE)
		return 0;
	if (memchr(d->name, '/', (size_t)length) ||
	    memchr(d->name, 0, (size_t)length)) {
		c->result = err_set(c->look->err, EX_DATAERR,
		    "%s: %s: holds a name that cannot be", c->look->image,
		    c->path);
		return DIRENT_ABORT;
	}
	if (asprintf(&path, "%s/%.*s", c->path, length, d->name) < 0) {
		path = NULL;
		c->result = no_memory(c->look);
		return DIRENT_ABORT;
	}
	c->result = show(c->look, d->inode, path);
	return c->result < 0 ? DIRENT_ABORT : 0;
}

/* Directory by directory, without recursion: the depth is the image's. */
static int
walk(struct look *l, ext2_ino_t inode, const char *path)
{
	int result = show(l, inode, path);

	while (result == 0 && l->depth > 0) {
		struct pending p = l->stack[--l->depth];
		struct children c = {.look = l, .path = p.path};
		errcode_t code =
		    ext2fs_dir_iterate2(l->fs, p.inode, 0, NULL, child, &c);

		result = c.result < 0 ? -1 : library(l, code, p.path);
		free(p.path);
	}
	return result;
}

static int
look_open(struct look *l)
{
	if (access(l->image, R_OK) < 0)
		return err_errno(l->err, 0, "%s", l->image);
	if (library(l,
		ext2fs_open2(l->image, NULL,
		    EXT2_FLAG_64BITS | EXT2_FLAG_SOFTSUPP_FEATURES, 0, 0,
		    unix_io_manager, &l->fs),
		"not an ext4 image") < 0)
		return -1;
	return library(
	    l, ext2fs_allocate_inode_bitmap(l->fs, "seen", &l->seen), "inodes");
}

static void
look_close(struct look *l)
{
	while (l->depth > 0)
		free(l->stack[--l->depth].path);
	free(l->stack);
	seen_release(&l->names);
	if (l->seen)
		ext2fs_free_inode_bitmap(l->seen);
	if (l->fs)
		ext2fs_free(l->fs);
}

static int
look_at(struct look *l, const char *path)
{
	const char *last = strrchr(path, '/');
	struct ext2_inode inode;
	ext2_ino_t number;

	if (library(l,
		ext2fs_namei(
		    l->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &number),
		path) < 0 ||
	    library(l, ext2fs_read_inode(l->fs, number, &inode), path) < 0)
		return -1;
	if (S_ISDIR(inode.i_mode))
		return walk(l, number, ".");
	return walk(l, number, last ? last + 1 : path);
}

int
look_uuid(const char *image, uint8_t uuid[UUID_SIZE], struct err *e)
{
	struct look l = {.image = image, .err = e};
	int result = look_open(&l);

	if (result == 0)
		memcpy(uuid, l.fs->super->s_uuid, UUID_SIZE);
	look_close(&l);
	return result;
}

int
look_list(const char *image, const char *path, struct err *e)
{
	struct look l = {.image = image, .err = e};
	int result = look_open(&l);

	if (result == 0)
		result = look_at(&l, path);
	look_close(&l);
	if (result == 0 && fflush(stdout) == EOF)
		return err_errno(e, EX_IOERR, "stdout");
	return result;
}

static int
extract(const char *image, const char *path, struct err *e)
{
	struct pour pour;
	struct look l = {.image = image, .pour = &pour, .err = e};
	int result = pour_init(&pour, STDOUT_FILENO, e);

	if (result == 0)
		result = look_open(&l);
	if (result == 0)
		result = look_at(&l, path);
	if (result == 0)
		result = pour_end(&pour, e);
	look_close(&l);
	pour_release(&pour);
	return result;
}

int
look_extract(const char *image, const char *path, struct err *e)
{
	if (!isatty(STDOUT_FILENO))
		return extract(image, path, e);
	err_set(e, EX_USAGE, "a tar is not for a terminal");
	return err_hint(e, "use > FILE or a pipe");
}
