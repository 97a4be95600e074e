/* SPDX-License-Identifier: MIT */
#include "cmd/vk-boot/inside.h"

#include "cmd/vk-boot/image_kernel.h"
#include "common/io.h"
#include "tests/cmd/vk-boot/packed.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>

static char folder[] = "/tmp/vk-test-inside.XXXXXX";

/* Makes an image of what a script leaves in its folder. */
static int
image_of(const char *script)
{
	char command[4096];

	snprintf(command, sizeof(command),
	    "PATH=$PATH:/usr/sbin:/sbin; cd %s && rm -rf tree image && "
	    "mkdir tree && (cd tree; %s) && "
	    "mke2fs -q -F -t ext4 -d tree image 4M >&2",
	    folder, script);
	if (system(command) != 0)
		return -1;
	snprintf(command, sizeof(command), "%s/image", folder);
	return open(command, O_RDWR | O_CLOEXEC);
}

/* The text of a file in the image, the error's if there is none. */
static const char *
text_of(struct inside *inside, const char *path, bool list)
{
	static char text[1000];
	struct err e = ERR_INIT;
	int fd = list ? inside_list(inside, path, 999, &e)
		      : inside_file(inside, path, 999, &e);
	ssize_t got;

	if (fd < 0) {
		snprintf(text, sizeof(text), "%s", e.text);
		return text;
	}
	got = io_pread(fd, text, sizeof(text) - 1, 0);
	text[got > 0 ? got : 0] = '\0';
	close(fd);
	return text;
}

static void
test_files(void)
{
	int image = image_of("mkdir a; echo hello > a/f; ln -s a/f l; "
			     "ln -s /a b; ln -s ../../../../a/f out; "
			     "ln -s loop loop; ln -s /etc/passwd p; "
			     "mkdir d; : > d/x; : > d/y; "
			     "head -c 1000 /dev/zero > large");
	struct inside inside;
	struct err e = ERR_INIT;

	if (!ok(inside_open(&inside, image, &e) == 0, "opened: %s", e.text))
		return;
	is_str(text_of(&inside, "/a/f", false), "hello\n", "a file");
	is_str(text_of(&inside, "/l", false), "hello\n", "through a link");
	is_str(text_of(&inside, "/b/f", false), "hello\n",
	    "through a linked folder");
	is_str(text_of(&inside, "/out", false), "hello\n",
	    "a link does not lead out");
	is_str(text_of(&inside, "/p", false), "/p: not in the image",
	    "not even to the host's files");
	is_str(text_of(&inside, "/loop", false), "/loop: not in the image",
	    "a link to itself");
	is_str(text_of(&inside, "/a", false), "/a: not a regular file",
	    "a folder is no file");
	is_str(text_of(&inside, "/large", false), "/large: too large",
	    "a file beyond the limit");
	is_str(text_of(&inside, "/d", true), "x\ny\n", "a folder's names");
	is_str(text_of(&inside, "/a/f", true), "/a/f: not a folder",
	    "a file is no folder");
	/* The image may change under it. */
	if (ftruncate(image, 4096) < 0)
		abort();
	text_of(&inside, "/a/f", false);
	inside_close(&inside);
	inside_close(&inside);
	ok(wait(NULL) < 0 && errno == ECHILD, "no process is left");
	if (ftruncate(image, 1500) < 0)
		abort();
	ok(inside_open(&inside, image, &e) < 0 && e.status == EX_DATAERR,
	    "half a superblock: %s", e.text);
	close(image);
	image = file_with("hello", 5);
	ok(inside_open(&inside, image, &e) < 0 && e.status == EX_DATAERR,
	    "no image: %s", e.text);
	close(image);
	ok(wait(NULL) < 0 && errno == ECHILD, "no process is left then either");
}

/* Every byte of the first blocks turned round: no crash of ours, no hang. */
static void
test_damage(void)
{
	int image = image_of("mkdir a; echo hello > a/f");
	unsigned answered = 0, x = 1;

	for (int i = 0; i < 60; i++) {
		struct inside inside;
		struct err e = ERR_INIT;
		uint8_t bytes[64], zeros[64];
		off_t at;

		x = x * 1664525 + 1013904223;
		at = (off_t)((x >> 8) % (64 * 1024)) & ~63;
		if (pread(image, bytes, 64, at) != 64)
			abort();
		memset(zeros, (int)(x & 0xff), 64);
		if (pwrite(image, zeros, 64, at) != 64)
			abort();
		if (inside_open(&inside, image, &e) == 0)
			text_of(&inside, "/a/f", false);
		answered++;
		inside_close(&inside);
		if (pwrite(image, bytes, 64, at) != 64)
			abort();
	}
	is_int(answered, 60, "damaged images");
	close(image);
}

