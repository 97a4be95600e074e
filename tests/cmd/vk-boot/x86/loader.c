/* SPDX-License-Identifier: MIT */
#include "cmd/vk-boot/x86/loader.h"

#include "cmd/vk-boot/x86/layout.h"
#include "common/cursor.h"
#include "common/size.h"
#include "tests/cmd/vk-boot/packed.h"

#include <stdio.h>

#define MEMORY    (64 * MIB)
#define KERNEL_AT 0x1000000ull

static struct gmem mem;
static struct kernel kernel;
static uint8_t code[8192];

static void
start(uint64_t memory)
{
	struct err e = ERR_INIT;

	gmem_release(&mem);
	if (gmem_add(&mem, 0, memory, 0, &e) < 0)
		abort();
	memset(code, 0x90, sizeof(code));
	kernel = (struct kernel){
	    .format = KERNEL_ELF,
	    .fd = file_with(code, sizeof(code)),
	    .size = sizeof(code),
	    .path = "K",
	    .segments = {{.offset = 4096,
			     .file_size = 4096,
			     .gpa = KERNEL_AT,
			     .mem_size = 2 * MIB},
		{.offset = 0,
		    .file_size = 100,
		    .gpa = KERNEL_AT + 2 * MIB,
		    .mem_size = 8 * MIB}},
	    .segment_count = 2,
	    .entry_linux64 = KERNEL_AT,
	    .initrd_max = 0x7fffffff,
	    .cmdline_max = 2047,
	};
}

static void
end(void)
{
	kernel_close(&kernel);
	gmem_release(&mem);
}

static struct loader
loader(void)
{
	return (struct loader){.mem = &mem,
	    .kernel = &kernel,
	    .cmdline = "console=hvc0",
	    .rsdp = ACPI_START};
}

static uint64_t
number(uint64_t gpa, size_t width)
{
	struct cursor c = cursor_of(gmem_at(&mem, gpa, width), width);

	return get_le(&c, width);
}

/* Expects that it is not loaded, and why. */
static void
refused(const struct loader *l, int status, const char *text, const char *hint)
{
	struct entry entry;
	struct err e = ERR_INIT;

	ok(loader_load(l, &entry, &e) < 0, "refused: %s", text);
	is_str(e.text, text, "the reason");
	is_str(e.hint, hint, "the hint");
	is_int(e.status, status, "status");
}

/* ---- Linux's 64-bit entry ----------------------------------------------- */

static void
e820_is(unsigned index, uint64_t gpa, uint64_t len, uint32_t type)
{
	uint64_t at = BOOT_PARAMS + 0x2d0 + index * 20ull;

	ok(number(at, 8) == gpa && number(at + 8, 8) == len &&
		number(at + 16, 4) == type,
	    "e820: 0x%jx", (uintmax_t)gpa);
}

static void
test_linux64(void)
{
	struct loader l;
	struct entry entry;
	struct err e = ERR_INIT;

	start(MEMORY);
	l = loader();
	ok(loader_load(&l, &entry, &e) == 0, "loaded: %s", e.text);
	ok(entry.mode == ENTRY_LINUX64 && entry.rip == KERNEL_AT &&
		entry.rsp == BOOT_STACK && entry.boot_data == BOOT_PARAMS,
	    "the entry");
	ok(memcmp(gmem_at(&mem, KERNEL_AT, 4096), code, 4096) == 0,
	    "the first segment");
	ok(number(KERNEL_AT + 4096, 8) == 0, "zeros behind it");
	ok(number(KERNEL_AT + 2 * MIB + 96, 8) == 0x90909090,
	    "the second segment to its end");
	is_str(gmem_at(&mem, BOOT_CMDLINE, 13), "console=hvc0",
	    "the command line");
	is_int(number(BOOT_PARAMS + 0x228, 4), BOOT_CMDLINE, "its address");
	is_int(number(BOOT_PARAMS + 0x070, 8), ACPI_START, "the RSDP");
	is_int(number(BOOT_PARAMS + 0x1fe, 2), 0xaa55, "boot flag");
	is_int(number(BOOT_PARAMS + 0x202, 4), 0x53726448, "HdrS");
	is_int(number(BOOT_PARAMS + 0x210, 1), 0xff, "type of loader");
	is_int(number(BOOT_PARAMS + 0x218, 8), 0, "no initrd");
	is_int(number(BOOT_PARAMS + 0x1ef, 1), 0, "the sentinel");
	is_int(number(BOOT_PARAMS + 0x1e8, 1), 5, "e820: entries");
	e820_is(0, 0, 0x9fc00, 1);
	e820_is(1, 0x9fc00, 0x400, 2);
	e820_is(2, 0xe0000, 0x20000, 2);
	e820_is(3, HIGH_START, MEMORY - HIGH_START, 1);
	e820_is(4, ECAM_START, ECAM_SIZE, 2);
	end();
}

