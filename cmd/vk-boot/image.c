/* SPDX-License-Identifier: MIT */
/* image.c - what file system an image is, by its superblock */
#include "cmd/vk-boot/image.h"

#include "common/cursor.h"
#include "common/io.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

/* All superblocks lie in the first two pages. */
#define START_LEN  8192
#define SUPERBLOCK 1024 /* of ext4 and of erofs */

struct start {
	uint8_t bytes[START_LEN];
	size_t len;
};

const char *
image_type_name(enum image_type type)
{
	static const char *const names[] = {
	    [IMAGE_EXT4] = "ext4",
	    [IMAGE_SQUASHFS] = "squashfs",
	    [IMAGE_EROFS] = "erofs",
	};

	return names[type];
}

static struct cursor
cursor_at(const struct start *start, size_t at)
{
	struct cursor c = cursor_of(start->bytes, start->len);

	get_bytes(&c, at);
	return c;
}

/* A little-endian number; 0 behind the end. */
static uint64_t
number(const struct start *start, size_t at, size_t width)
{
	struct cursor c = cursor_at(start, at);

	return get_le(&c, width);
}

static bool
bytes_are(
    const struct start *start, size_t at, const char *expected, size_t len)
{
	struct cursor c = cursor_at(start, at);
	const uint8_t *got = get_bytes(&c, len);

	return got && memcmp(got, expected, len) == 0;
}

static void
take(const struct start *start, size_t at, void *into, size_t len)
{
	struct cursor c = cursor_at(start, at);
	const uint8_t *got = get_bytes(&c, len);

	if (got)
		memcpy(into, got, len);
}

/* ---- the file systems --------------------------------------------------- */

static int
damaged(const char *what, struct err *e)
{
	return err_set(e, EX_DATAERR, "%s: damaged superblock", what);
}

static int
read_ext4(const struct start *start, struct image *image, struct err *e)
{
	/* s_feature_incompat */
	enum { RECOVER = 0x4, JOURNAL_DEV = 0x8, SIXTY_FOUR = 0x80 };
	const size_t sb = SUPERBLOCK;
	uint64_t blocks = number(start, sb + 0x04, 4);
	uint64_t log_size = number(start, sb + 0x18, 4);
	uint64_t incompat = number(start, sb + 0x60, 4);

	if (incompat & SIXTY_FOUR)
		blocks |= number(start, sb + 0x150, 4) << 32;
	if (log_size > 6 || blocks == 0 || blocks > UINT64_MAX >> 17)
		return damaged("ext4", e);
	if (incompat & JOURNAL_DEV)
		return err_set(
		    e, EX_DATAERR, "ext4: a journal of another file system");
	image->type = IMAGE_EXT4;
	image->block_size = 1024u << log_size;
	image->size = blocks * image->block_size;
	image->needs_recovery = incompat & RECOVER;
	image->errors = number(start, sb + 0x3a, 2) & 2;
	take(start, sb + 0x68, image->uuid, sizeof(image->uuid));
	take(start, sb + 0x78, image->label, 16);
	return 0;
}

static int
read_squashfs(const struct start *start, struct image *image, struct err *e)
{
	uint64_t block_size = number(start, 12, 4);
	uint64_t major = number(start, 28, 2);

	if (major != 4)
		return err_set(e, EX_DATAERR, "squashfs: version %u, not 4",
		    (unsigned)major);
	if (block_size < 4096 || block_size > 1 << 20 ||
	    (block_size & (block_size - 1)) != 0)
		return damaged("squashfs", e);
	image->type = IMAGE_SQUASHFS;
	image->read_only = true;
	image->block_size = (uint32_t)block_size;
	image->size = number(start, 40, 8);
	return 0;
}

static int
read_erofs(const struct start *start, struct image *image, struct err *e)
{
	const size_t sb = SUPERBLOCK;
	uint64_t log_size = number(start, sb + 12, 1);

	if (log_size < 9 || log_size > 16)
		return damaged("erofs", e);
	image->type = IMAGE_EROFS;
	image->read_only = true;
	image->block_size = 1u << log_size;
	image->size = number(start, sb + 36, 4) << log_size;
	take(start, sb + 48, image->uuid, sizeof(image->uuid));
	take(start, sb + 64, image->label, 16);
	return 0;
}

