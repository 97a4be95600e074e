/* SPDX-License-Identifier: MIT */
#include "cmd/vk-boot/image.h"

#include "tests/tap.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILE_LEN ((off_t)1 << 20)

/* A file of zeros with the given bytes put in. */
struct put {
	size_t at;
	const char *bytes;
	size_t len;
};

static void
put(int fd, size_t at, const char *bytes, size_t len)
{
	if (pwrite(fd, bytes, len, (off_t)at) != (ssize_t)len)
		abort();
}

static int
file_of(off_t len, const struct put *puts, size_t count)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, len) < 0)
		abort();
	for (size_t i = 0; i < count; i++)
		put(fd, puts[i].at, puts[i].bytes, puts[i].len);
	return fd;
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* 256 blocks of 4096: all of FILE_LEN. */
static const struct put ext4[] = {
    {1024 + 0x04, "\x00\x01\x00\x00", 4},
    {1024 + 0x18, "\x02\x00\x00\x00", 4},
    {1024 + 0x38, "\x53\xef\x01\x00", 4},
    {1024 + 0x60, "\x42\x00\x00\x00", 4},
    {1024 + 0x68, "0123456789abcdef", 16},
    {1024 + 0x78, "root\033[2J", 8},
};

static void
test_ext4(void)
{
	struct image image;
	struct err e = ERR_INIT;
	int fd = file_of(FILE_LEN, ext4, COUNT(ext4));

	ok(image_identify(fd, &image, &e) == 0, "ext4");
	is_str(image_type_name(image.type), "ext4", "its name");
	is_int(image.size, FILE_LEN, "its size");
	is_int(image.block_size, 4096, "its block size");
	ok(memcmp(image.uuid, "0123456789abcdef", 16) == 0, "its UUID");
	is_str(image.label, "root?[2J", "its label, printable");
	ok(!image.needs_recovery && !image.errors && !image.read_only,
	    "it is clean");
	put(fd, 1024 + 0x60, "\x46", 1);
	put(fd, 1024 + 0x3a, "\x02", 1);
	ok(image_identify(fd, &image, &e) == 0 && image.needs_recovery &&
		image.errors,
	    "a journal to be played back, and errors");
	if (ftruncate(fd, FILE_LEN - 4096) < 0)
		abort();
	ok(image_identify(fd, &image, &e) < 0, "truncated");
	is_str(e.text,
	    "truncated: has 1044480 bytes, its ext4 file system needs 1048576",
	    "how much is missing");
	is_int(e.status, EX_DATAERR, "status");
	/* 64-bit: 2^32 blocks more */
	put(fd, 1024 + 0x60, "\xc2", 1);
	put(fd, 1024 + 0x150, "\x01", 1);
	ok(image_identify(fd, &image, &e) < 0 &&
		strstr(e.text, "17592187092992"),
	    "the high half of the block count");
	put(fd, 1024 + 0x150, "\xff\xff\xff\xff", 4);
	ok(image_identify(fd, &image, &e) < 0, "a size that overflows");
	put(fd, 1024 + 0x18, "\x07", 1);
	ok(image_identify(fd, &image, &e) < 0, "a block size of 128 KiB");
	is_str(e.text, "ext4: damaged superblock", "is damage");
	put(fd, 1024 + 0x18, "\x02", 1);
	put(fd, 1024 + 0x60, "\x08\x00", 2);
	ok(image_identify(fd, &image, &e) < 0, "a journal alone");
	close(fd);
}

static void
test_squashfs(void)
{
	static const struct put squashfs[] = {
	    {0, "hsqs", 4},
	    {12, "\x00\x00\x02\x00", 4},
	    {28, "\x04\x00", 2},
	    {40, "\x00\x00\x01\x00\x00\x00\x00\x00", 8},
	};
	struct image image;
	struct err e = ERR_INIT;
	int fd = file_of(FILE_LEN, squashfs, COUNT(squashfs));

	ok(image_identify(fd, &image, &e) == 0, "squashfs");
	ok(image.type == IMAGE_SQUASHFS && image.read_only &&
		image.size == 65536 && image.block_size == 131072,
	    "its values");
	put(fd, 40, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	ok(image_identify(fd, &image, &e) < 0, "a size of 2^64");
	put(fd, 28, "\x03", 1);
	ok(image_identify(fd, &image, &e) < 0, "version 3");
	is_str(e.text, "squashfs: version 3, not 4", "which is said");
	close(fd);
}

static void
test_erofs(void)
{
	static const struct put erofs[] = {
	    {1024, "\xe2\xe1\xf5\xe0", 4},
	    {1024 + 12, "\x0c", 1},
	    {1024 + 36, "\x10\x00\x00\x00", 4},
	    {1024 + 48, "0123456789abcdef", 16},
	    {1024 + 64, "volume", 6},
	};
	struct image image;
	struct err e = ERR_INIT;
	int fd = file_of(FILE_LEN, erofs, COUNT(erofs));

	ok(image_identify(fd, &image, &e) == 0, "erofs");
	ok(image.type == IMAGE_EROFS && image.read_only &&
		image.size == 65536 && image.block_size == 4096,
	    "its values");
	is_str(image.label, "volume", "its label");
	put(fd, 1024 + 12, "\x40", 1);
	ok(image_identify(fd, &image, &e) < 0, "a block size of 2^64");
	close(fd);
}

static void
other_is(const struct put *put, const char *expected)
{
	struct image image;
	struct err e = ERR_INIT;
	int fd = file_of(FILE_LEN, put, put ? 1 : 0);

	ok(image_identify(fd, &image, &e) < 0 && strstr(e.text, expected), "%s",
	    expected);
	close(fd);
}

int
main(void)
{
	struct image image;
	struct err e = ERR_INIT;
	int fd;

	test_ext4();
	test_squashfs();
	test_erofs();
	other_is(NULL, "no file system");
	other_is(&(struct put){257, "ustar", 5}, "a tar archive");
	other_is(&(struct put){0, "QFI\xfb", 4}, "a qcow2 image");
	other_is(&(struct put){0, "\x1f\x8b", 2}, "compressed (gzip)");
	other_is(&(struct put){0,
		     "\xfd"
		     "7zXZ",
		     6},
	    "compressed (xz)");
	other_is(&(struct put){510, "\x55\xaa", 2}, "a disk with partitions");
	fd = file_of(0, NULL, 0);
	ok(image_identify(fd, &image, &e) < 0, "an empty file");
	is_str(e.text, "empty", "is called that");
	close(fd);
	/* Every length up to the superblock's end: no read behind it. */
	fd = file_of(FILE_LEN, ext4, COUNT(ext4));
	for (off_t len = 2048; len > 0; len--)
		if (ftruncate(fd, len) < 0 ||
		    image_identify(fd, &image, &e) == 0)
			break;
		else if (len == 1)
			ok(1, "every truncation is refused");
	close(fd);
	return tap_done();
}
