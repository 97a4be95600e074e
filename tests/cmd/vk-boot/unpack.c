/* SPDX-License-Identifier: MIT */
#include "cmd/vk-boot/unpack.h"

#include "common/io.h"
#include "common/packed.h"
#include "tests/cmd/vk-boot/packed.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define LEN ((size_t)1 << 20)

static uint8_t plain[LEN], packed[2 * LEN], back[LEN + 1];
static char folder[] = "/tmp/vk-test-unpack.XXXXXX";

/* Something, a long gap, and noise that nothing packs. */
static void
fill_plain(void)
{
	uint32_t x = 1;

	for (size_t i = 0; i < 100; i++)
		plain[i] = (uint8_t)i;
	for (size_t i = LEN / 2 + 5; i < LEN - 9000; i++) {
		x = x * 1664525 + 1013904223;
		plain[i] = (uint8_t)(x >> 24);
	}
}

static bool
is_plain(int fd)
{
	return io_pread(fd, back, sizeof(back), 0) == (ssize_t)LEN &&
	       memcmp(back, plain, LEN) == 0;
}

static unsigned
count_files(void)
{
	DIR *dir = opendir(folder);
	unsigned count = 0;

	for (struct dirent *d; dir && (d = readdir(dir));)
		count += d->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return count;
}

static void
test_filter(const char *filter)
{
	size_t len = pack(filter, plain, LEN, packed + 7, sizeof(packed) - 7);
	struct err e = ERR_INIT;
	int fd, out;

	if (len == 0) {
		skip("libarchive cannot pack it", filter);
		return;
	}
	is_str(packed_format(packed + 7, len), filter, "%s is known", filter);
	fd = file_with(packed, len + 7);
	out = unpack_open(
	    &(struct unpack){
		.fd = fd, .offset = 7, .len = len, .max = LEN, .folder = ""},
	    &e);
	ok(out >= 0 && is_plain(out), "%s is unpacked", filter);
	close(out);
	out = unpack_open(&(struct unpack){.fd = fd,
			      .offset = 7,
			      .len = len,
			      .max = LEN - 1,
			      .folder = ""},
	    &e);
	ok(out < 0 && strstr(e.text, "unpacks to more than"),
	    "%s: more than allowed", filter);
	out = unpack_open(&(struct unpack){.fd = fd,
			      .offset = 7,
			      .len = len / 2,
			      .max = LEN,
			      .folder = ""},
	    &e);
	ok(out < 0 && e.status == EX_DATAERR, "%s: half of it", filter);
	close(fd);
}

static void
test_cache(void)
{
	size_t len = pack("gzip", plain, LEN, packed, sizeof(packed));
	struct unpack unpack = {.len = len, .max = LEN, .folder = folder};
	struct err e = ERR_INIT;
	char path[128];
	struct stat st;
	int out;

	snprintf(path, sizeof(path), "%s.packed", folder);
	file_at(path, packed, len);
	unpack.fd = open(path, O_RDONLY | O_CLOEXEC);
	out = unpack_open(&unpack, &e);
	ok(out >= 0 && is_plain(out), "unpacked into the cache");
	is_int(count_files(), 2, "the file and a link to it");
	ok(fstat(out, &st) == 0 && (st.st_mode & 0777) == 0400,
	    "nobody can write to it");
	ok(st.st_blocks * 512 < (off_t)LEN * 3 / 4, "and zeros are holes");
	close(out);
	/* The link is enough: with nothing to read, it is found all the same.
	 */
	unpack.max = 1;
	out = unpack_open(&unpack, &e);
	ok(out >= 0 && is_plain(out), "found without unpacking");
	close(out);
	close(unpack.fd);
	unpack.max = LEN;
	/* The same bytes elsewhere: the digest finds them. */
	unlink(path);
	file_at(path, packed, len);
	unpack.fd = open(path, O_RDONLY | O_CLOEXEC);
	unpack.max = 1;
	out = unpack_open(&unpack, &e);
	ok(out >= 0 && is_plain(out), "found by its digest");
	close(out);
	close(unpack.fd);
	unlink(path);
	/* A file without a name gets no link that nobody would ever find. */
	unpack.fd = file_with(packed, len);
	out = unpack_open(&unpack, &e);
	ok(out >= 0 && is_plain(out), "so is a file without a name");
	is_int(count_files(), 3, "one file, two links");
	close(out);
	close(unpack.fd);
}

/* Many at once, and a cache that cannot be written to. */
static void
test_contention(void)
{
	size_t len = pack("gzip", plain, LEN - 1, packed, sizeof(packed));
	struct unpack unpack = {.len = len, .max = LEN, .folder = folder};
	struct err e = ERR_INIT;
	int good = 0, status, out;

	unpack.fd = file_with(packed, len);
	for (int i = 0; i < 8; i++)
		if (fork() == 0)
			_exit(unpack_open(&unpack, &e) < 0);
	while (wait(&status) > 0)
		good += status == 0;
	is_int(good, 8, "eight at once");
	is_int(count_files(), 4, "leave one file");
	unpack.folder = "/dev/null/cache";
	out = unpack_open(&unpack, &e);
	ok(out >= 0 && io_pread(out, back, sizeof(back), 0) == LEN - 1,
	    "a cache that cannot be: kept in memory");
	close(out);
	close(unpack.fd);
}

int
main(void)
{
	static const char *const filters[] = {
	    "gzip", "bzip2", "lzma", "xz", "lz4", "zstd"};
	char command[128];

	if (!mkdtemp(folder))
		abort();
	fill_plain();
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		test_filter(filters[i]);
	ok(!packed_format("\x1f\x8b", 2), "too short to be anything");
	ok(!packed_format("hello!", 6), "nothing that is known");
	test_cache();
	test_contention();
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ok(system(command) == 0, "cleaned up");
	return tap_done();
}