static void
test_tables(void)
{
	struct loader l;
	struct entry entry;
	struct err e = ERR_INIT;
	uint64_t bad = 0;

	start(MEMORY);
	l = loader();
	loader_load(&l, &entry, &e);
	is_int(number(BOOT_PML4, 8), BOOT_PDPTE | 3, "PML4");
	for (uint64_t i = 0; i < 4; i++)
		bad += number(BOOT_PDPTE + i * 8, 8) !=
		       ((BOOT_PDE + i * 4096) | 3);
	for (uint64_t i = 0; i < 2048; i++)
		bad += number(BOOT_PDE + i * 8, 8) != (i << 21 | 0x83);
	is_int(bad, 0, "4 GiB are where they are");
	is_int(number(BOOT_PML4 + 8, 8), 0, "and nothing else");
	is_int(number(BOOT_PDPTE + 32, 8), 0, "neither here");
	is_int(number(BOOT_GDT, 8), 0, "GDT: null");
	is_int(number(BOOT_GDT + BOOT_CS, 8), 0x00af9b000000ffff, "GDT: code");
	is_int(number(BOOT_GDT + BOOT_DS, 8), 0x00cf93000000ffff, "GDT: data");
	is_int(number(BOOT_GDT + BOOT_CS32, 8), 0x00cf9b000000ffff,
	    "GDT: 32-bit code");
	is_int(number(BOOT_PARAMS + 0x250, 8), BOOT_SETUP, "setup data");
	ok(number(BOOT_SETUP, 8) == 0 && number(BOOT_SETUP + 8, 4) == 9 &&
		number(BOOT_SETUP + 12, 4) == 32,
	    "which is one seed");
	ok(number(BOOT_SETUP + 16, 8) != number(BOOT_SETUP + 24, 8),
	    "of random numbers");
	end();
}

/* A bzImage's own header is handed on, and it may be moved. */
static void
test_bzimage(void)
{
	struct loader l;
	struct entry entry;
	struct err e = ERR_INIT;

	start(MEMORY);
	l = loader();
	kernel.format = KERNEL_BZIMAGE;
	kernel.setup_len = 0x77;
	memset(kernel.setup, 0x11, kernel.setup_len);
	kernel.segment_count = 1;
	kernel.entry_linux64 = KERNEL_AT + 0x200;
	kernel.alignment = 2 * MIB;
	ok(loader_load(&l, &entry, &e) == 0 && entry.rip == KERNEL_AT + 0x200,
	    "where it prefers to be");
	is_int(number(BOOT_PARAMS + 0x1f1, 4), 0x11111111, "its header");
	is_int(number(BOOT_PARAMS + 0x211, 1), 0x11, "loaded high");
	is_int(number(BOOT_PARAMS + 0x214, 4), KERNEL_AT, "where it is");
	kernel_close(&kernel);
	start(16 * MIB);
	l = loader();
	kernel.format = KERNEL_BZIMAGE;
	kernel.segment_count = 1;
	kernel.entry_linux64 = KERNEL_AT + 0x200;
	kernel.alignment = 2 * MIB;
	ok(loader_load(&l, &entry, &e) == 0 && entry.rip == 2 * MIB + 0x200,
	    "moved to where there is memory");
	ok(memcmp(gmem_at(&mem, 2 * MIB, 4096), code, 4096) == 0,
	    "its code too");
	kernel.alignment = 0;
	refused(&l, EX_USAGE, "memory: 16 MiB are too little for this kernel",
	    "-m 80M would do");
	end();
}

