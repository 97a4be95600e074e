/* SPDX-License-Identifier: MIT */
#include "cmd/vk-boot/initramfs.h"

#include "tests/cmd/vk-boot/packed.h"

#include <stdio.h>
#include <sys/stat.h>

static uint8_t copy[65536];

static uint64_t
build(struct initramfs *fs, int user_fd)
{
	struct err e = ERR_INIT;
	int agent = file_with("agent's bytes", 13);

	initramfs_init(fs);
	if (initramfs_add_agent(fs, agent, &e) < 0)
		abort();
	initramfs_add(fs, "vk/config", 0644, "a b\n", 4);
	initramfs_add(fs, "vk/empty", 0600, NULL, 0);
	if (initramfs_finish(fs, user_fd, &e) < 0 ||
	    initramfs_size(fs) > sizeof(copy) ||
	    initramfs_copy(fs, copy, &e) < 0)
		abort();
	return initramfs_size(fs);
}

/* What another reader of the format finds in it. */
static void
expect(
    struct archive *archive, const char *path, mode_t mode, const char *content)
{
	struct archive_entry *entry;
	char text[64];
	ssize_t got;

	if (!ok(archive_read_next_header(archive, &entry) == ARCHIVE_OK,
		"an entry"))
		return;
	is_str(archive_entry_pathname(entry), path, "%s", path);
	is_int(archive_entry_mode(entry), mode, "its mode");
	ok(archive_entry_uid(entry) == 0 && archive_entry_gid(entry) == 0 &&
		archive_entry_mtime(entry) == 0,
	    "its owner and time");
	if (S_ISLNK(mode)) {
		is_str(archive_entry_symlink(entry), content, "its target");
		return;
	}
	got = archive_read_data(archive, text, sizeof(text));
	ok(got == (ssize_t)strlen(content) &&
		memcmp(text, content, strlen(content)) == 0,
	    "its content");
}

static void
test_archive(void)
{
	struct initramfs fs;
	struct archive *archive = archive_read_new();
	struct archive_entry *entry;
	uint64_t size = build(&fs, -1);

	archive_read_support_format_cpio(archive);
	ok(archive_read_open_memory(archive, copy, size) == ARCHIVE_OK,
	    "libarchive reads it");
	expect(archive, "vk", S_IFDIR | 0755, "");
	expect(archive, "init", S_IFLNK | 0777, "vk/agent");
	expect(archive, "vk/agent", S_IFREG | 0755, "agent's bytes");
	expect(archive, "vk/config", S_IFREG | 0644, "a b\n");
	expect(archive, "vk/empty", S_IFREG | 0600, "");
	ok(archive_read_next_header(archive, &entry) == ARCHIVE_EOF, "its end");
	archive_read_free(archive);
	is_int(size % 4, 0, "its length is a multiple of four");
	initramfs_release(&fs);
	initramfs_release(&fs);
}

static void
test_same(void)
{
	static uint8_t first[sizeof(copy)];
	struct initramfs fs;
	uint64_t size = build(&fs, -1);

	memcpy(first, copy, sizeof(first));
	initramfs_release(&fs);
	ok(build(&fs, -1) == size && memcmp(first, copy, size) == 0,
	    "the same files give the same bytes");
	initramfs_release(&fs);
}

static void
test_user(void)
{
	struct initramfs fs;
	struct err e = ERR_INIT;
	int fd = file_with("user's bytes", 12);
	uint64_t size = build(&fs, fd);

	ok(memcmp(copy + size - 12, "user's bytes", 12) == 0,
	    "the user's initrd follows");
	is_int((size - 12) % 4, 0, "where the kernel looks for it");
	if (ftruncate(fd, 3) < 0)
		abort();
	ok(initramfs_copy(&fs, copy, &e) < 0, "it became shorter");
	is_str(e.text, "initrd: became shorter while it was read", "is said");
	initramfs_release(&fs);
	initramfs_init(&fs);
	fd = file_with("user's bytes", 12);
	ok(initramfs_finish(&fs, fd, &e) == 0 && initramfs_size(&fs) == 12,
	    "the user's alone");
	initramfs_release(&fs);
	initramfs_init(&fs);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ok(initramfs_finish(&fs, fd, &e) < 0 && e.status == EX_NOINPUT,
	    "an initrd has to be a file");
	initramfs_release(&fs);
}

static void
test_limit(void)
{
	struct initramfs fs;
	struct err e = ERR_INIT;
	int fd = file_with("", 0);

	initramfs_init(&fs);
	if (ftruncate(fd, (off_t)INITRAMFS_MAX + 1) < 0)
		abort();
	ok(initramfs_add_file(&fs, "large", 0644, fd, &e) < 0 &&
		e.status == EX_DATAERR,
	    "a file that is too large");
	is_str(e.text, "initramfs: larger than 256 MiB", "is said");
	initramfs_release(&fs);
	initramfs_init(&fs);
	fs.archive.max = 1000;
	initramfs_add(&fs, "a", 0644, copy, 900);
	ok(initramfs_finish(&fs, -1, &e) < 0, "so is all of it");
	initramfs_release(&fs);
	close(fd);
}

int
main(void)
{
	test_archive();
	test_same();
	test_user();
	test_limit();
	return tap_done();
}
