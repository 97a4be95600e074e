/* SPDX-License-Identifier: MIT */
#include "cmd/vk-boot/modules.h"

#include "tests/cmd/vk-boot/packed.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

/* ---- lists out of memory ------------------------------------------------ */

struct lists {
	const char *dep, *builtin, *softdep, *alias;
};

static int
open_list(void *owner, const char *path, struct err *e)
{
	const struct lists *lists = owner;
	const char *text = NULL;

	if (strcmp(path, "modules.dep") == 0)
		text = lists->dep;
	if (strcmp(path, "modules.builtin") == 0)
		text = lists->builtin;
	if (strcmp(path, "modules.softdep") == 0)
		text = lists->softdep;
	if (strcmp(path, "modules.alias") == 0)
		text = lists->alias;
	if (strstr(path, ".ko") && !strstr(path, "gone"))
		text = "";
	if (!text)
		return err_set(e, EX_NOINPUT, "%s: not there", path);
	return file_with(text, strlen(text));
}

/* The chosen names, with spaces between them. */
static const char *
chosen(const struct modules *m)
{
	static char text[4096];
	size_t len = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < m->count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "%s%.*s", i ? " " : "", (int)m->chosen[i]->name_len,
		    m->chosen[i]->name);
	return text;
}

static const struct lists lists = {
    .dep = "k/virtio_ring.ko:\n"
	   "k/virtio.ko: k/virtio_ring.ko\n"
	   "k/virtio-rng.ko.xz: k/virtio.ko k/virtio_ring.ko\n"
	   "k/virtio_blk.ko.zst: k/virtio.ko k/virtio_ring.ko\n"
	   "k/jbd2.ko:\n"
	   "k/ext4.ko: k/jbd2.ko\n"
	   "k/crc32c_generic.ko:\n"
	   "k/crc32c-intel.ko:\n"
	   "k/loop_a.ko: k/loop_b.ko\n"
	   "k/loop_b.ko: k/loop_a.ko\n"
	   "k/broken.ko: k/nowhere.ko\n"
	   "k/gone.ko:\n"
	   "k/needs_it.ko: k/gone.ko k/jbd2.ko\n"
	   "/etc/absolute.ko:\n"
	   "../up.ko:\n"
	   ":\n"
	   "nonsense\n"
	   "k/last.ko: k/jbd2.ko", /* without a newline */
    .builtin = "kernel/fs/overlayfs/overlay.ko\n"
	       "kernel/net/vsock-core.ko\n",
    .softdep = "# comment\n"
	       "softdep ext4 pre: crypto-crc32c nosuch post: virtio_blk\n"
	       "softdep crc32c_generic pre: ext4\n",
    .alias = "# comment\n"
	     "alias crypto-crc32c crc32c_intel\n"
	     "alias crypto-crc32c crc32c_generic\n"
	     "alias pci:v* virtio\n",
};

static void
test_order(void)
{
	struct module_files files = {open_list, (void *)&lists};
	struct modules m;
	struct err e = ERR_INIT;

	ok(modules_open_files(&m, &files, "M", &e) == 0, "opened");
	is_int(m.table_len, 15, "entries that are usable");
	is_int(modules_want(&m, "virtio_blk", &e), 1, "virtio_blk is chosen");
	is_str(
	    chosen(&m), "virtio_ring virtio virtio_blk", "after what it needs");
	is_int(modules_want(&m, "virtio_rng", &e), 1, "virtio_rng too");
	is_str(chosen(&m), "virtio_ring virtio virtio_blk virtio-rng",
	    "none twice, and '-' is '_'");
	is_int(modules_want(&m, "overlay", &e), 0, "overlay is built in");
	is_int(modules_want(&m, "vsock_core", &e), 0, "so is vsock-core");
	is_int(modules_want(&m, "nosuch", &e), -1, "nosuch is missing");
	is_str(e.text, "M: has no module nosuch", "is said");
	is_int(modules_want(&m, "last", &e), 1, "the last line");
	modules_close(&m);
	modules_close(&m);
}