/* ---- addresses at random ------------------------------------------------ */

static void
moved(const char *cmdline, bool expected)
{
	struct loader l;
	struct entry entry;
	struct err e = ERR_INIT;
	uint64_t offset = 0;

	/* By chance it stays where it was linked: one in 500. */
	for (int i = 0; i < 10 && offset == 0; i++) {
		start(MEMORY);
		/* The first 8 bytes are in the table that lies at 0. */
		memcpy(code, (uint32_t[]){0, 0x81000000, 0, 0}, 16);
		close(kernel.fd);
		kernel.fd = file_with(code, sizeof(code));
		kernel.relocs.len = 16;
		l = loader();
		l.cmdline = cmdline;
		ok(loader_load(&l, &entry, &e) == 0, "loaded: %s", e.text);
		offset = number(KERNEL_AT, 8) - 0x9090909090909090;
		is_int(offset % (2 * MIB), 0, "aligned");
		is_int(number(BOOT_PARAMS + 0x211, 1), expected ? 3 : 1,
		    "what Linux is told");
		end();
		if (!expected)
			break;
	}
	ok((offset > 0) == expected, "%s: %s", cmdline,
	    expected ? "moved" : "stays");
}

static void
test_random(void)
{
	moved("quiet", true);
	moved("quiet nokaslrs", true);
	moved("nokaslr", false);
	moved("quiet nokaslr panic=-1", false);
}

/* ---- PVH ---------------------------------------------------------------- */

static void
test_pvh(void)
{
	struct initramfs fs;
	struct loader l;
	struct entry entry;
	struct err e = ERR_INIT;
	uint64_t map, module;

	start(MEMORY);
	initramfs_init(&fs);
	initramfs_finish(&fs, file_with("initrd", 6), &e);
	kernel.entry_pvh = KERNEL_AT + 0x10;
	l = loader();
	l.initramfs = &fs;
	ok(loader_load(&l, &entry, &e) == 0 && entry.mode == ENTRY_PVH,
	    "PVH, as the kernel has a note");
	ok(entry.rip == KERNEL_AT + 0x10 && entry.boot_data == BOOT_START,
	    "the entry");
	is_int(number(BOOT_START, 4), 0x336ec578, "magic");
	is_int(number(BOOT_START + 4, 4), 1, "version");
	is_int(number(BOOT_START + 12, 4), 1, "one module");
	module = number(BOOT_START + 16, 8);
	is_int(number(module, 8), MEMORY - 4096, "at the end of memory");
	is_int(number(module + 8, 8), 6, "its length");
	ok(memcmp(gmem_at(&mem, MEMORY - 4096, 6), "initrd", 6) == 0,
	    "its bytes");
	is_str(gmem_at(&mem, number(BOOT_START + 24, 8), 13), "console=hvc0",
	    "the command line");
	is_int(number(BOOT_START + 32, 8), ACPI_START, "the RSDP");
	map = number(BOOT_START + 40, 8);
	is_int(number(BOOT_START + 48, 4), 5, "entries of the memory map");
	ok(number(map + 3 * 24, 8) == HIGH_START &&
		number(map + 3 * 24 + 8, 8) == MEMORY - HIGH_START &&
		number(map + 3 * 24 + 16, 4) == 1,
	    "memory");
	l.mode = ENTRY_LINUX64;
	ok(loader_load(&l, &entry, &e) == 0 && entry.mode == ENTRY_LINUX64,
	    "the 64-bit entry if that is asked for");
	l.mode = ENTRY_AUTO;
	kernel.is_linux = true;
	ok(loader_load(&l, &entry, &e) == 0 && entry.mode == ENTRY_LINUX64,
	    "or if the kernel is Linux");
	kernel.entry_pvh = 0;
	l.mode = ENTRY_PVH;
	refused(&l, EX_DATAERR, "K: has no PVH entry", "");
	kernel.entry_linux64 = 0;
	l.mode = ENTRY_AUTO;
	refused(&l, EX_DATAERR, "K: has no 64-bit entry", "");
	initramfs_release(&fs);
	end();
}

