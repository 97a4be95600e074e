/* SPDX-License-Identifier: MIT */
/*
 * hostile.c - tars that somebody made to do harm, and odd ones that must work
 *
 * Each is either refused with a line that says why, or becomes an image that
 * e2fsck finds clean and that holds what a kernel would have made of it.
 *
 * takes: 15 s
 */
#include "cmd/vk-mkext/look.h"
#include "cmd/vk-mkext/recipe.h"
#include "common/scope.h"
#include "common/size.h"
#include "tests/tap.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static char folder[64], tar_path[128], image_path[128], list_path[128];
static struct archive *tar;
static char why[ERR_TEXT_MAX];

/* ---- making tars -------------------------------------------------------- */

static void
begin(void)
{
	tar = archive_write_new();
	archive_write_set_format_pax(tar);
	archive_write_set_options(tar, "hdrcharset=BINARY");
	archive_write_open_filename(tar, tar_path);
}

static struct archive_entry *
entry(const char *path, unsigned mode)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_copy_pathname(e, path);
	archive_entry_set_mode(e, (mode_t)mode);
	archive_entry_set_size(e, 0);
	archive_entry_set_mtime(e, 1000000000, 0);
	return e;
}

static void
send(struct archive_entry *e, const void *data, size_t length)
{
	if (length > 0)
		archive_entry_set_size(e, (la_int64_t)length);
	archive_write_header(tar, e);
	if (length > 0)
		archive_write_data(tar, data, length);
	archive_entry_free(e);
}

static void
file(const char *path, const char *text)
{
	send(entry(path, S_IFREG | 0644), text, strlen(text));
}

static void
directory(const char *path)
{
	send(entry(path, S_IFDIR | 0755), NULL, 0);
}

static void
symbolic(const char *path, const char *target)
{
	struct archive_entry *e = entry(path, S_IFLNK | 0777);

	archive_entry_copy_symlink(e, target);
	send(e, NULL, 0);
}

static void
hard(const char *path, const char *target)
{
	struct archive_entry *e = entry(path, S_IFREG | 0644);

	archive_entry_copy_hardlink(e, target);
	send(e, NULL, 0);
}

/* ---- trying them -------------------------------------------------------- */