static void
test_soft(void)
{
	struct module_files files = {open_list, (void *)&lists};
	struct modules m;
	struct err e = ERR_INIT;

	modules_open_files(&m, &files, "M", &e);
	is_int(modules_want(&m, "ext4", &e), 1, "ext4");
	is_str(chosen(&m), "jbd2 crc32c-intel crc32c_generic ext4",
	    "after its soft dependencies, which lead back to it");
	modules_close(&m);
	modules_open_files(&m, &files, "M", &e);
	is_int(modules_want(&m, "loop_a", &e), 1, "a circle");
	is_str(chosen(&m), "loop_b loop_a", "has an end");
	is_int(modules_want(&m, "broken", &e), -1, "a need that is not there");
	is_str(e.text, "M/modules.dep: k/nowhere.ko is needed and not there",
	    "is said");
	is_int(modules_want(&m, "gone", &e), -1, "a file that is missing");
	is_int(modules_want(&m, "needs_it", &e), -1, "needed by another");
	is_str(e.text, "M: k/gone.ko is not there", "is said");
	is_int(modules_want(&m, "absolute", &e), -1, "an absolute path");
	is_int(modules_want(&m, "up", &e), -1, "a path that leads out");
	modules_close(&m);
}

static void
test_hostile(void)
{
	static char dep[1 << 20], names[1 << 16];
	/* Seconds of computing, of which it needs few. */
	static const struct itimerval much = {.it_value.tv_sec = 20}, none;
	struct lists big = {dep, "", "", ""};
	struct module_files files = {open_list, &big};
	struct modules m;
	struct err e = ERR_INIT;
	size_t len = 0;

	for (int i = 0; i < 300; i++)
		len += (size_t)snprintf(
		    dep + len, sizeof(dep) - len, "m%d.ko:\n", i);
	len += (size_t)snprintf(dep + len, sizeof(dep) - len, "all.ko:");
	for (int i = 0; i < 300; i++)
		len += (size_t)snprintf(
		    dep + len, sizeof(dep) - len, " m%d.ko", i);
	modules_open_files(&m, &files, "M", &e);
	ok(modules_want(&m, "all", &e) < 0 &&
		strcmp(e.text, "M: more than 256 modules wanted") == 0,
	    "too many modules: %s", e.text);
	modules_close(&m);
	for (size_t i = 0; i + 1 < sizeof(dep); i++)
		dep[i] = i % 4 == 3 ? '\n' : 'a';
	ok(modules_open_files(&m, &files, "M", &e) < 0 &&
		e.status == EX_DATAERR,
	    "too many lines: %s", e.text);
	modules_close(&m);
	/* Soft dependencies that are nowhere, of which each is looked for. */
	memset(names, 'b', sizeof(names) - 1);
	for (size_t i = 1; i < sizeof(names); i += 2)
		names[i - 1] = '\n';
	big = (struct lists){"m.ko:\n", names, dep, names};
	len = (size_t)snprintf(dep, sizeof(dep), "softdep m pre:");
	for (size_t i = len; i + 1 < sizeof(dep); i++)
		dep[i] = i % 2 ? 'a' : ' ';
	setitimer(ITIMER_PROF, &much, NULL);
	modules_open_files(&m, &files, "M", &e);
	is_int(
	    modules_want(&m, "m", &e), 1, "half a million soft dependencies");
	setitimer(ITIMER_PROF, &none, NULL);
	modules_close(&m);
	big.dep = NULL;
	ok(modules_open_files(&m, &files, "M", &e) < 0, "no modules.dep");
	modules_close(&m);
}

/* ---- folders ------------------------------------------------------------ */

static char root[] = "/tmp/vk-test-modules.XXXXXX";

__attribute__((format(printf, 1, 2))) static char *
in_root(const char *fmt, ...)
{
	static char path[512];
	size_t len = (size_t)snprintf(path, sizeof(path), "%s/", root);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path + len, sizeof(path) - len, fmt, ap);
	va_end(ap);
	return path;
}

/* Whether the modules of root/lib/modules/6.1 are found for a kernel file. */
static bool
found_for(const char *file, const char *version)
{
	struct kernel kernel = {.fd = -1};
	struct modules m;
	struct err e = ERR_INIT;
	bool found;

	snprintf(kernel.path, sizeof(kernel.path), "%s", in_root("%s", file));
	snprintf(kernel.version, sizeof(kernel.version), "%s", version);
	found = modules_open(&m, &kernel, NULL, &e) == 0 && m.folder[0] &&
		m.table_len == 2;
	modules_close(&m);
	return found;
}