/* ---- memory ------------------------------------------------------------- */

static void
test_initrd(void)
{
	struct initramfs fs;
	struct loader l;
	struct entry entry;
	struct err e = ERR_INIT;
	int fd = file_with("x", 1);

	start(MEMORY);
	l = loader();
	l.initramfs = &fs;
	initramfs_init(&fs);
	if (ftruncate(fd, 16 * MIB + 1) < 0 ||
	    initramfs_finish(&fs, fd, &e) < 0)
		abort();
	ok(loader_load(&l, &entry, &e) == 0, "an initrd of 16 MiB");
	is_int(number(BOOT_PARAMS + 0x218, 4), 48 * MIB - 4096, "its place");
	is_int(number(BOOT_PARAMS + 0x21c, 4), 16 * MIB + 1, "its length");
	is_int(number(48 * MIB - 4096, 1), 'x', "its bytes");
	kernel.initrd_max = 45 * MIB;
	ok(loader_load(&l, &entry, &e) == 0 &&
		number(BOOT_PARAMS + 0x218, 4) == 29 * MIB - 4096,
	    "lower, where the kernel says so");
	kernel.initrd_max = 40 * MIB;
	refused(&l, EX_USAGE,
	    "memory: 64 MiB are too little for this kernel and its initramfs",
	    "-m 112M would do");
	/* It would fit, but the kernel could not unpack it any more. */
	kernel.initrd_max = 0x7fffffff;
	fs.user_size = 20 * MIB;
	refused(&l, EX_USAGE,
	    "memory: 64 MiB are too little for this kernel and its initramfs",
	    "-m 128M would do");
	initramfs_release(&fs);
	end();
}

static void
test_memory(void)
{
	struct loader l;
	struct entry entry;
	struct err e = ERR_INIT;

	start(24 * MIB);
	l = loader();
	refused(&l, EX_USAGE, "memory: 24 MiB are too little for this kernel",
	    "-m 80M would do");
	gmem_release(&mem);
	refused(&l, EX_USAGE, "memory: 0 MiB are too little for this kernel",
	    "-m 80M would do");
	kernel_close(&kernel);
	start(MEMORY);
	/* Address space is enough for the part beyond the hole. */
	if (gmem_add(&mem, HOLE_END, GIB, 0, &e) < 0)
		abort();
	l = loader();
	ok(loader_load(&l, &entry, &e) == 0, "memory beyond the hole");
	is_int(number(BOOT_PARAMS + 0x1e8, 1), 6, "e820: entries");
	e820_is(4, HOLE_END, GIB, 1);
	end();
}