static int
try(void)
{
	struct err e = ERR_INIT;
	struct recipe r = {.image.bytes = MIB, .image.tight = true};
	struct recipe_input in = {.name = "tar"};
	cleanup_fd int from = -1, to = -1;
	int result;

	if (tar) {
		archive_write_close(tar);
		archive_write_free(tar);
		tar = NULL;
	}
	from = open(tar_path, O_RDONLY | O_CLOEXEC);
	to = open(image_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	in.fd = from;
	result = recipe_build(&r, &in, to, NULL, &e);
	snprintf(why, sizeof(why), "%s", e.text);
	return result;
}

static bool
is_clean(void)
{
	char program[] = "e2fsck", flags[] = "-fn";
	char *argv[] = {program, flags, image_path, NULL};
	posix_spawn_file_actions_t actions;
	int status = -1;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(
	    &actions, 1, list_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	posix_spawn_file_actions_adddup2(&actions, 1, 2);
	if (posix_spawnp(&pid, "e2fsck", &actions, NULL, argv, environ) == 0)
		waitpid(pid, &status, 0);
	posix_spawn_file_actions_destroy(&actions);
	return status == 0;
}

/* The image's list, as --list prints it; from a static buffer. */
static const char *
list(void)
{
	static char text[1 << 16];
	struct err e = ERR_INIT;
	int saved, fd = open(list_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	ssize_t got;

	fflush(stdout);
	saved = dup(1);
	dup2(fd, 1);
	if (look_list(image_path, "/", &e) < 0)
		fprintf(stderr, "# %s\n", e.text);
	fflush(stdout);
	dup2(saved, 1);
	close(saved);
	got = pread(fd, text, sizeof(text) - 1, 0);
	text[got > 0 ? got : 0] = 0;
	close(fd);
	return text;
}

static void
refused(const char *reason, const char *name)
{
	int result = try();

	if (!ok(result < 0 && strstr(why, reason), "%s: refused", name))
		printf("# got %d, '%s', wanted '%s'\n", result, why, reason);
}

/* Builds; each of the lines' ends must be there, separated by '|'. */
static void
becomes(const char *lines, const char *name)
{
	char copy[1024];
	bool good = try() == 0 && is_clean();

	if (!ok(good, "%s: a clean image", name))
		printf("# %s\n", why);
	snprintf(copy, sizeof(copy), "%s", lines);
	for (char *rest = copy, *line; good && (line = strsep(&rest, "|"));) {
		char end[600];
		bool wanted = *line != '!';

		snprintf(end, sizeof(end), "%s\n", line + !wanted);
		if (!ok((strstr(list(), end) != NULL) == wanted, "%s: %s", name,
			line))
			printf("# %s\n", list());
	}
}

/* ---- the cases ---------------------------------------------------------- */

static void
paths(void)
{
	char name[300], deep[5000] = "";

	begin();
	file("../../outside", "x");
	becomes(" ./outside", "up and out");
	begin();
	file("/etc/absolute", "x");
	becomes(" ./etc| ./etc/absolute", "an absolute path");
	begin();
	file("a/../b/./c//d", "x");
	becomes(" ./a| ./b| ./b/c| ./b/c/d", "dots in a path");
	begin();
	symbolic("out", "../../../..");
	file("out/etc/passwd", "x");
	becomes(" ./etc/passwd| ./out -> ../../../..", "a link up and out");
	begin();
	symbolic("out", "/var");
	file("out/x", "x");
	becomes(" ./var| ./var/x", "an absolute link on the way");
	begin();
	symbolic("a", "b");
	symbolic("b", "a");
	file("a/x", "x");
	refused("symbolic links", "a loop of links");
	begin();
	symbolic("a", "a/a");
	file("a/x", "x");
	refused("symbolic links", "a link into itself");
	begin();
	file("f", "x");
	file("f/x", "x");
	refused("Not a directory", "a path through a file");
	memset(name, 'n', 256);
	name[256] = 0;
	begin();
	file(name, "x");
	refused("255", "a name of 256 bytes");
	begin();
	snprintf(deep, sizeof(deep), "%s/x", name);
	file(deep, "x");
	refused("255", "a directory's name of 256 bytes");
	name[255] = 0;
	begin();
	file(name, "x");
	snprintf(deep, sizeof(deep), " ./%s", name);
	becomes(deep, "a name of 255 bytes");
	deep[0] = 0;
	for (size_t i = 0; i < 2200; i++)
		memcpy(deep + 2 * i, "d/", 3);
	begin();
	file(deep, "");
	directory(deep);
	becomes("", "a path of 4400 bytes, 2200 deep");
	begin();
	file("", "x");
	file("ok", "x");
	refused("without a name", "an entry without a name");
}

static void
replacing(void)
{
	begin();
	directory("d");
	file("d/stale", "x");
	symbolic("d", "e");
	becomes(" ./d -> e|! ./d/stale|! ./e/stale", "a link over a directory");
	begin();
	directory("e");
	symbolic("d", "e");
	directory("d");
	file("d/new", "x");
	becomes(" ./d| ./d/new|! ./e/new", "a directory over a link");
	begin();
	file("f", "old");
	directory("f");
	file("f/x", "x");
	file("f", "new");
	becomes(" ./f|! ./f/x", "a file over a directory over a file");
	begin();
	file("a", "x");
	hard("b", "a");
	file("a", "other");
	becomes(" ./a| ./b|! ./b link to ./a", "a file over one of two names");
	begin();
	file(".", "x");
	refused("must be a directory", "a file as the root");
	begin();
	symbolic("lost+found", "etc");
	refused("must be a directory", "a link as lost+found");
	begin();
	directory("a");
	file("a/b", "x");
	hard("a", "a/b");
	refused("replaces", "a hard link over its target's directory");
}

static void
links(void)
{
	begin();
	hard("b", "a");
	refused("target", "a hard link to nothing");
	begin();
	hard("b", "a");
	hard("c", "a");
	file("a", "x");
	becomes(" ./a| ./b link to ./a| ./c link to ./a",
	    "hard links before their target");
	begin();
	hard("a", "a");
	refused("target", "a hard link to itself");
	begin();
	hard("a", "b");
	hard("b", "a");
	refused("", "hard links in a circle");
	begin();
	directory("d");
	hard("b", "d");
	refused("directory", "a hard link to a directory");
	begin();
	hard("b", "a");
	directory("a");
	refused("directory", "a hard link to a directory that comes later");
	begin();
	file("a", "x");
	hard("b", "a");
	hard("b", "a");
	becomes(" ./b link to ./a", "the same hard link twice");
	begin();
	symbolic("s", "nowhere");
	hard("b", "s");
	becomes(" ./s -> nowhere| ./b link to ./s",
	    "a hard link to a symbolic link");
	begin();
	file("x/../../../a", "x");
	hard("b", "../../a");
	becomes(" ./b link to ./a", "a hard link up and out");
	begin();
	symbolic("s", "");
	refused("target", "a symbolic link to nothing at all");
}

static void
numbers(void)
{
	struct archive_entry *e;
	static char value[(64 << 10) + 1];
	char name[40];

	begin();
	e = entry("old", S_IFREG | 0600);
	/* Written as -4.5. */
	archive_entry_set_mtime(e, -4, 500000000);
	send(e, "x", 1);
	becomes(" 1969-12-31T23:59:55Z ./old", "a time before 1970");
	begin();
	e = entry("old", S_IFREG | 0600);
	archive_entry_set_mtime(e, -90000000000, 0);
	send(e, "x", 1);
	e = entry("new", S_IFREG | 0600);
	archive_entry_set_mtime(e, 90000000000, 0);
	send(e, "x", 1);
	becomes(" 1901-12-13T20:45:52Z ./old| 2446-05-10T22:38:55Z ./new",
	    "times that ext4 does not reach");
	begin();
	e = entry("f", S_IFREG | 0600);
	archive_entry_set_uid(e, 4294967295);
	archive_entry_set_gid(e, 4294967294);
	send(e, "x", 1);
	becomes("-rw------- 4294967295/4294967294 1 2001-09-09T01:46:40Z ./f",
	    "owners of 32 bits");
	begin();
	e = entry("f", S_IFREG | 0600);
	archive_entry_set_uid(e, 4294967296);
	send(e, "x", 1);
	refused("owner", "an owner of 33 bits");
	begin();
	for (int i = 0; i < 40; i++) {
		e = entry("f", S_IFREG | 0600);
		for (int k = 0; k < 200; k++) {
			snprintf(name, sizeof(name), "user.%d.%d", i, k);
			archive_entry_xattr_add_entry(e, name, value, 100);
		}
		send(e, "x", 1);
	}
	refused("attributes", "a flood of attributes");
	begin();
	e = entry("f", S_IFREG | 0600);
	archive_entry_xattr_add_entry(e, "user.x", value, sizeof(value));
	send(e, "x", 1);
	refused("64 KiB", "an attribute larger than Linux has them");
	begin();
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		e = entry(name, S_IFREG | 0600);
		value[0] = (char)(i == 2);
		archive_entry_xattr_add_entry(
		    e, "user.x", value, sizeof(value) - 1);
		archive_entry_xattr_add_entry(e, "user.y", value, 4096);
		archive_entry_xattr_add_entry(e, "user.z", value, 3000);
		send(e, "x", 1);
	}
	file("f2", "the attributes are not used any more");
	becomes(" ./f0| ./f1| ./f2", "attributes larger than a block");
	begin();
	for (int k = 0; k < 30; k++)
		for (int i = 0; i < 10; i++) {
			snprintf(name, sizeof(name), "f%d", i);
			e = entry(name, S_IFREG | 0600);
			value[0] = (char)k;
			archive_entry_xattr_add_entry(
			    e, "user.x", value, sizeof(value) - 1);
			send(e, "x", 1);
		}
	becomes(" ./f0| ./f9", "large attributes, again and again");
	begin();
	e = entry("f", S_IFREG | 0600);
	archive_entry_xattr_add_entry(e, "user.x", value, 4000);
	archive_entry_xattr_add_entry(e, "user.x", value, 3000);
	archive_entry_xattr_add_entry(e, "user.", value, 10);
	archive_entry_xattr_add_entry(e, "nonsense", value, 10);
	archive_entry_xattr_add_entry(e, "trusted.overlay.opaque", "y", 1);
	send(e, "x", 1);
	becomes(" ./f", "odd attributes");
}

/* A header by hand: what no library writes. size is the field's text. */
static void
raw(const char *path, char type, const char *size, size_t content, bool end)
{
	unsigned char block[512] = {0};
	FILE *f = fopen(tar_path, "w");
	unsigned sum = 0;

	tar = NULL;
	snprintf((char *)block, 100, "%s", path);
	memcpy(block + 100, "0000644", 8);
	memcpy(block + 108, "0000000", 8);
	memcpy(block + 116, "0000000", 8);
	memcpy(block + 124, size, 12);
	memcpy(block + 136, "00000000000", 12);
	block[156] = (unsigned char)type;
	memcpy(block + 257, "ustar\00000", 8);
	memset(block + 148, ' ', 8);
	for (size_t i = 0; i < sizeof(block); i++)
		sum += block[i];
	snprintf((char *)block + 148, 8, "%06o", sum);
	fwrite(block, 1, sizeof(block), f);
	memset(block, 'c', sizeof(block));
	for (size_t i = 0; i < content; i += sizeof(block))
		fwrite(block, 1, sizeof(block), f);
	memset(block, 0, sizeof(block));
	for (int i = 0; end && i < 2; i++)
		fwrite(block, 1, sizeof(block), f);
	fclose(f);
}

static void
sizes(void)
{
	raw("f", '0', "77777777777\0", 1024, true);
	refused("middle", "a size of 8 GiB with 1 KiB behind it");
	raw("f", '0', "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 512, true);
	refused("", "a size of 2^63");
	raw("f", '0', "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 512,
	    true);
	refused("", "a size of -1");
	raw("f", '0', "00000001000\0", 512, false);
	refused("cut off", "no end mark");
	raw("f", '7', "00000001000\0", 512, true);
	becomes(" ./f", "a contiguous file");
	raw("f", 'Z', "00000001000\0", 512, true);
	becomes(" ./f", "a type nobody knows: a file, as POSIX has it");
	raw("label", 'V', "00000000000\0", 0, true);
	becomes("! ./label", "GNU tar's label of a volume is no file");
	raw("f", 'M', "00000001000\0", 512, true);
	refused("type", "a file that began in another volume");
	raw("dir", 'D', "00000001000\0", 512, true);
	becomes(" ./dir", "a directory of an incremental archive");
	raw("dir", '5', "00000000000\0", 0, true);
	becomes(" ./dir", "a directory without a slash");
	raw("link", '1', "00000000000\0", 0, true);
	refused("target", "a hard link with an empty target");
}

/* Every other block is a hole: one extent for each of the others. */
static void
pieces(void)
{
	const size_t blocks = 6000;
	char *data = calloc(blocks, 4096);

	for (size_t i = 0; i < blocks; i += 2)
		data[i * 4096 + 17] = 'x';
	begin();
	send(entry("pieces", S_IFREG | 0600), data, blocks * 4096);
	file("after", "x");
	becomes(" ./pieces| ./after", "a file in 3,000 pieces");
	free(data);
}

/* So many leaves that the index has two levels. */
static void
long_names(void)
{
	char name[300] = "d/";

	begin();
	memset(name + 2, 'n', 255);
	for (int i = 0; i < 9000; i++) {
		snprintf(name + 200, 20, "%08d", i);
		name[208] = 'n';
		file(name, "");
	}
	becomes("", "9,000 names of 255 bytes in one directory");
}

static void
many(void)
{
	static char name[64];

	begin();
	directory("d");
	for (int i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "d/entry-number-%d", i);
		file(name, "");
	}
	becomes("", "100,000 files in one directory");
	begin();
	file("first", "content");
	for (int i = 0; i < 66000; i++) {
		snprintf(name, sizeof(name), "l/%d", i);
		hard(name, "first");
	}
	becomes("", "66,000 names of one file");
	begin();
	for (int i = 0; i < 66000; i++) {
		snprintf(name, sizeof(name), "d/%d", i);
		directory(name);
	}
	becomes("", "66,000 directories in one");
}

int
main(void)
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	snprintf(folder, sizeof(folder), "%s/vk-hostile.XXXXXX", base);
	if (!mkdtemp(folder))
		return 1;
	snprintf(tar_path, sizeof(tar_path), "%s/tar", folder);
	snprintf(image_path, sizeof(image_path), "%s/image", folder);
	snprintf(list_path, sizeof(list_path), "%s/list", folder);
	paths();
	replacing();
	links();
	numbers();
	sizes();
	pieces();
	long_names();
	many();
	unlink(tar_path);
	unlink(image_path);
	unlink(list_path);
	rmdir(folder);
	return tap_done();
}