static void
test_folders(void)
{
	static const char dep[] = "a.ko.xz:\nb.ko: a.ko.xz\n";

	mkdir(in_root("boot"), 0700);
	mkdir(in_root("lib"), 0700);
	mkdir(in_root("lib/modules"), 0700);
	mkdir(in_root("lib/modules/6.1"), 0700);
	mkdir(in_root("elsewhere"), 0700);
	file_at(in_root("lib/modules/6.1/modules.dep"), dep, sizeof(dep) - 1);
	file_at(in_root("boot/vmlinuz-6.1"), "", 0);
	if (symlink("../boot/vmlinuz-6.1", in_root("elsewhere/k")) < 0)
		abort();
	ok(found_for("boot/vmlinuz-6.1", "6.1"), "ROOT/boot/vmlinuz-6.1");
	ok(found_for("vmlinuz", "6.1"), "ROOT/vmlinuz");
	ok(found_for("lib/modules/6.1/vmlinuz", ""), "beside the modules");
	ok(found_for("elsewhere/k", "6.1"), "through a link");
	ok(!found_for("elsewhere/other", "6.1"), "not from anywhere else");
	ok(!found_for("vmlinuz", "6.2"), "not of another version");
	ok(!found_for("vmlinuz", "../modules/6.1"),
	    "not of a version that is a path");
	ok(!found_for("vmlinuz", ""), "not of an unknown version");
}

static void
test_put(void)
{
	static const char expected[] =
	    "module /vk/modules/a.ko\nmodule /vk/modules/b.ko\n";
	struct kernel kernel = {.fd = -1, .version = "6.1"};
	struct buf config = BUF_INIT(1000);
	struct initramfs fs;
	struct modules m;
	struct err e = ERR_INIT;
	char packed[1000];
	size_t len = pack("xz", "module a", 8, packed, sizeof(packed));

	file_at(in_root("lib/modules/6.1/a.ko.xz"), packed, len);
	snprintf(kernel.path, sizeof(kernel.path), "%s", in_root("vmlinuz"));
	setenv("XDG_CACHE_HOME", in_root("cache"), 1);
	ok(modules_open(&m, &kernel, NULL, &e) == 0 &&
		modules_want(&m, "b", &e) < 0 &&
		strstr(e.text, "6.1/b.ko: No such file"),
	    "a file is missing: %s", e.text);
	modules_close(&m);
	file_at(in_root("lib/modules/6.1/b.ko"), "module b", 8);
	initramfs_init(&fs);
	ok(modules_open(&m, &kernel, NULL, &e) == 0 &&
		modules_want(&m, "b", &e) == 1,
	    "b is wanted");
	ok(modules_put(&m, &fs, &config, &e) == 0, "put into an initramfs");
	is_str(config.data, expected, "lines for the agent");
	ok(memmem(fs.archive.data, fs.archive.len, "vk/modules/a.ko", 16) &&
		memmem(fs.archive.data, fs.archive.len, "module a", 8),
	    "and an unpacked file");
	initramfs_release(&fs);
	buf_release(&config);
	modules_close(&m);
	/* A kernel without modules has all it needs. */
	kernel.path[0] = '\0';
	ok(modules_open(&m, &kernel, NULL, &e) == 0 && m.folder[0] == '\0' &&
		modules_want(&m, "anything", &e) == 0,
	    "no modules: all is built in");
	modules_close(&m);
	for (int i = 0; i < 2; i++) {
		ok(modules_open(&m, &kernel,
		       i ? root : in_root("lib/modules/6.1"), &e) == 0 &&
			m.table_len == 2,
		    "a folder that was named");
		modules_close(&m);
	}
	ok(modules_open(&m, &kernel, "/nonexistent", &e) < 0,
	    "a folder that was named has to be there");
	modules_close(&m);
}

int
main(void)
{
	char command[64];

	if (!mkdtemp(root))
		abort();
	test_order();
	test_soft();
	test_hostile();
	test_folders();
	test_put();
	snprintf(command, sizeof(command), "rm -rf %s", root);
	ok(system(command) == 0, "cleaned up");
	return tap_done();
}