/* ---- the whole tree ----------------------------------------------------- */

/* One line for each entry of an archive, as another reader sees it. */
static void
describe(int fd, char *text, size_t size)
{
	struct archive *archive = archive_read_new();
	struct archive_entry *entry;
	size_t len = 0;

	text[0] = '\0';
	archive_read_support_format_cpio(archive);
	if (archive_read_open_fd(archive, fd, 4096) != ARCHIVE_OK)
		abort();
	while (archive_read_next_header(archive, &entry) == ARCHIVE_OK) {
		const char *hard = archive_entry_hardlink(entry);
		const char *soft = archive_entry_symlink(entry);
		char data[16] = "";
		ssize_t got = archive_read_data(archive, data, 15);

		data[got > 0 ? got : 0] = '\0';
		data[strcspn(data, "\n")] = '\0';
		len += (size_t)snprintf(text + len, size - len,
		    "%s %o %lld:%lld %lld %d,%d %s\n",
		    archive_entry_pathname(entry), archive_entry_mode(entry),
		    (long long)archive_entry_uid(entry),
		    (long long)archive_entry_gid(entry),
		    S_ISREG(archive_entry_mode(entry)) && !hard
			? (long long)archive_entry_mtime(entry)
			: 0,
		    (int)archive_entry_rdevmajor(entry),
		    (int)archive_entry_rdevminor(entry),
		    hard   ? hard
		    : soft ? soft
			   : data);
	}
	archive_read_free(archive);
}

static void
has(const char *text, const char *line)
{
	ok(strstr(text, line) != NULL, "%.*s", (int)strcspn(line, "\n"), line);
}

static void
test_tree(void)
{
	static char text[8192];
	int image = image_of(
	    "mkdir -p a/b; echo hello > a/b/f; "
	    "touch -d @1000000 a/b/f; chmod 4755 a/b/f; ln a/b/f hard; "
	    "ln -s a/b/f soft; ln -s $(printf %0100d 0) long; mkfifo pipe; "
	    "mknod null c 1 3; mknod big b 259 1000; "
	    "chown 70000:80000 a/b; head -c 100000 /dev/zero > zeros");
	struct inside inside;
	struct err e = ERR_INIT;
	uint64_t size, archived;
	int fd;

	if (image < 0) {
		skip("not root", "a tree with devices");
		return;
	}
	if (inside_open(&inside, image, &e) < 0)
		abort();
	fd = inside_tree(&inside, 1 << 30, &size, &e);
	if (!ok(fd >= 0, "a tree: %s", e.text))
		return;
	archived = (uint64_t)lseek(fd, 0, SEEK_END);
	lseek(fd, 0, SEEK_SET);
	describe(fd, text, sizeof(text));
	close(fd);
	has(text, ". 40755 0:0 0 0,0 \n");
	has(text, "a/b 40755 70000:80000 0 0,0 \n");
	has(text, "a/b/f 104755 0:0 1000000 0,0 hello\n");
	has(text, "hard 104755 0:0 0 0,0 a/b/f\n");
	has(text, "soft 120777 0:0 0 0,0 a/b/f\n");
	has(text, "0000000\n"); /* the long one */
	has(text, "pipe 10644 0:0 0 0,0 \n");
	has(text, "null 20644 0:0 0 1,3 \n");
	has(text, "big 60644 0:0 0 259,1000 \n");
	has(text, "zeros 100644 0:0");
	is_int(size, archived, "its size is told");
	ok(inside_tree(&inside, 100000, &size, &e) < 0 &&
		e.status == EX_USAGE && size == archived,
	    "a limit: %s", e.text);
	inside_close(&inside);
	close(image);
}

/* A folder that is in itself. */
static void
test_circle(void)
{
	int image = image_of("mkdir -p a/b");
	char command[256];
	struct inside inside;
	uint64_t size;
	struct err e = ERR_INIT;

	snprintf(command, sizeof(command),
	    "PATH=$PATH:/usr/sbin:/sbin; "
	    "debugfs -w -R 'link a a/b/a' %s/image 2>/dev/null >&2",
	    folder);
	if (system(command) != 0 || inside_open(&inside, image, &e) < 0)
		abort();
	ok(inside_tree(&inside, 1 << 30, &size, &e) < 0 &&
		strstr(e.text, "more than 100 folders deep"),
	    "a circle of folders");
	inside_close(&inside);
	close(image);
}

