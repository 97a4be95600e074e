/* SPDX-License-Identifier: MIT */
/* Disks against a plain array: the same writes, the same reads. */
#include "cmd/vk-boot/disk.h"

#include "common/io.h"
#include "common/scope.h"

#include "tests/tap.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Not a whole number of clusters: the last one is cut. */
#define SIZE (37 * DISK_CLUSTER + 3 * DISK_SECTOR)

static char folder[] = "/tmp/vk-disk.XXXXXX";
static char base_path[64], overlay_path[64], other_path[64];
static uint8_t base[SIZE], model[SIZE], seen[SIZE];
static struct err e;

/* A repeatable sequence (xorshift). */
static uint32_t
next(void)
{
	static uint32_t x = 2463534242;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

static void
write_file(const char *path, const void *data, size_t len)
{
	cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ok(fd >= 0 && io_write(fd, data, len) == 0, "%s is made", path);
}

static int
open_disk(struct disk *disk, const char *overlay, bool write, bool read_only)
{
	struct disk_config config = {
	    .path = base_path,
	    .overlay = overlay,
	    .write = write,
	    .read_only = read_only,
	};

	e = (struct err)ERR_INIT;
	return disk_open(disk, &config, &e);
}

static int
read_range(struct disk *disk, uint64_t offset, uint64_t len)
{
	while (len > 0) {
		struct disk_run run = disk_where(disk, offset, len);

		if (run.len == 0 || run.len > len ||
		    io_pread(run.fd, seen + offset, run.len, run.offset) !=
			(ssize_t)run.len)
			return -1;
		offset += run.len;
		len -= run.len;
	}
	return 0;
}

static int
write_range(struct disk *disk, uint64_t offset, uint64_t len)
{
	struct disk_run run;

	for (uint64_t i = 0; i < len; i++)
		model[offset + i] = (uint8_t)next();
	if (disk_prepare(disk, offset, len, &run) < 0 || run.len != len ||
	    io_pwrite(run.fd, model + offset, len, run.offset) < 0)
		return -1;
	disk_written(disk, offset, len);
	return 0;
}

static bool
same(struct disk *disk)
{
	return read_range(disk, 0, SIZE) == 0 && memcmp(seen, model, SIZE) == 0;
}

/* A few hundred operations at random places. */
static bool
exercise(struct disk *disk)
{
	for (int i = 0; i < 400; i++) {
		uint64_t sectors = SIZE / DISK_SECTOR;
		uint64_t first = next() % sectors;
		uint64_t count = 1 + next() % 40;
		uint64_t offset = first * DISK_SECTOR, len;

		if (count > sectors - first)
			count = sectors - first;
		len = count * DISK_SECTOR;
		switch (next() % 4) {
		case 0:
			memset(model + offset, 0, len);
			if (disk_zero(disk, offset, len, next() & 1) < 0)
				return false;
			break;
		case 1:
			if (read_range(disk, offset, len) < 0 ||
			    memcmp(seen + offset, model + offset, len) != 0)
				return false;
			break;
		default:
			if (write_range(disk, offset, len) < 0)
				return false;
		}
	}
	return same(disk);
}

static bool
base_unchanged(void)
{
	cleanup_fd int fd = open(base_path, O_RDONLY);

	return io_pread(fd, seen, SIZE, 0) == SIZE &&
	       memcmp(seen, base, SIZE) == 0;
}

static void
test_throw_away(void)
{
	struct disk disk;

	memcpy(model, base, SIZE);
	is_int(open_disk(&disk, NULL, false, false), 0, "throw-away overlay");
	is_int(disk.size, SIZE, "the size of the base");
	ok(same(&disk), "reads the base");
	ok(exercise(&disk), "reads what was written");
	is_int(disk_flush(&disk), 0, "flush");
	disk_close(&disk);
	disk_close(&disk);
	ok(base_unchanged(), "the base is unchanged");
}

static void
test_kept(void)
{
	struct disk disk, second;

	memcpy(model, base, SIZE);
	is_int(open_disk(&disk, overlay_path, false, false), 0, "an overlay");
	ok(exercise(&disk), "reads what was written");
	ok(open_disk(&second, overlay_path, false, false) < 0 &&
		e.status == EX_TEMPFAIL,
	    "only one uses it");
	disk_close(&second);
	disk_close(&disk);
	ok(base_unchanged(), "the base is unchanged");

	is_int(open_disk(&disk, overlay_path, false, false), 0, "again");
	ok(same(&disk), "what was written is still there");
	ok(exercise(&disk), "and can be written on");
	is_int(disk_flush(&disk), 0, "flush");
	/* As after kill -9: nothing more is put in order. */
	is_int(open_disk(&second, NULL, false, true), 0, "others may read");
	disk_close(&second);
	fd_close(&disk.overlay);
	disk_close(&disk);
	is_int(open_disk(&disk, overlay_path, false, false), 0, "after a kill");
	ok(same(&disk), "what was flushed is there");
	disk_close(&disk);
	/* Killed when it had just been made, with its first page. */
	if (truncate(overlay_path, 4096) < 0)
		perror(overlay_path);
	memcpy(model, base, SIZE);
	ok(open_disk(&disk, overlay_path, false, false) == 0,
	    "an overlay that was begun is begun anew %s", e.text);
	ok(same(&disk) && exercise(&disk), "and can be written on");
	disk_close(&disk);
}

/* fstrim(8) over all of a disk whose overlay has a limit. */
static void
test_discard(void)
{
	struct disk_config config = {
	    .path = base_path,
	    .overlay_max = 4 * DISK_CLUSTER,
	};
	struct disk disk;
	struct stat st;

	e = (struct err)ERR_INIT;
	memcpy(model, base, SIZE);
	is_int(disk_open(&disk, &config, &e), 0, "a limit of four clusters");
	ok(write_range(&disk, 0, 2 * DISK_CLUSTER) == 0, "two are written");
	is_int(disk_discard(&disk, 0, SIZE), 0, "all is discarded");
	ok(fstat(disk.overlay, &st) == 0 && st.st_blocks < 16,
	    "their room is given back");
	memset(model, 0, 2 * DISK_CLUSTER);
	ok(same(&disk), "and nothing else has changed");
	ok(write_range(&disk, 8 * DISK_CLUSTER, 2 * DISK_CLUSTER) == 0,
	    "two others are written");
	ok(write_range(&disk, 16 * DISK_CLUSTER, DISK_CLUSTER) < 0 &&
		errno == ENOSPC,
	    "and that was it");
	disk_close(&disk);
}

static void
test_refusals(void)
{
	struct disk disk, second;
	struct disk_config other = {
	    .path = other_path,
	    .overlay = overlay_path,
	};

	base[2000] ^= 1;
	write_file(other_path, base, SIZE);
	base[2000] ^= 1;
	ok(disk_open(&disk, &other, &e) < 0 && e.status == EX_DATAERR,
	    "an overlay of another base");
	disk_close(&disk);
	ok(open_disk(&disk, base_path, false, false) < 0, "no overlay at all");
	disk_close(&disk);
	write_file(other_path, "x", 1);
	ok(disk_open(&disk, &other, &e) < 0 && e.status == EX_DATAERR,
	    "shorter than a sector");
	disk_close(&disk);
	other.path = "/dev/null";
	ok(disk_open(&disk, &other, &e) < 0, "not a disk");
	disk_close(&disk);
	other.path = "/nonexistent";
	ok(disk_open(&disk, &other, &e) < 0 && e.status == EX_NOINPUT,
	    "not there");
	disk_close(&disk);

	is_int(open_disk(&disk, NULL, true, false), 0, "for writing");
	ok(open_disk(&second, NULL, false, true) < 0 && e.status == EX_TEMPFAIL,
	    "nobody reads meanwhile");
	disk_close(&second);
	memcpy(model, base, SIZE);
	ok(exercise(&disk), "the base itself is written");
	disk_close(&disk);
	memcpy(base, model, SIZE);
	ok(base_unchanged(), "and has it");
}

/* Opened by somebody else, who did not mean a disk. */
static void
test_given(void)
{
	struct disk disk;
	int flags = O_CLOEXEC;

	ok(disk_take(&disk, open(base_path, flags | O_RDWR | O_APPEND), "it",
	       false, &e) < 0 &&
		e.status == EX_USAGE,
	    "a file that is written at its end is no disk: %s", e.text);
	disk_close(&disk);
	ok(disk_take(
	       &disk, open(base_path, flags | O_RDONLY), "it", false, &e) < 0,
	    "nor one that is only read");
	disk_close(&disk);
	is_int(disk_take(&disk, open(base_path, flags | O_RDONLY | O_APPEND),
		   "it", true, &e),
	    0, "but to read");
	disk_close(&disk);
}

/* One that is let go of a moment later, as by a VM that was killed. */
static void
test_lock_waits(void)
{
	struct disk held, disk;
	pid_t pid;
	int status;

	is_int(open_disk(&held, NULL, true, false), 0, "a VM has it");
	pid = fork(); /* the lock is of the copy as well */
	if (pid == 0) {
		usleep(20000);
		_exit(0);
	}
	disk_close(&held);
	is_int(
	    open_disk(&disk, NULL, true, false), 0, "whose end is waited for");
	disk_close(&disk);
	ok(waitpid(pid, &status, 0) == pid, "and that was it");
}

int
main(void)
{
	if (!mkdtemp(folder))
		return 1;
	snprintf(base_path, sizeof(base_path), "%s/base", folder);
	snprintf(overlay_path, sizeof(overlay_path), "%s/overlay", folder);
	snprintf(other_path, sizeof(other_path), "%s/other", folder);
	for (size_t i = 0; i < SIZE; i++)
		base[i] = (uint8_t)next();
	write_file(base_path, base, SIZE);

	test_throw_away();
	test_kept();
	test_discard();
	test_refusals();
	test_lock_waits();
	test_given();

	unlink(base_path);
	unlink(overlay_path);
	unlink(other_path);
	rmdir(folder);
	return tap_done();
}
