/* SPDX-License-Identifier: MIT */
/* initramfs.c - the guest's first file system, made in memory */
#include "cmd/vk-boot/initramfs.h"

#include "common/io.h"
#include "common/scope.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* An initrd of the user's beyond this could not be loaded anyway. */
#define USER_MAX (3ull << 30)

#define AGENT "vk/agent"

void
initramfs_init(struct initramfs *fs)
{
	*fs = (struct initramfs){.agent_fd = -1, .user_fd = -1};
	buf_init(&fs->archive, INITRAMFS_MAX);
}

void
initramfs_release(struct initramfs *fs)
{
	buf_release(&fs->archive);
	fd_close(&fs->agent_fd);
	fd_close(&fs->user_fd);
}

/* Headers, names and data each begin at a multiple of 4. */
static void
pad(struct initramfs *fs)
{
	buf_add(
	    &fs->archive, "\0\0\0", -(fs->archive.len + fs->agent_size) & 3);
}

/* The header, "070701" and 13 numbers of 8 hexadecimal digits, and the name;
 * the data is the caller's. */
static void
add_header(struct initramfs *fs, const char *path, unsigned mode, size_t size)
{
	size_t name_size = strlen(path) + 1;
	unsigned links = S_ISDIR(mode) ? 2 : 1;

	buf_printf(&fs->archive,
	    "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x",
	    ++fs->count, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_size, 0);
	buf_add(&fs->archive, path, name_size);
	pad(fs);
}

void
initramfs_add_folder(struct initramfs *fs, const char *path)
{
	add_header(fs, path, S_IFDIR | 0755, 0);
}

void
initramfs_add(struct initramfs *fs, const char *path, unsigned mode,
    const void *data, size_t len)
{
	add_header(fs, path, S_IFREG | mode, len);
	buf_add(&fs->archive, data, len);
	pad(fs);
}

void
initramfs_add_link(struct initramfs *fs, const char *path, const char *target)
{
	add_header(fs, path, S_IFLNK | 0777, strlen(target));
	buf_puts(&fs->archive, target);
	pad(fs);
}

static int
too_large(struct err *e)
{
	return err_set(e, EX_DATAERR, "initramfs: larger than 256 MiB");
}

/* The size of a file that is to be in the archive. 0, -1. */
static int
find_size(int fd, const char *path, size_t *size, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_errno(e, EX_IOERR, "%s", path);
	if (st.st_size < 0 || (uint64_t)st.st_size > INITRAMFS_MAX)
		return too_large(e);
	*size = (size_t)st.st_size;
	return 0;
}

static int
read_all(int fd, const char *path, void *into, size_t size, struct err *e)
{
	ssize_t got = io_pread(fd, into, size, 0);

	if (got < 0)
		return err_errno(e, EX_IOERR, "%s", path);
	if ((size_t)got < size)
		return err_set(e, EX_DATAERR,
		    "%s: became shorter while it was read", path);
	return 0;
}

int
initramfs_add_file(struct initramfs *fs, const char *path, unsigned mode,
    int fd, struct err *e)
{
	size_t size;
	void *room;

	if (find_size(fd, path, &size, e) < 0)
		return -1;
	add_header(fs, path, S_IFREG | mode, size);
	room = buf_reserve(&fs->archive, size);
	if (!room)
		return too_large(e);
	if (read_all(fd, path, room, size, e) < 0)
		return -1;
	fs->archive.len += size;
	pad(fs);
	return 0;
}

int
initramfs_add_agent(struct initramfs *fs, int fd, struct err *e)
{
	size_t size;

	fs->agent_fd = fd;
	if (find_size(fd, AGENT, &size, e) < 0)
		return -1;
	initramfs_add_folder(fs, "vk");
	initramfs_add_link(fs, "init", AGENT);
	add_header(fs, AGENT, S_IFREG | 0755, size);
	fs->agent_at = fs->archive.len;
	fs->agent_size = size;
	pad(fs);
	return 0;
}

int
initramfs_finish(struct initramfs *fs, int user_fd, struct err *e)
{
	struct stat st;

	fs->user_fd = user_fd;
	if (fs->count > 0)
		add_header(fs, "TRAILER!!!", 0, 0);
	if (fs->archive.failed)
		return too_large(e);
	if (user_fd < 0)
		return 0;
	if (fstat(user_fd, &st) < 0)
		return err_errno(e, EX_IOERR, "initrd");
	if (!S_ISREG(st.st_mode))
		return err_set(e, EX_NOINPUT, "initrd: not a regular file");
	if ((uint64_t)st.st_size > USER_MAX)
		return err_set(e, EX_DATAERR, "initrd: larger than 3 GiB");
	fs->user_size = (uint64_t)st.st_size;
	return 0;
}

uint64_t
initramfs_size(const struct initramfs *fs)
{
	return fs->archive.len + fs->agent_size + fs->user_size;
}

int
initramfs_copy(const struct initramfs *fs, void *into, struct err *e)
{
	char *at = into;
	size_t before = fs->agent_at, behind = fs->archive.len - before;

	if (before > 0)
		memcpy(at, fs->archive.data, before);
	at += before;
	if (fs->agent_size > 0 &&
	    read_all(fs->agent_fd, AGENT, at, fs->agent_size, e) < 0)
		return -1;
	at += fs->agent_size;
	if (behind > 0)
		memcpy(at, fs->archive.data + before, behind);
	at += behind;
	return fs->user_size > 0
		   ? read_all(fs->user_fd, "initrd", at, fs->user_size, e)
		   : 0;
}
