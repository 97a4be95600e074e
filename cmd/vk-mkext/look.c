/* SPDX-License-Identifier: MIT */
/* look.c - what is in an image, without mounting it */
#include "cmd/vk-mkext/look.h"

#include "cmd/vk-mkext/paths.h"
#include "cmd/vk-mkext/pieces.h"
#include "cmd/vk-mkext/pour.h"
#include "cmd/vk-mkext/seen.h"
#include "cmd/vk-mkext/view.h"
#include "common/buf.h"
#include "common/io.h"
#include "common/scope.h"
#include "common/size.h"

#include <errno.h>
#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The table of groups is held in memory: some of 128 TiB. */
#define GROUP_TABLE_MAX (64 * MIB)

/* A directory that waits for its turn. */
struct pending {
	ext2_ino_t inode;
	uint32_t path;
};

struct look {
	const char *image;
	ext2_filsys fs;
	ext2fs_inode_bitmap seen; /* directories */
	struct pending *stack;
	size_t depth, room;
	struct paths paths;
	struct seen names;
	struct buf path, same; /* of the entry at hand */
	struct pieces pieces;
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
push(struct look *l, ext2_ino_t inode, uint32_t path)
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
	l->stack[l->depth++] = (struct pending){inode, path};
	return 0;
}

/* A name in a folder; the walk's beginning is in none. */
struct name {
	uint32_t folder;
	const char *at;
	size_t length;
};

static int
find_same(struct look *l, struct view *v, const struct name *n)
{
	uint32_t *first =
	    seen_name(&l->names, (uint64_t[]){0, v->inode}, l->err);

	if (!first)
		return -1;
	if (!*first) {
		*first =
		    paths_add(&l->paths, n->folder, n->at, n->length, l->err);
		return *first ? 0 : -1;
	}
	if (paths_write(&l->paths, *first, &l->same, l->err) < 0)
		return -1;
	v->same = l->same.data;
	return 0;
}

static int
enter(struct look *l, struct view *v, const struct name *n)
{
	uint32_t path;

	if (ext2fs_test_inode_bitmap2(l->seen, v->inode))
		return err_set(l->err, EX_DATAERR,
		    "%s: a directory in two places", v->path);
	ext2fs_mark_inode_bitmap2(l->seen, v->inode);
	path = paths_add(&l->paths, n->folder, n->at, n->length, l->err);
	return path ? push(l, v->inode, path) : -1;
}

static int
read_view(struct look *l, struct view *v, const struct name *n)
{
	if (view_open(v, l->err) < 0)
		return -1;
	if (S_ISDIR(v->raw.i_mode))
		return pieces_find(&l->pieces, v, l->err) < 0 ? -1
							      : enter(l, v, n);
	if (v->raw.i_links_count > 1 && find_same(l, v, n) < 0)
		return -1;
	return l->pour && S_ISREG(v->raw.i_mode) && !v->same
		   ? pieces_find(&l->pieces, v, l->err)
		   : 0;
}

/* The entry whose path is at hand. */
static int
show(struct look *l, ext2_ino_t inode, const struct name *n)
{
	struct view v = {.fs = l->fs, .inode = inode, .path = l->path.data};
	int result = read_view(l, &v, n);

	if (result == 0 && l->pour)
		result = pour_view(l->pour, &v, &l->pieces, l->err);
	else if (result == 0 && view_print(&v) < 0)
		result = err_errno(l->err, EX_IOERR, "stdout");
	if (result < 0 && l->err->status == EX_DATAERR)
		err_prefix(l->err, "%s", l->image);
	view_close(&v);
	return result;
}

struct children {
	struct look *look;
	uint32_t folder;
	size_t length; /* of its path */
	int result;
};

static bool
is_dots(const struct name *n)
{
	return n->length > 0 && n->length <= 2 &&
	       memcmp(n->at, "..", n->length) == 0;
}

static int
child(ext2_ino_t dir, int which, struct ext2_dir_entry *d, int offset,
    int blocksize, char *block, void *with)
{
	struct children *c = with;
	struct look *l = c->look;
	struct name n = {c->folder, d->name, (size_t)ext2fs_dirent_name_len(d)};

	(void)dir, (void)offset, (void)blocksize, (void)block;
	/* Wherever they stand: as names of something they would lead out. */
	if (which != DIRENT_OTHER_FILE || is_dots(&n))
		return 0;
	l->path.len = c->length;
	if (n.length == 0 || memchr(n.at, '/', n.length) ||
	    memchr(n.at, 0, n.length))
		c->result = err_set(l->err, EX_DATAERR,
		    "%s: %.*s: holds a name that cannot be", l->image,
		    (int)c->length, l->path.data);
	else if (buf_puts(&l->path, "/") < 0 ||
		 buf_add(&l->path, n.at, n.length) < 0)
		c->result = err_set(l->err, EX_DATAERR,
		    "%s: %.80s...: too long a path", l->image, l->path.data);
	else
		c->result = show(l, d->inode, &n);
	return c->result < 0 ? DIRENT_ABORT : 0;
}