/* What a hostile kernel's headers may say. */
static void
test_places(void)
{
	static const struct {
		uint64_t gpa, len;
		const char *text;
	} bad[] = {
	    {0, 4096, "K: segment 0: cannot lie at 0x0 to 0x1000"},
	    {BOOT_PARAMS, 4096, "K: segment 0: cannot lie at 0x7000 to 0x8000"},
	    {HIGH_START - 1, 4096,
		"K: segment 0: cannot lie at 0xfffff to 0x100fff"},
	    {HIGH_START, HOLE_START,
		"K: segment 0: cannot lie at 0x100000 to 0xc0100000"},
	    {HOLE_START, 4096,
		"K: segment 0: cannot lie at 0xc0000000 to 0xc0001000"},
	    {HOLE_END, 4096,
		"K: segment 0: cannot lie at 0x100000000 to 0x100001000"},
	    {UINT64_MAX - 4096, 4096,
		"K: segment 0: cannot lie at 0xffffffffffffefff to "
		"0xffffffffffffffff"},
	};
	struct loader l;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		start(MEMORY);
		l = loader();
		kernel.segments[0].gpa = bad[i].gpa;
		kernel.segments[0].mem_size = bad[i].len;
		refused(&l, EX_DATAERR, bad[i].text, "");
		end();
	}
	start(MEMORY);
	l = loader();
	kernel.segments[1].gpa = HOLE_START - 8 * MIB;
	refused(&l, EX_USAGE, "memory: 64 MiB are too little for this kernel",
	    "-m 3120M would do");
	end();
}

static void
test_cmdline(void)
{
	static char text[CMDLINE_MAX + 1];
	struct loader l;
	struct entry entry;
	struct err e = ERR_INIT;

	start(MEMORY);
	l = loader();
	l.cmdline = text;
	memset(text, 'x', CMDLINE_MAX - 1);
	ok(loader_load(&l, &entry, &e) == 0 &&
		number(BOOT_CMDLINE + CMDLINE_MAX - 2, 2) == 'x',
	    "2047 bytes of kernel parameters");
	text[CMDLINE_MAX - 1] = 'x';
	refused(
	    &l, EX_USAGE, "kernel parameters: 2048 bytes, at most 2047", "");
	kernel.cmdline_max = 255;
	text[256] = '\0';
	refused(&l, EX_USAGE, "kernel parameters: 256 bytes, at most 255", "");
	kernel.cmdline_max = 2047;
	if (ftruncate(kernel.fd, 100) < 0)
		abort();
	refused(&l, EX_DATAERR, "K: became shorter while it was read", "");
	end();
}

/* ---- real kernels ------------------------------------------------------- */

/* One that was fetched or built, if there is any. */
static void
test_real(const char *path)
{
	struct loader l;
	struct entry entry;
	struct err e = ERR_INIT;

	if (access(path, R_OK) < 0) {
		skip("is not there", path);
		return;
	}
	start(256 * MIB);
	kernel_close(&kernel);
	ok(kernel_open(&kernel, path, NULL, &e) == 0, "%s %s", path, e.text);
	is_int(kernel.format, KERNEL_ELF, "its vmlinux");
	kernel_find_version(&kernel);
	ok(kernel.version[0] >= '5', "Linux %s", kernel.version);
	l = loader();
	l.mode = ENTRY_LINUX64;
	ok(loader_load(&l, &entry, &e) == 0, "is loaded %s", e.text);
	ok(number(entry.rip, 8) != 0, "there is code at its entry");
	if (kernel.entry_pvh) {
		l.mode = ENTRY_PVH;
		ok(loader_load(&l, &entry, &e) == 0 &&
			number(entry.rip, 8) != 0,
		    "and at its PVH entry");
	}
	end();
}

int
main(void)
{
	const char *cache = getenv("XDG_CACHE_HOME");
	char path[PATH_MAX];

	test_linux64();
	test_tables();
	test_bzimage();
	test_random();
	test_pvh();
	test_initrd();
	test_memory();
	test_places();
	test_cmdline();
	if (!cache || !cache[0]) {
		const char *home = getenv("HOME");

		snprintf(path, sizeof(path), "%s/.cache", home ? home : "");
		cache = path;
	}
	for (int i = 0; i < 2; i++) {
		char file[PATH_MAX + 64];

		snprintf(file, sizeof(file), "%s/vk/debian-kernel/%s/vmlinuz",
		    cache, i ? "generic" : "cloud");
		test_real(file);
	}
	test_real("build/vmlinux");
	return tap_done();
}
