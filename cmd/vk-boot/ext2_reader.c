/* SPDX-License-Identifier: MIT */
/* ext2_reader.c - what is read from an ext4 image, by libext2fs */
#include "cmd/vk-boot/ext2_reader.h"

#include "common/io.h"

#include <dlfcn.h>
#include <et/com_err.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK 65536u

struct ext2_reader ext2;

static int
open_library(struct err *e)
{
	static const char *const names[] = {"libext2fs.so.2", "libext2fs.so"};
	void *handle = NULL;
	bool found = true;

	for (size_t i = 0; !handle && i < 2; i++)
		handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return err_set(e, EX_UNAVAILABLE, "libext2fs: %s", dlerror());
#define FIND(member, name)                                                     \
	found &= (ext2.member = dlsym(handle, #name)) != NULL;
	EXT2_FUNCTIONS(FIND)
	ext2.io = dlsym(handle, "unix_io_manager");
	if (!found || !ext2.io)
		return err_set(e, EX_UNAVAILABLE,
		    "libext2fs: functions are missing in it");
	return 0;
}

int
ext2_open_image(int fd, struct err *e)
{
	char path[64];
	errcode_t rc;

	if (open_library(e) < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	rc = ext2.open2(path, NULL, EXT2_FLAG_64BITS, 0, 0, *ext2.io, &ext2.fs);
	if (rc == 0)
		return 0;
	ext2.add_messages();
	return err_set(e, EX_DATAERR, "its ext4 file system cannot be read: %s",
	    ext2.message(rc));
}

/* Finds path and checks that it is of a type. */
static int
find(const char *path, mode_t type, ext2_ino_t *number, struct err *e)
{
	struct ext2_inode inode;

	if (ext2.namei(ext2.fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, number) ||
	    ext2.read_inode(ext2.fs, *number, &inode))
		return err_set(e, EX_NOINPUT, "%s: not in the image", path);
	if ((inode.i_mode & S_IFMT) != type)
		return err_set(e, EX_NOINPUT, "%s: not a %s", path,
		    type == S_IFDIR ? "folder" : "regular file");
	return 0;
}

/* ---- files -------------------------------------------------------------- */

static int
copy_open(ext2_file_t file, const char *name, uint64_t max, int to,
    uint64_t *size, struct err *e)
{
	static char block[BLOCK];
	__u64 len;
	unsigned got;

	if (ext2.file_size(file, &len))
		return err_set(e, EX_DATAERR, "%s: cannot be read", name);
	if (len > max)
		return err_set(e, EX_DATAERR, "%s: too large", name);
	for (__u64 done = 0; done < len; done += got) {
		if (ext2.file_read(file, block, BLOCK, &got) || got == 0)
			return err_set(
			    e, EX_DATAERR, "%s: cannot be read", name);
		if (io_write(to, block, got) < 0)
			return err_errno(e, EX_OSERR, "%s", name);
	}
	*size = len;
	return 0;
}

int
ext2_copy(ext2_ino_t number, const char *name, uint64_t max, int to,
    uint64_t *size, struct err *e)
{
	ext2_file_t file;
	int rc;

	if (ext2.file_open(ext2.fs, number, 0, &file))
		return err_set(e, EX_DATAERR, "%s: cannot be read", name);
	rc = copy_open(file, name, max, to, size, e);
	ext2.file_close(file);
	return rc;
}

int
ext2_file(const char *path, uint64_t max, int to, struct err *e)
{
	ext2_ino_t number;
	uint64_t size;

	if (find(path, S_IFREG, &number, e) < 0)
		return -1;
	return ext2_copy(number, path, max, to, &size, e);
}

/* ---- folders ------------------------------------------------------------ */

struct listing {
	int to;
	uint64_t left;
};

static int
list_entry(ext2_ino_t dir, int kind, struct ext2_dir_entry *entry, int offset,
    int block_size, char *block, void *private)
{
	struct listing *listing = private;
	size_t len = entry->name_len & 0xff;
	char line[EXT2_NAME_LEN + 2];

	(void)dir, (void)offset, (void)block_size, (void)block;
	if (kind != DIRENT_OTHER_FILE || memchr(entry->name, '\n', len) ||
	    memchr(entry->name, '\0', len))
		return 0;
	memcpy(line, entry->name, len);
	line[len] = '\n';
	if (len + 1 > listing->left || io_write(listing->to, line, len + 1) < 0)
		return DIRENT_ABORT;
	listing->left -= len + 1;
	return 0;
}

int
ext2_list(const char *path, uint64_t max, int to, struct err *e)
{
	struct listing listing = {.to = to, .left = max};
	ext2_ino_t number;

	if (find(path, S_IFDIR, &number, e) < 0)
		return -1;
	if (ext2.dir_iterate(ext2.fs, number, 0, NULL, list_entry, &listing))
		return err_set(e, EX_DATAERR, "%s: cannot be read", path);
	return 0;
}