/* Directory by directory, without recursion: the depth is the image's. */
static int
walk(struct look *l, ext2_ino_t inode, const char *path)
{
	int result = paths_init(&l->paths, path, l->err);

	if (result == 0)
		result = paths_write(&l->paths, PATHS_TOP, &l->path, l->err);
	if (result == 0)
		result = show(l, inode, &(struct name){0});
	while (result == 0 && l->depth > 0) {
		struct pending p = l->stack[--l->depth];
		struct children c = {.look = l, .folder = p.path};
		errcode_t code;

		if (paths_write(&l->paths, p.path, &l->path, l->err) < 0)
			return -1;
		c.length = l->path.len;
		code = ext2fs_dir_iterate2(l->fs, p.inode, 0, NULL, child, &c);
		result = c.result < 0 ? -1 : library(l, code, l->path.data);
	}
	return result;
}

/* ---- the image ---------------------------------------------------------- */

/* Before the library believes them: fields of the superblock that say how long
 * the table of groups is. What is no ext4 at all the library says better. */
static int
check_table(struct look *l, int fd)
{
	struct ext2_super_block s;
	uint64_t groups, entry = EXT2_MIN_DESC_SIZE;

	if (io_pread(fd, &s, sizeof(s), SUPERBLOCK_OFFSET) !=
		(ssize_t)sizeof(s) ||
	    s.s_magic != EXT2_SUPER_MAGIC || s.s_blocks_per_group == 0)
		return 0;
	if (ext2fs_has_feature_64bit(&s))
		entry = s.s_desc_size;
	groups = ext2fs_blocks_count(&s) / s.s_blocks_per_group + 1;
	if (groups > GROUP_TABLE_MAX / (entry ? entry : 1))
		return err_set(l->err, EX_DATAERR,
		    "%s: more groups of blocks than anybody has", l->image);
	return 0;
}

/* How many blocks its files can have: those there are, whatever it says. */
static int
count_blocks(struct look *l, int fd, uint64_t *blocks)
{
	off_t size = lseek(fd, 0, SEEK_END);

	if (size < 0)
		return err_errno(l->err, 0, "%s", l->image);
	*blocks = (uint64_t)size / l->fs->blocksize;
	if (*blocks > ext2fs_blocks_count(l->fs->super))
		*blocks = ext2fs_blocks_count(l->fs->super);
	return 0;
}

static int
look_open(struct look *l)
{
	cleanup_fd int fd = open(l->image, O_RDONLY | O_CLOEXEC);
	uint64_t blocks = 0;

	buf_init(&l->path, TARIN_PAX_MAX);
	buf_init(&l->same, TARIN_PAX_MAX);
	if (fd < 0)
		return err_errno(l->err, 0, "%s", l->image);
	if (check_table(l, fd) < 0 ||
	    library(l,
		ext2fs_open2(l->image, NULL,
		    EXT2_FLAG_64BITS | EXT2_FLAG_SOFTSUPP_FEATURES, 0, 0,
		    unix_io_manager, &l->fs),
		"not an ext4 image") < 0 ||
	    count_blocks(l, fd, &blocks) < 0 ||
	    pieces_init(&l->pieces, blocks, l->err) < 0)
		return -1;
	/* Takes what is in it, and not what might be. */
	l->fs->default_bitmap_type = EXT2FS_BMAP64_RBTREE;
	return library(
	    l, ext2fs_allocate_inode_bitmap(l->fs, "seen", &l->seen), "inodes");
}

static void
look_close(struct look *l)
{
	free(l->stack);
	paths_release(&l->paths);
	seen_release(&l->names);
	buf_release(&l->path);
	buf_release(&l->same);
	pieces_release(&l->pieces);
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
	errcode_t found =
	    ext2fs_namei(l->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &number);

	if (found == EXT2_ET_FILE_NOT_FOUND)
		return err_set(l->err, EX_NOINPUT,
		    "%s: %s: No such file or directory", l->image, path);
	if (library(l, found, path) < 0 ||
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