/* ---- kernels ------------------------------------------------------------ */

static void
make_kernel(const char *name)
{
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr table;
		char code[64];
	} elf = {
	    .header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB,
			   1},
		.e_machine = EM_X86_64,
		.e_entry = 0x1000000,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1},
	    .table = {.p_type = PT_LOAD,
		.p_offset = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
		.p_paddr = 0x1000000,
		.p_filesz = 64,
		.p_memsz = 64},
	    .code = "Linux version 6.10.0 (x)",
	};
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file_at(path, &elf, sizeof(elf));
}

/* Which kernel is found in an image. */
static const char *
kernel_of(const char *script)
{
	static char path[PATH_MAX];
	int image = image_of(script);
	struct inside inside;
	struct kernel kernel;
	struct err e = ERR_INIT;
	int found;

	if (inside_open(&inside, image, &e) < 0)
		abort();
	found = image_kernel_open(&kernel, &inside, "", &e);
	snprintf(path, sizeof(path), "%s", found > 0 ? kernel.path : "none");
	kernel_close(&kernel);
	inside_close(&inside);
	close(image);
	return path;
}

static void
test_kernels(void)
{
	make_kernel("k");
	is_str(kernel_of("mkdir boot; cp ../k boot/vmlinuz-6.2; "
			 "cp ../k boot/vmlinuz-6.10; echo > boot/config-6.10; "
			 "cp ../k boot/vmlinuz-7-rescue"),
	    "image:/boot/vmlinuz-6.10", "the newest, but for rescue");
	is_str(kernel_of("mkdir boot; cp ../k boot/vmlinuz-6.2; "
			 "echo no > boot/vmlinuz-6.10"),
	    "image:/boot/vmlinuz-6.2", "the newest that is one");
	is_str(kernel_of("mkdir boot; cp ../k boot/vmlinuz-virt"),
	    "image:/boot/vmlinuz-virt", "without a version");
	is_str(kernel_of("mkdir -p usr/lib/modules/6.1; ln -s usr/lib lib; "
			 "cp ../k usr/lib/modules/6.1/vmlinuz"),
	    "image:/lib/modules/6.1/vmlinuz", "beside its modules");
	is_str(kernel_of("mkdir boot; cp ../k boot/k; ln -s boot/k vmlinuz"),
	    "image:/vmlinuz", "a link in the root");
	is_str(kernel_of("mkdir boot"), "none", "none");
}

static void
test_modules(void)
{
	int image =
	    image_of("mkdir -p usr/lib/modules/6.1/k; "
		     "echo 'k/a.ko:' > usr/lib/modules/6.1/modules.dep; "
		     "echo code > usr/lib/modules/6.1/k/a.ko");
	struct buf config = BUF_INIT(1000);
	struct initramfs fs;
	struct inside inside;
	struct modules m;
	struct err e = ERR_INIT;

	initramfs_init(&fs);
	if (inside_open(&inside, image, &e) < 0)
		abort();
	ok(image_modules_open(&m, &inside, "6.1", &e) == 0 && m.table_len == 1,
	    "modules: %s", e.text);
	ok(modules_want(&m, "a", &e) == 1 &&
		modules_put(&m, &fs, &config, &e) == 0,
	    "chosen and read: %s", e.text);
	is_str(config.data, "module /vk/modules/a.ko\n", "for the agent");
	modules_close(&m);
	ok(image_modules_open(&m, &inside, "6.2", &e) == 0 &&
		m.folder[0] == '\0',
	    "none of that version");
	modules_close(&m);
	ok(image_modules_open(&m, &inside, "../modules/6.1", &e) == 0 &&
		m.folder[0] == '\0',
	    "none of a version that is a path");
	modules_close(&m);
	inside_close(&inside);
	initramfs_release(&fs);
	buf_release(&config);
	close(image);
}

int
main(void)
{
	char command[64];

	if (system("PATH=$PATH:/usr/sbin:/sbin; command -v mke2fs "
		   ">/dev/null") != 0) {
		printf("1..0 # SKIP mke2fs is not installed\n");
		return 0;
	}
	if (!mkdtemp(folder))
		abort();
	test_files();
	test_damage();
	test_tree();
	test_circle();
	test_kernels();
	test_modules();
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ok(system(command) == 0, "cleaned up");
	return tap_done();
}
