/* SPDX-License-Identifier: MIT */
/* tar.c - tar streams to a tree's records and back */
#include "cmd/vk-exec/tar.h"

#include "tests/tap.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static char told[ERR_TEXT_MAX];

static void
tell(const struct err *e)
{
	snprintf(told, sizeof(told), "%s", e->text);
}

static int
memory(const void *bytes, size_t len)
{
	int fd = memfd_create("tar", MFD_CLOEXEC);

	if (write(fd, bytes, len) != (ssize_t)len)
		perror("memfd");
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void
seal(uint8_t *at)
{
	unsigned sum = 0;

	memset(at + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += at[i];
	snprintf((char *)at + 148, 8, "%06o", sum & 0777777);
}

/* A header of ustar. size is told, data is not added. */
static size_t
header(uint8_t *at, char kind, const char *name, size_t size)
{
	memset(at, 0, 512);
	snprintf((char *)at, 100, "%s", name);
	memcpy(at + 100, "0000640", 8);
	memcpy(at + 108, "0001750", 8);
	memcpy(at + 116, "0001750", 8);
	snprintf((char *)at + 124, 12, "%011zo", size);
	memcpy(at + 136, "07236343362", 12);
	at[156] = (uint8_t)kind;
	memcpy(at + 257, "ustar\00000", 8);
	seal(at);
	return 512;
}

/* Reads a tar. The result of tar_read; *out holds the records. */
static int
read_tar(const void *bytes, size_t len, int *out, struct err *e)
{
	struct tree_writer writer;
	int in = memory(bytes, len), status;

	*out = memfd_create("tree", MFD_CLOEXEC);
	*e = (struct err)ERR_INIT;
	told[0] = '\0';
	tree_writer_init(&writer, *out);
	status = tar_read(in, &writer, tell, e);
	tree_writer_release(&writer);
	close(in);
	lseek(*out, 0, SEEK_SET);
	return status;
}

static void
test_members(void)
{
	static uint8_t tar[8192];
	struct tree_reader reader;
	struct tree_record r;
	struct err e;
	size_t len = 0;
	int out;

	len += header(tar + len, '5', "dir/", 0);
	len += header(tar + len, '0', "./dir/file", 5);
	memcpy(tar + len, "12345", 5);
	len += 512;
	is_int(read_tar(tar, len + 1024, &out, &e), 0, "a tar is read");
	tree_reader_init(&reader, out);
	is_int(tree_next(&reader, &r, &e), 1, "a record");
	ok(r.type == TREE_ENTRY && r.entry.kind == TREE_DIR &&
		strcmp(r.entry.path, "dir") == 0,
	    "a directory");
	is_int(tree_next(&reader, &r, &e), 1, "another");
	ok(r.type == TREE_ENTRY && r.entry.kind == TREE_FILE &&
		strcmp(r.entry.path, "dir/file") == 0 && r.entry.size == 5,
	    "a file");
	ok(r.entry.mode == 0640 && r.entry.uid == 1000 && r.entry.gid == 1000 &&
		r.entry.seconds == 981059314,
	    "mode, owner and time");
	is_int(tree_next(&reader, &r, &e), 1, "its data");
	ok(r.type == TREE_DATA && r.len == 5 && memcmp(r.data, "12345", 5) == 0,
	    "whole");
	is_int(tree_next(&reader, &r, &e), 1, "its end");
	is_int(r.type, TREE_CLOSE, "is one");
	is_int(tree_next(&reader, &r, &e), 0, "and that of all");
	tree_reader_release(&reader);
	close(out);
}

static void
test_bad(void)
{
	static uint8_t tar[4096];
	struct err e;
	size_t len;
	int out;

	len = header(tar, '0', "file", 5000);
	ok(read_tar(tar, len + 512, &out, &e) < 0, "cut off: %s", e.text);
	close(out);
	header(tar, '0', "file", 0);
	tar[0]++;
	ok(read_tar(tar, len + 1024, &out, &e) < 0, "a wrong sum: %s", e.text);
	close(out);
	memset(tar, 'x', sizeof(tar));
	ok(read_tar(tar, sizeof(tar), &out, &e) < 0, "no tar: %s", e.text);
	close(out);
	memset(tar, 0, sizeof(tar));
	header(tar, '0', "../../etc/passwd", 0);
	ok(read_tar(tar, 1536, &out, &e) != 0, "a way out: %s%s", told, e.text);
	close(out);
	memset(tar, 0, sizeof(tar));
	len = header(tar, '0', "file", 512);
	ok(read_tar(tar, len + 512, &out, &e) < 0, "no end mark: %s", e.text);
	close(out);
	header(tar, '7' + 1, "odd", 0);
	is_int(read_tar(tar, len + 1024, &out, &e), 0,
	    "of a type that nobody knows: a file, as POSIX has it");
	close(out);
}

/* The old form: where the one piece lies, and how large the file is, is told
 * in the header. */
static void
test_sparse(void)
{
	static uint8_t tar[2048];
	struct tree_reader reader;
	struct tree_record r;
	struct err e;
	int out;

	header(tar, 'S', "sparse", 512);
	snprintf((char *)tar + 386, 12, "%011o", 4096);
	snprintf((char *)tar + 398, 12, "%011o", 512);
	snprintf((char *)tar + 483, 12, "%011o", 9000);
	seal(tar);
	memset(tar + 512, 'x', 512);
	is_int(read_tar(tar, sizeof(tar), &out, &e), 0, "GNU's sparse member");
	tree_reader_init(&reader, out);
	ok(tree_next(&reader, &r, &e) == 1 && r.entry.size == 9000,
	    "as large as the file");
	ok(tree_next(&reader, &r, &e) == 1 && r.type == TREE_DATA &&
		r.offset == 4096 && r.len == 512,
	    "what there is of it, where it belongs");
	ok(tree_next(&reader, &r, &e) == 1 && r.type == TREE_CLOSE,
	    "and no more");
	tree_reader_release(&reader);
	close(out);
}

/* Long names and large numbers go out and come back. */
static void
test_round(void)
{
	static char path[600];
	struct tree_entry file = {.kind = TREE_FILE,
	    .mode = 0644,
	    .uid = 3000000000u,
	    .gid = 70000,
	    .seconds = 1 << 30,
	    .nanoseconds = 123456789,
	    .size = 3,
	    .path = path,
	    .target = ""};
	struct tree_writer writer;
	struct tree_reader reader;
	struct tree_record r;
	struct err e = ERR_INIT;
	int tree = memfd_create("tree", MFD_CLOEXEC);
	int tar = memfd_create("tar", MFD_CLOEXEC), back;
	static char bytes[16384];
	ssize_t n;

	memset(path, 'p', sizeof(path) - 1);
	path[200] = path[400] = '/';
	tree_writer_init(&writer, tree);
	tree_put_entry(&writer, &file, &e);
	tree_put_xattr(&writer, "user.x", "a=b\n\0c", 6, &e);
	tree_put_data(&writer, 0, "abc", 3, &e);
	tree_put_close(&writer, &e);
	tree_put_end(&writer, &e);
	tree_writer_release(&writer);
	lseek(tree, 0, SEEK_SET);
	tree_reader_init(&reader, tree);
	is_int(tar_write(tar, &reader, &e), 0, "a tree becomes a tar");
	tree_reader_release(&reader);
	n = pread(tar, bytes, sizeof(bytes), 0);
	ok(n > 0 && n % 512 == 0, "of whole blocks (%zd bytes)", n);
	is_int(read_tar(bytes, (size_t)n, &back, &e), 0, "and is read again");
	tree_reader_init(&reader, back);
	ok(tree_next(&reader, &r, &e) == 1 && strcmp(r.entry.path, path) == 0,
	    "a path of 599 bytes");
	ok(r.entry.uid == 3000000000u && r.entry.gid == 70000, "large owners");
	ok(r.entry.nanoseconds == 123456789, "nanoseconds");
	ok(tree_next(&reader, &r, &e) == 1 && r.type == TREE_XATTR &&
		r.len == 6 && memcmp(r.data, "a=b\n\0c", 6) == 0,
	    "an attribute of any bytes");
	tree_reader_release(&reader);
	close(tree);
	close(tar);
	close(back);
}

int
main(void)
{
	test_members();
	test_bad();
	test_sparse();
	test_round();
	return tap_done();
}