/* ---- what else it may be ------------------------------------------------ */

static int
explain(const struct start *start, struct err *e)
{
	static const struct {
		size_t at;
		size_t len;
		const char *magic;
		const char *name;
		const char *hint;
	} others[] = {
	    {257, 5, "ustar", "a tar archive",
		"vk-mkext makes an image of it: vk-mkext < FILE > root.ext4"},
	    {0, 4, "QFI\xfb", "a qcow2 image",
		"qemu-img convert -O raw makes a plain one of it"},
	    {512, 8, "EFI PART", "a disk with partitions",
		"the file system in one of them is wanted"},
	    {0, 2, "\x1f\x8b", "compressed (gzip)", "unpack it first"},
	    {0, 6,
		"\xfd"
		"7zXZ",
		"compressed (xz)", "unpack it first"},
	    {0, 4, "\x28\xb5\x2f\xfd", "compressed (zstd)", "unpack it first"},
	    {0, 4,
		"\x7f"
		"ELF",
		"a program or a kernel", "a kernel is given with -k"},
	    {0x202, 4, "HdrS", "a kernel", "a kernel is given with -k"},
	    {0, 6, "070701", "an initrd", "an initrd is given with -i"},
	    {0, 4, "XFSB", "an XFS file system", ""},
	    {510, 2, "\x55\xaa", "a disk with partitions",
		"the file system in one of them is wanted"},
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (!bytes_are(
			start, others[i].at, others[i].magic, others[i].len))
			continue;
		err_set(e, EX_DATAERR,
		    "%s, not an image of ext4, squashfs or erofs",
		    others[i].name);
		return others[i].hint[0] ? err_hint(e, "%s", others[i].hint)
					 : -1;
	}
	return err_set(
	    e, EX_DATAERR, "no file system: neither ext4, squashfs nor erofs");
}

/* ---- the file ----------------------------------------------------------- */

static int
size_of(int fd, uint64_t *size, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_errno(e, EX_IOERR, "stat");
	if (S_ISREG(st.st_mode)) {
		*size = (uint64_t)st.st_size;
		return 0;
	}
	if (S_ISBLK(st.st_mode))
		return ioctl(fd, BLKGETSIZE64, size) < 0
			   ? err_errno(e, EX_IOERR, "size")
			   : 0;
	if (S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		return err_errno(e, EX_NOINPUT, "read");
	}
	return err_set(
	    e, EX_NOINPUT, "neither a regular file nor a block device");
}

int
image_identify(int fd, struct image *image, struct err *e)
{
	struct start start;
	ssize_t got;
	int rc;

	*image = (struct image){.fd = fd};
	if (size_of(fd, &image->file_size, e) < 0)
		return -1;
	if (image->file_size == 0)
		return err_set(e, EX_DATAERR, "empty");
	got = io_pread(fd, start.bytes, sizeof(start.bytes), 0);
	if (got < 0)
		return err_errno(e, EX_IOERR, "read");
	start.len = (size_t)got;
	if (number(&start, SUPERBLOCK + 0x38, 2) == 0xef53)
		rc = read_ext4(&start, image, e);
	else if (number(&start, SUPERBLOCK, 4) == 0xe0f5e1e2)
		rc = read_erofs(&start, image, e);
	else if (number(&start, 0, 4) == 0x73717368)
		rc = read_squashfs(&start, image, e);
	else
		return explain(&start, e);
	if (rc < 0)
		return -1;
	err_printable(image->label);
	if (image->size > image->file_size)
		return err_set(e, EX_DATAERR,
		    "truncated: has %ju bytes, its %s file system needs %ju",
		    (uintmax_t)image->file_size, image_type_name(image->type),
		    (uintmax_t)image->size);
	return 0;
}
