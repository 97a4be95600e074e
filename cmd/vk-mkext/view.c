/* SPDX-License-Identifier: MIT */
/* view.c - one entry of an image that is being looked into */
#include "cmd/vk-mkext/view.h"

#include "cmd/vk-mkext/space.h"

#include <ext2fs/ext3_extents.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

/* Levels of an extent tree that Linux reads: more would be for more blocks than
 * there are numbers. */
#define DEPTH_MAX 5

int
view_error(errcode_t code, const char *what, struct err *e)
{
	if (!code)
		return 0;
	initialize_ext2_error_table(); /* its own words; once is enough */
	return err_set(e, EX_DATAERR, "%s: %s", what, error_message(code));
}

/* ---- what an inode says ------------------------------------------------- */

uint32_t
view_uid(const struct view *v)
{
	return v->raw.i_uid | (uint32_t)v->raw.osd2.linux2.l_i_uid_high << 16;
}

uint32_t
view_gid(const struct view *v)
{
	return v->raw.i_gid | (uint32_t)v->raw.osd2.linux2.l_i_gid_high << 16;
}

/* The inode is long enough for the rest of the time. */
static bool
has_extra(const struct view *v)
{
	return EXT2_INODE_SIZE(v->fs->super) > EXT2_GOOD_OLD_INODE_SIZE &&
	       inode_includes(EXT2_GOOD_OLD_INODE_SIZE + v->raw.i_extra_isize,
		   i_mtime_extra);
}

int64_t
view_seconds(const struct view *v)
{
	uint32_t epoch = has_extra(v) ? v->raw.i_mtime_extra & 3 : 0;

	return (int64_t)(int32_t)v->raw.i_mtime + ((int64_t)epoch << 32);
}

uint32_t
view_nanoseconds(const struct view *v)
{
	return has_extra(v) && v->raw.i_mtime_extra >> 2 < 1000000000
		   ? v->raw.i_mtime_extra >> 2
		   : 0;
}

dev_t
view_device(const struct view *v)
{
	uint32_t old = v->raw.i_block[0], new = v->raw.i_block[1];

	if (old)
		return makedev(old >> 8 & 0xff, old & 0xff);
	return makedev(new >> 8 & 0xfff, (new & 0xff) | (new >> 12 & 0xfff00));
}

bool
view_is_device(const struct view *v)
{
	return S_ISCHR(v->raw.i_mode) || S_ISBLK(v->raw.i_mode);
}

uint64_t
view_size(const struct view *v)
{
	return EXT2_I_SIZE(&v->raw);
}

/* A file's first bytes, as many as there must be. */
static int
read_file(const struct view *v, void *into, size_t size, struct err *e)
{
	ext2_file_t file;
	unsigned got = 0;
	errcode_t code = ext2fs_file_open(v->fs, v->inode, 0, &file);

	if (!code) {
		code = ext2fs_file_read(file, into, (unsigned)size, &got);
		ext2fs_file_close(file);
	}
	return view_error(code, v->path, e);
}

static int
read_target(struct view *v, struct err *e)
{
	struct ext2_inode *raw = (struct ext2_inode *)&v->raw;
	uint64_t size = view_size(v);
	bool fast = ext2fs_is_fast_symlink(raw);

	if (size == 0 || size >= (fast ? sizeof(raw->i_block) : BLOCK_SIZE))
		return err_set(
		    e, EX_DATAERR, "%s: a broken symbolic link", v->path);
	v->target = calloc(1, size + 1);
	if (!v->target)
		return err_set(e, EX_OSERR, "out of memory");
	if (!fast)
		return read_file(v, v->target, size, e);
	memcpy(v->target, raw->i_block, size);
	return 0;
}

/* The library would believe it, and take memory for each level. */
static bool
is_too_deep(const struct ext2_inode *raw)
{
	const struct ext3_extent_header *root =
	    (const struct ext3_extent_header *)raw->i_block;

	return raw->i_flags & EXT4_EXTENTS_FL && root->eh_depth > DEPTH_MAX;
}

int
view_open(struct view *v, struct err *e)
{
	struct ext2_inode *raw = (struct ext2_inode *)&v->raw;

	if (view_error(ext2fs_read_inode_full(
			   v->fs, v->inode, raw, (int)sizeof(v->raw)),
		v->path, e) < 0)
		return -1;
	if (is_too_deep(raw))
		return err_set(e, EX_DATAERR,
		    "%s: its tree of extents is broken", v->path);
	return S_ISLNK(raw->i_mode) ? read_target(v, e) : 0;
}

void
view_close(struct view *v)
{
	free(v->target);
	v->target = NULL;
}

/* ---- as a line ---------------------------------------------------------- */

static void
mode_text(uint16_t mode, char text[11])
{
	static const char types[] = "?pc?d?b?-?l?s???";
	static const char bits[] = "rwxrwxrwx";

	text[0] = types[mode >> 12];
	for (int i = 0; i < 9; i++)
		text[1 + i] = mode & 0400 >> i ? bits[i] : '-';
	if (mode & S_ISUID)
		text[3] = mode & 0100 ? 's' : 'S';
	if (mode & S_ISGID)
		text[6] = mode & 0010 ? 's' : 'S';
	if (mode & S_ISVTX)
		text[9] = mode & 0001 ? 't' : 'T';
	text[10] = 0;
}

/* Names are bytes: what is not printable is shown as \ooo, so that a line is
 * an entry and a terminal is safe. */
static void
print_name(const char *name)
{
	for (size_t odd = 0; *name; name++) {
		uint8_t c = (uint8_t)*name;

		if (odd == 0)
			odd = c == '\\' ? 1 : err_control(name);
		if (odd > 0) {
			printf("\\%03o", c);
			odd--;
		} else {
			putchar_unlocked(c);
		}
	}
}

int
view_print(const struct view *v)
{
	char mode[11], size[32], when[32] = "?";
	time_t seconds = view_seconds(v);
	struct tm tm;

	mode_text(v->raw.i_mode, mode);
	if (view_is_device(v))
		snprintf(size, sizeof(size), "%u,%u", major(view_device(v)),
		    minor(view_device(v)));
	else
		snprintf(size, sizeof(size), "%" PRIu64,
		    S_ISDIR(v->raw.i_mode) ? 0 : view_size(v));
	if (gmtime_r(&seconds, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	printf("%s %" PRIu32 "/%" PRIu32 " %s %s ", mode, view_uid(v),
	    view_gid(v), size, when);
	print_name(v->path);
	if (v->target || v->same) {
		printf("%s", v->same ? " link to " : " -> ");
		print_name(v->same ? v->same : v->target);
	}
	return putchar('\n') == EOF ? -1 : 0;
}
