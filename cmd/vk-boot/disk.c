/* SPDX-License-Identifier: MIT */
/* disk.c - what is behind a block device: a base, and an overlay over it */
#include "cmd/vk-boot/disk.h"

#include "cmd/vk-boot/qcow2/qcow2.h"

#include "common/cursor.h"
#include "common/io.h"
#include "common/scope.h"
#include "common/size.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#define PAGE           4096
#define HEADER_SIZE    PAGE
#define HEADER_MAGIC   "vk-overlay\n"
#define HEADER_VERSION 1

/* What tells one base from another, and from itself after somebody wrote to
 * it: its size, and the 4 KiB where ext4, xfs and the like have their
 * superblock with its UUID and the time of its last writing. */
#define IDENTITY_SIZE 4096

/* What a killed VM had asked io_uring for is ended by the kernel some time
 * after the process is, and its locks with it: that long, a disk is tried
 * again. */
#define LOCK_WAIT_MS 500
#define LOCK_TRY_MS  10

static int
lock_now(int fd, const char *path, bool write, struct err *e)
{
	if (flock(fd, (write ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return err_errno(e, EX_OSERR, "%s: lock", path);
	return err_set(e, EX_TEMPFAIL, "%s: in use by another VM%s", path,
	    write ? "" : " that writes it");
}

int
disk_lock(int fd, const char *path, bool write, struct err *e)
{
	const struct timespec pause = {.tv_nsec = LOCK_TRY_MS * 1000000L};
	int left_ms = LOCK_WAIT_MS;

	while (left_ms > 0 &&
	       flock(fd, (write ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0 &&
	       errno == EWOULDBLOCK) {
		nanosleep(&pause, NULL);
		left_ms -= LOCK_TRY_MS;
	}
	return lock_now(fd, path, write, e);
}

static int
file_size(int fd, const char *path, uint64_t *size, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_errno(e, 0, "%s", path);
	if (S_ISBLK(st.st_mode)) {
		if (ioctl(fd, BLKGETSIZE64, size) < 0)
			return err_errno(e, 0, "%s", path);
	} else if (S_ISREG(st.st_mode)) {
		*size = (uint64_t)st.st_size;
	} else {
		return err_set(e, EX_NOINPUT,
		    "%s: neither a file nor a block device", path);
	}
	*size -= *size % DISK_SECTOR;
	if (*size == 0)
		return err_set(e, EX_DATAERR, "%s: empty", path);
	return 0;
}

/* A file without a name, so that it ends with us: beside other temporary files
 * or, where that file system cannot, in memory. */
static int
open_unnamed(struct err *e)
{
	const char *folder = getenv("TMPDIR");
	int fd;

	if (!folder || !*folder)
		folder = "/var/tmp";
	fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		fd = memfd_create("vk-overlay", MFD_CLOEXEC);
	if (fd < 0)
		err_errno(e, EX_CANTCREAT, "overlay");
	return fd;
}

static uint64_t
map_bytes(uint64_t size)
{
	uint64_t clusters = (size + DISK_CLUSTER - 1) / DISK_CLUSTER;

	return (clusters / 8 + PAGE) / PAGE * PAGE;
}

static int
make_map(struct disk *disk, struct err *e)
{
	disk->map_size = map_bytes(disk->size);
	disk->map = mmap(NULL, disk->map_size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (disk->map == MAP_FAILED) {
		disk->map = NULL;
		return err_errno(e, EX_OSERR, "%s: overlay", disk->name);
	}
	if (!disk->kept)
		return 0;
	disk->dirty = calloc(disk->map_size / PAGE, 1);
	return disk->dirty ? 0 : err_errno(e, EX_OSERR, "overlay");
}

/* Where a range of the base lies. */
static struct disk_run
base_where(const struct disk *disk, uint64_t offset, uint64_t len)
{
	if (disk->image)
		return qcow2_where(disk->image, offset, len);
	return (struct disk_run){
	    .fd = disk->base,
	    .offset = offset,
	    .len = len,
	};
}

static int
read_base(const struct disk *disk, void *into, uint64_t offset, uint64_t len)
{
	uint8_t *to = into;

	while (len > 0) {
		struct disk_run run = base_where(disk, offset, len);

		if (disk_run_read(&run, to) < 0)
			return -1;
		to += run.len;
		offset += run.len;
		len -= run.len;
	}
	return 0;
}

/* The header that fits the base. */
static int
make_header(const struct disk *disk, uint8_t *header, struct err *e)
{
	struct writer w = writer_of(header, HEADER_SIZE);
	uint8_t identity[IDENTITY_SIZE] = {0};
	uint64_t len = disk->size < IDENTITY_SIZE ? disk->size : IDENTITY_SIZE;
	uint64_t sum = 0xcbf29ce484222325; /* FNV-1a, 64 bits */

	if (read_base(disk, identity, 0, len) < 0)
		return err_errno(e, EX_IOERR, "%s", disk->name);
	for (size_t i = 0; i < sizeof(identity); i++)
		sum = (sum ^ identity[i]) * 0x100000001b3;
	put_bytes(&w, HEADER_MAGIC, 12);
	put_le(&w, HEADER_VERSION, 4);
	put_le(&w, disk->size, 8);
	put_le(&w, DISK_CLUSTER, 8);
	put_le(&w, sum, 8);
	put_zeros(&w, w.left);
	return 0;
}

/* What an overlay has taken already counts. */
static void
count_taken(struct disk *disk)
{
	uint64_t taken = 0;

	if (disk->clusters_left == UINT64_MAX)
		return;
	for (uint64_t i = 0; i < disk->map_size / sizeof(*disk->map); i++)
		taken += (uint64_t)__builtin_popcountll(disk->map[i]);
	disk->clusters_left -=
	    taken < disk->clusters_left ? taken : disk->clusters_left;
}

static int
open_kept(struct disk *disk, const char *path, struct err *e)
{
	uint8_t header[HEADER_SIZE], found[HEADER_SIZE];
	struct stat st;

	disk->overlay = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (disk->overlay < 0)
		return err_errno(e, EX_CANTCREAT, "%s", path);
	if (disk_lock(disk->overlay, path, true, e) < 0)
		return -1;
	if (make_header(disk, header, e) < 0)
		return -1;
	if (fstat(disk->overlay, &st) < 0)
		return err_errno(e, 0, "%s", path);
	if (st.st_size == 0 &&
	    io_pwrite(disk->overlay, header, sizeof(header), 0) < 0)
		return err_errno(e, EX_CANTCREAT, "%s", path);
	if (io_pread(disk->overlay, found, sizeof(found), 0) != sizeof(found) ||
	    memcmp(found, header, 12) != 0)
		return err_set(e, EX_DATAERR, "%s: not an overlay", path);
	if (memcmp(found, header, sizeof(header)) != 0)
		return err_set(e, EX_DATAERR,
		    "%s: belongs to another image than %s", path, disk->name);
	/* New; or killed when it was, with its header and nothing more. */
	if (st.st_size <= HEADER_SIZE)
		return ftruncate(disk->overlay,
			   (off_t)(disk->data_start + disk->size)) < 0
			   ? err_errno(e, EX_CANTCREAT, "%s", path)
			   : 0;
	if (io_pread(disk->overlay, disk->map, disk->map_size, HEADER_SIZE) !=
	    (ssize_t)disk->map_size)
		return err_set(e, EX_DATAERR, "%s: truncated", path);
	count_taken(disk);
	return 0;
}

static int
open_overlay(struct disk *disk, const char *path, struct err *e)
{
	disk->kept = path != NULL;
	if (make_map(disk, e) < 0)
		return -1;
	if (disk->kept) {
		disk->data_start = HEADER_SIZE + disk->map_size;
		return open_kept(disk, path, e);
	}
	disk->overlay = open_unnamed(e);
	if (disk->overlay < 0)
		return -1;
	if (ftruncate(disk->overlay, (off_t)disk->size) < 0)
		return err_errno(e, EX_CANTCREAT, "overlay");
	return 0;
}

/* Without the page cache, what is moved has to fit the device's blocks: how
 * large they are, and whether there is such a thing at all, a read shows. */
static int
open_direct(struct disk *disk, const char *path, struct err *e)
{
	static uint8_t data[DISK_CLUSTER]
	    __attribute__((aligned(DISK_CLUSTER)));
	int flags = fcntl(disk->base, F_GETFL);

	disk->direct = fcntl(disk->base, F_SETFL, flags | O_DIRECT) == 0;
	if (disk->direct && pread(disk->base, data, DISK_SECTOR, 0) < 0) {
		disk->block_size = DISK_CLUSTER;
		disk->direct = pread(disk->base, data, DISK_CLUSTER, 0) >= 0;
	}
	if (!disk->direct) {
		err_errno(e, EX_USAGE, "%s: cache=none", path);
		return err_hint(e, "its file system has no such thing; leave "
				   "it to the page cache");
	}
	if (disk->size % disk->block_size == 0)
		return 0;
	return err_set(e, EX_DATAERR,
	    "%s: cache=none: not a whole number of blocks of %u bytes", path,
	    disk->block_size);
}

static int
open_raw(struct disk *disk, const struct disk_config *config, bool write,
    struct err *e)
{
	disk->base = open(
	    config->path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY);
	if (disk->base < 0)
		return err_errno(e, 0, "%s", config->path);
	if (file_size(disk->base, config->path, &disk->size, e) < 0 ||
	    disk_lock(disk->base, config->path, write, e) < 0)
		return -1;
	if (config->cache != DISK_NONE)
		return 0;
	return open_direct(disk, config->path, e);
}

static int
open_image(struct disk *disk, const struct disk_config *config, bool write,
    struct err *e)
{
	struct qcow2_config image = {
	    .path = config->path,
	    .write = write,
	    .any_backing = config->any_backing,
	    .unsafe = config->cache == DISK_UNSAFE,
	};

	disk->image = qcow2_open(&image, e);
	if (!disk->image)
		return -1;
	disk->size = qcow2_size(disk->image);
	return 0;
}

/* The end of a name that is too long. */
static void
set_name(struct disk *disk, const char *path)
{
	size_t len = strlen(path);

	snprintf(disk->name, sizeof(disk->name), "%s%s",
	    len < sizeof(disk->name) ? "" : "...",
	    path +
		(len < sizeof(disk->name) ? 0 : len + 4 - sizeof(disk->name)));
}

int
disk_take(
    struct disk *disk, int fd, const char *name, bool read_only, struct err *e)
{
	int flags;

	*disk = (struct disk){
	    .base = fd,
	    .overlay = -1,
	    .read_only = read_only,
	    .block_size = DISK_SECTOR,
	    .clusters_left = UINT64_MAX,
	};
	set_name(disk, name);
	if (file_size(fd, name, &disk->size, e) < 0)
		return -1;
	flags = fcntl(fd, F_GETFL);
	if (!read_only && (flags & O_ACCMODE) != O_RDWR)
		return err_set(e, EX_NOPERM, "%s: not opened to write", name);
	/* pwrite(2) would put all at its end. */
	if (!read_only && flags & O_APPEND)
		return err_set(e, EX_USAGE, "%s: opened to append", name);
	return lock_now(fd, name, !read_only, e);
}

int
disk_open(struct disk *disk, const struct disk_config *config, struct err *e)
{
	bool writes_base = config->write && !config->read_only;

	*disk = (struct disk){
	    .base = -1,
	    .overlay = -1,
	    .read_only = config->read_only,
	    .unsafe = config->cache == DISK_UNSAFE,
	    .block_size = DISK_SECTOR,
	    .clusters_left = config->overlay_max
				 ? config->overlay_max / DISK_CLUSTER
				 : UINT64_MAX,
	};
	set_name(disk, config->path);
	if (config->format == DISK_QCOW2
		? open_image(disk, config, writes_base, e)
		: open_raw(disk, config, writes_base, e))
		return -1;
	if (!writes_base && !config->read_only)
		return open_overlay(disk, config->overlay, e);
	return 0;
}

bool
disk_keeps(const struct disk *disk)
{
	return !disk->read_only && (disk->overlay < 0 || disk->kept);
}

void
disk_close(struct disk *disk)
{
	if (disk->kept && disk->overlay >= 0)
		disk_flush(disk);
	qcow2_close(disk->image);
	disk->image = NULL;
	fd_close(&disk->base);
	fd_close(&disk->overlay);
	if (disk->map)
		munmap(disk->map, disk->map_size);
	free(disk->dirty);
	disk->map = NULL;
	disk->dirty = NULL;
}

static bool
in_overlay(const struct disk *disk, uint64_t cluster)
{
	return disk->map[cluster / 64] >> cluster % 64 & 1;
}

/* How much of len, from offset on, is in the overlay, or is not. */
static uint64_t
alike(const struct disk *disk, uint64_t offset, uint64_t len, bool *over)
{
	uint64_t cluster = offset / DISK_CLUSTER, end;

	*over = in_overlay(disk, cluster);
	do
		end = ++cluster * DISK_CLUSTER;
	while (end - offset < len && in_overlay(disk, cluster) == *over);
	return end - offset < len ? end - offset : len;
}

struct disk_run
disk_where(const struct disk *disk, uint64_t offset, uint64_t len)
{
	bool over;

	if (disk->overlay < 0)
		return base_where(disk, offset, len);
	len = alike(disk, offset, len, &over);
	if (!over)
		return base_where(disk, offset, len);
	return (struct disk_run){
	    .fd = disk->overlay,
	    .offset = disk->data_start + offset,
	    .len = len,
	};
}

/* Copies the part of a cluster that a write will not fill. */
static int
copy_up(struct disk *disk, uint64_t from, uint64_t to)
{
	uint8_t data[DISK_CLUSTER];

	if (from >= to)
		return 0;
	if (read_base(disk, data, from, to - from) < 0)
		return -1;
	return io_pwrite(
	    disk->overlay, data, to - from, disk->data_start + from);
}

/* How many of them are not in the overlay yet. */
static uint64_t
new_clusters(const struct disk *disk, uint64_t first, uint64_t last)
{
	uint64_t count = 0;

	for (uint64_t c = first; c <= last; c++)
		count += !in_overlay(disk, c);
	return count;
}

int
disk_prepare(
    struct disk *disk, uint64_t offset, uint64_t len, struct disk_run *run)
{
	uint64_t first = offset / DISK_CLUSTER;
	uint64_t last = (offset + len - 1) / DISK_CLUSTER;
	uint64_t end = (last + 1) * DISK_CLUSTER;

	if (end > disk->size)
		end = disk->size;
	if (disk->overlay < 0 && disk->image)
		return qcow2_prepare(disk->image, offset, len, run);
	*run = (struct disk_run){
	    .fd = disk->base,
	    .offset = offset,
	    .len = len,
	};
	if (disk->overlay < 0)
		return 0;
	if (last - first >= disk->clusters_left &&
	    new_clusters(disk, first, last) > disk->clusters_left) {
		errno = ENOSPC;
		return -1;
	}
	run->fd = disk->overlay;
	run->offset = disk->data_start + offset;
	if (!in_overlay(disk, first) &&
	    copy_up(disk, first * DISK_CLUSTER, offset) < 0)
		return -1;
	if (!in_overlay(disk, last) && copy_up(disk, offset + len, end) < 0)
		return -1;
	return 0;
}

int
disk_written(struct disk *disk, uint64_t offset, uint64_t len)
{
	uint64_t last = (offset + len - 1) / DISK_CLUSTER;

	if (disk->overlay < 0)
		return disk->image ? qcow2_written(disk->image, offset, len)
				   : 0;
	for (uint64_t c = offset / DISK_CLUSTER; c <= last; c++) {
		if (in_overlay(disk, c))
			continue;
		disk->map[c / 64] |= 1ull << c % 64;
		if (disk->clusters_left > 0)
			disk->clusters_left--;
		if (disk->dirty)
			disk->dirty[c / 8 / PAGE] = 1;
	}
	return 0;
}

int
disk_zero(struct disk *disk, uint64_t offset, uint64_t len, bool unmap)
{
	struct disk_run run;

	if (len == 0)
		return 0;
	if (disk->overlay < 0 && disk->image)
		return qcow2_zero(disk->image, offset, len);
	if (disk_prepare(disk, offset, len, &run) < 0)
		return -1;
	/* A throw-away overlay only ever has holes: nobody will miss room that
	 * was not reserved. */
	if (disk->overlay >= 0 && !disk->kept)
		unmap = true;
	if (disk_run_zero(run.fd, run.offset, len, unmap) < 0)
		return -1;
	return disk_written(disk, offset, len);
}

int
disk_discard(struct disk *disk, uint64_t offset, uint64_t len)
{
	if (disk->overlay < 0)
		return disk_zero(disk, offset, len, true);
	while (len > 0) {
		bool over;
		uint64_t part = alike(disk, offset, len, &over);

		if (over && disk_run_zero(disk->overlay,
				disk->data_start + offset, part, true) < 0)
			return -1;
		offset += part;
		len -= part;
	}
	return 0;
}

/* Writes the pages of bits that changed. */
static int
write_map(struct disk *disk)
{
	bool any = false;

	for (uint64_t page = 0; page < disk->map_size / PAGE; page++) {
		if (!disk->dirty[page])
			continue;
		if (io_pwrite(disk->overlay,
			(const uint8_t *)disk->map + page * PAGE, PAGE,
			HEADER_SIZE + page * PAGE) < 0)
			return -1;
		disk->dirty[page] = 0;
		any = true;
	}
	return any && !disk->unsafe ? fdatasync(disk->overlay) : 0;
}

int
disk_flush(struct disk *disk)
{
	if (disk->read_only)
		return 0;
	if (disk->overlay < 0 && disk->image)
		return qcow2_flush(disk->image);
	if (disk->overlay < 0)
		return disk->unsafe ? 0 : fdatasync(disk->base);
	if (!disk->kept)
		return 0; /* it will not outlive us */
	if (!disk->unsafe && fdatasync(disk->overlay) < 0)
		return -1;
	return write_map(disk);
}

int
disk_sync_only(const struct disk *disk)
{
	bool raw = disk->overlay < 0 && !disk->image;

	return raw && !disk->unsafe && !disk->read_only ? disk->base : -1;
}
