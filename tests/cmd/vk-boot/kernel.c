/* SPDX-License-Identifier: MIT */
#include "cmd/vk-boot/kernel.h"

#include "tests/cmd/vk-boot/packed.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

/* ---- an ELF kernel ------------------------------------------------------ */

#define LOAD   0x200000u
#define CODE   0x1000u /* of it in the file */
#define NOTES  0x800u
#define BANNER 0x1100u

/* The structures are those of this machine, which is what they describe. */
struct elf {
	Elf64_Ehdr header;
	Elf64_Phdr table[3];
	uint8_t rest[0x2000 - sizeof(Elf64_Ehdr) - 3 * sizeof(Elf64_Phdr)];
};

static struct elf
good_elf(void)
{
	static const uint32_t note[] = {4, 8, 18};
	static const char banner[] = "Linux version 6.1.0-test (somebody)";
	uint64_t entry = LOAD + 0x40;
	struct elf elf = {
	    .header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB,
			   1},
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_entry = LOAD,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 3},
	    .table =
		{
		    {.p_type = PT_LOAD,
			.p_offset = CODE,
			.p_paddr = LOAD,
			.p_filesz = 0x800,
			.p_memsz = 0x1000},
		    {.p_type = PT_LOAD,
			.p_offset = 0x1800,
			.p_paddr = LOAD + 0x1000,
			.p_filesz = 0x800,
			.p_memsz = 0x100000},
		    {.p_type = PT_NOTE, .p_offset = NOTES, .p_filesz = 24},
		},
	};

	memcpy((char *)&elf + NOTES, note, 12);
	memcpy((char *)&elf + NOTES + 12, "Xen", 4);
	memcpy((char *)&elf + NOTES + 16, &entry, 8);
	memcpy((char *)&elf + BANNER, banner, sizeof(banner));
	return elf;
}

static int
open_bytes(struct kernel *kernel, const void *bytes, size_t len, struct err *e)
{
	return kernel_open_fd(kernel, file_with(bytes, len), "K", "", e);
}

/* Opens it, expects this error. */
static void
refused(const void *bytes, size_t len, const char *expected)
{
	struct kernel kernel;
	struct err e = ERR_INIT;

	ok(open_bytes(&kernel, bytes, len, &e) < 0 && kernel.fd == -1,
	    "refused: %s", expected);
	is_str(e.text, expected, "and why");
	is_int(e.status, EX_DATAERR, "status");
}

static void
test_elf(void)
{
	struct elf elf = good_elf();
	struct kernel kernel;
	struct err e = ERR_INIT;

	ok(open_bytes(&kernel, &elf, sizeof(elf), &e) == 0, "ELF: %s", e.text);
	is_int(kernel.format, KERNEL_ELF, "is one");
	is_int(kernel.segment_count, 2, "segments");
	ok(kernel.segments[1].offset == 0x1800 &&
		kernel.segments[1].file_size == 0x800 &&
		kernel.segments[1].gpa == LOAD + 0x1000 &&
		kernel.segments[1].mem_size == 0x100000,
	    "the second one");
	is_int(kernel.entry_linux64, LOAD, "64-bit entry");
	is_int(kernel.entry_pvh, LOAD + 0x40, "PVH entry");
	is_str(kernel.version, "", "no version so far");
	kernel_find_version(&kernel);
	is_str(kernel.version, "6.1.0-test", "version of its banner");
	kernel_close(&kernel);
	kernel_close(&kernel);

	elf.table[2].p_type = PT_NULL;
	ok(open_bytes(&kernel, &elf, sizeof(elf), &e) == 0 &&
		kernel.entry_pvh == 0 && kernel.entry_linux64 == LOAD,
	    "without a note: no PVH entry");
	kernel_close(&kernel);
	elf = good_elf();
	elf.header.e_entry = 0xffffffff81000000;
	ok(open_bytes(&kernel, &elf, sizeof(elf), &e) == 0 &&
		kernel.entry_pvh == LOAD + 0x40 && kernel.entry_linux64 == 0,
	    "an entry at a virtual address: by PVH only");
	kernel_close(&kernel);
}

/* A note by Linux's name, and a relocation table behind all else. */
static void
test_linux(void)
{
	static const uint32_t note[] = {6, 4, 0x101};
	struct {
		struct elf elf;
		uint32_t table[4];
	} file = {.elf = good_elf()};
	struct kernel kernel;
	struct err e = ERR_INIT;

	ok(open_bytes(&kernel, &file, sizeof(file), &e) == 0 &&
		!kernel.is_linux && kernel.relocs.len == 16 &&
		kernel.relocs.offset == sizeof(file.elf),
	    "a relocation table: %s", e.text);
	kernel_close(&kernel);
	memcpy((char *)&file.elf + NOTES, note, 12);
	memcpy((char *)&file.elf + NOTES + 12, "Linux", 6);
	ok(open_bytes(&kernel, &file, sizeof(file) - 1, &e) == 0 &&
		kernel.is_linux && kernel.relocs.len == 0,
	    "Linux, and something behind it that is no table");
	kernel_close(&kernel);
	file.elf.header.e_shoff = sizeof(file.elf);
	file.elf.header.e_shnum = 1;
	file.elf.header.e_shentsize = 8;
	ok(open_bytes(&kernel, &file, sizeof(file), &e) == 0 &&
		kernel.relocs.len == 8 &&
		kernel.relocs.offset == sizeof(file.elf) + 8,
	    "a table behind section headers");
	kernel_close(&kernel);
}

static void
test_bad_elf(void)
{
	struct elf elf = good_elf();
	struct err e = ERR_INIT;
	struct kernel kernel;
	size_t len;

	for (len = 0; len < sizeof(elf); len++)
		if (open_bytes(&kernel, &elf, len, &e) == 0)
			break;
	is_int(len, sizeof(elf), "every shorter file is refused");
	refused(&elf, 0x1900, "K: truncated: has 6400 bytes, needs 8192");
	elf.table[0].p_offset = UINT64_MAX;
	refused(&elf, sizeof(elf),
	    "K: truncated: has 8192 bytes, needs 18446744073709551615");
	elf = good_elf();
	elf.table[0].p_filesz = 0x2000;
	refused(&elf, sizeof(elf),
	    "K: segment 0: more bytes in the file than in memory");
	elf = good_elf();
	elf.table[1].p_paddr = UINT64_MAX - 0x100000;
	ok(open_bytes(&kernel, &elf, sizeof(elf), &e) == 0,
	    "up to the end of all memory (the loader's matter)");
	kernel_close(&kernel);
	elf.table[1].p_paddr++;
	refused(
	    &elf, sizeof(elf), "K: segment 1: beyond the end of all memory");
	elf = good_elf();
	elf.table[1].p_paddr = LOAD + 0xfff;
	refused(&elf, sizeof(elf), "K: segment 1: lies over another one");
	elf = good_elf();
	elf.header.e_machine = EM_AARCH64;
	refused(&elf, sizeof(elf), "K: not a kernel for x86-64");
	elf = good_elf();
	elf.header.e_ident[EI_CLASS] = ELFCLASS32;
	refused(&elf, sizeof(elf), "K: not a kernel for x86-64");
	elf = good_elf();
	elf.table[2].p_type = PT_GNU_RELRO;
	refused(&elf, sizeof(elf), "K: a program, not a kernel");
	elf = good_elf();
	elf.header.e_phnum = 65;
	refused(&elf, sizeof(elf),
	    "K: not a kernel: 65 program headers of 56 bytes");
	elf = good_elf();
	elf.header.e_entry = LOAD + 0x800; /* behind the bytes of the file */
	elf.table[2].p_type = PT_NULL;
	refused(
	    &elf, sizeof(elf), "K: not a kernel: its entry is nowhere in it");
}

/* Notes are read to their end and no further, whatever their lengths. */
static void
test_bad_notes(void)
{
	struct elf elf = good_elf();
	uint32_t *note = (uint32_t *)(void *)((char *)&elf + NOTES);
	struct err e = ERR_INIT;
	struct kernel kernel;
	unsigned opened = 0;

	for (unsigned i = 0; i < 3; i++)
		for (unsigned bit = 0; bit < 32; bit++) {
			elf = good_elf();
			note[i] ^= 1u << bit;
			opened +=
			    open_bytes(&kernel, &elf, sizeof(elf), &e) == 0 &&
			    (kernel.entry_pvh == 0 ||
				kernel.entry_pvh == LOAD + 0x40);
			kernel_close(&kernel);
		}
	is_int(opened, 96, "damaged notes are no notes");
}

/* ---- a bzImage ---------------------------------------------------------- */

#define BZIMAGE_LEN 0x8000

static void
put(uint8_t *page, size_t at, uint64_t value, size_t width)
{
	for (size_t i = 0; i < width; i++, value >>= 8)
		page[at + i] = (uint8_t)value;
}

/* Two setup sectors, then code with a packed ELF in it. Returns the payload's
 * length with the four bytes behind it. */
static size_t
make_bzimage(uint8_t image[BZIMAGE_LEN], const char *filter)
{
	static const char version[] = "6.1.0-bz (who@where) #1 SMP";
	struct elf elf = good_elf();
	size_t len =
	    pack(filter, &elf, sizeof(elf), image + 0x700, BZIMAGE_LEN - 0x800);

	memset(image, 0, 0x700);
	put(image, 0x1f1, 2, 1);                          /* sectors */
	put(image, 0x1f4, (BZIMAGE_LEN - 0x600) / 16, 4); /* syssize */
	put(image, 0x1fe, 0xaa55, 2);
	put(image, 0x200, 0x66eb, 2); /* a jump over the header */
	memcpy(image + 0x202, "HdrS", 4);
	put(image, 0x206, 0x20f, 2);      /* protocol */
	put(image, 0x20e, 0x200, 2);      /* version at 0x400 */
	put(image, 0x22c, 0x7fffffff, 4); /* initrd_addr_max */
	put(image, 0x230, 0x200000, 4);   /* alignment */
	put(image, 0x234, 1, 1);          /* relocatable */
	put(image, 0x236, 1, 2);          /* has a 64-bit entry */
	put(image, 0x238, 2047, 4);       /* cmdline_size */
	put(image, 0x248, 0x100, 4);      /* payload */
	put(image, 0x258, 0x1000000, 8);  /* pref_address */
	put(image, 0x260, 0x400000, 4);   /* init_size */
	memcpy(image + 0x400, version, sizeof(version));
	if (strcmp(filter, "gzip") != 0) {
		put(image, 0x700 + len, sizeof(elf), 4);
		len += 4;
	}
	put(image, 0x24c, len, 4);
	return len;
}

static void
test_bzimage(const char *filter)
{
	static uint8_t image[BZIMAGE_LEN];
	struct kernel kernel;
	struct err e = ERR_INIT;

	if (make_bzimage(image, filter) <= 4) {
		skip("libarchive cannot pack it", filter);
		return;
	}
	ok(open_bytes(&kernel, image, sizeof(image), &e) == 0,
	    "bzImage, %s: %s", filter, e.text);
	is_int(kernel.format, KERNEL_ELF, "its vmlinux is unpacked");
	is_str(kernel.version, "6.1.0-bz", "its version");
	is_int(kernel.entry_linux64, LOAD, "its vmlinux's entry");
	ok(kernel.setup_len == 0x77 && kernel.setup[0x202 - 0x1f1] == 'H',
	    "its setup header is kept");
	kernel_close(&kernel);
}

static void
test_fallback(void)
{
	static uint8_t image[BZIMAGE_LEN];
	struct kernel kernel;
	struct err e = ERR_INIT;

	make_bzimage(image, "gzip");
	image[0x720] ^= 0x55; /* inside of what is packed */
	ok(open_bytes(&kernel, image, sizeof(image), &e) == 0,
	    "a payload that cannot be unpacked");
	is_int(kernel.format, KERNEL_BZIMAGE, "is left to the kernel itself");
	ok(kernel.segment_count == 1 && kernel.segments[0].offset == 0x600 &&
		kernel.segments[0].file_size == BZIMAGE_LEN - 0x600 &&
		kernel.segments[0].gpa == 0x1000000 &&
		kernel.segments[0].mem_size == 0x400000,
	    "the whole of its code");
	is_int(kernel.entry_linux64, 0x1000200, "its 64-bit entry");
	is_int(kernel.alignment, 0x200000, "it may be moved");
	kernel_close(&kernel);
	make_bzimage(image, "gzip");
	put(image, 0x24c, 0xffffffff, 4);
	ok(open_bytes(&kernel, image, sizeof(image), &e) == 0 &&
		kernel.format == KERNEL_BZIMAGE,
	    "a payload beyond the file's end");
	kernel_close(&kernel);
	make_bzimage(image, "xz");
	put(image, 0x700 + (image[0x24c] | image[0x24d] << 8) - 4, 100, 4);
	ok(open_bytes(&kernel, image, sizeof(image), &e) == 0 &&
		kernel.format == KERNEL_BZIMAGE,
	    "a payload that is more than it says");
	kernel_close(&kernel);
}

static void
test_bad_bzimage(void)
{
	static uint8_t image[BZIMAGE_LEN];
	struct kernel kernel;
	struct err e = ERR_INIT;
	size_t len;

	make_bzimage(image, "gzip");
	for (len = BZIMAGE_LEN - 15; len > 0; len -= len > 0x700 ? 997 : 1)
		if (open_bytes(&kernel, image, len - 1, &e) == 0)
			break;
	is_int(len, 0, "every shorter file is refused");
	put(image, 0x206, 0x20b, 2);
	refused(image, sizeof(image),
	    "K: boot protocol 2.11: 2.12 (Linux 3.8) is the oldest that boots");
	make_bzimage(image, "gzip");
	put(image, 0x236, 0, 2);
	refused(image, sizeof(image), "K: not a kernel for x86-64");
	make_bzimage(image, "gzip");
	put(image, 0x230, 3, 4);
	refused(image, sizeof(image), "K: damaged: an alignment of 3 bytes");
	make_bzimage(image, "gzip");
	put(image, 0x1f4, 0xffffffff, 4);
	refused(image, sizeof(image),
	    "K: truncated: has 32768 bytes, needs 68719478256");
	make_bzimage(image, "gzip");
	put(image, 0x258, UINT64_MAX, 8);
	refused(image, sizeof(image),
	    "K: damaged: wants to lie at 0xffffffffffffffff");
	/* The version may be anywhere, and need not end. */
	make_bzimage(image, "gzip");
	put(image, 0x20e, 0xffff, 2);
	ok(open_bytes(&kernel, image, sizeof(image), &e) == 0,
	    "a version beyond the setup sectors");
	is_str(kernel.version, "", "is none");
	kernel_close(&kernel);
	make_bzimage(image, "gzip");
	memset(image + 0x400, 'x', 0x200);
	ok(open_bytes(&kernel, image, sizeof(image), &e) == 0 &&
		strlen(kernel.version) == KERNEL_VERSION_MAX - 1,
	    "a version without an end");
	kernel_close(&kernel);
}

/* ---- files -------------------------------------------------------------- */

static void
test_packed(const char *filter)
{
	static uint8_t packed[0x8000];
	struct elf elf = good_elf();
	size_t len = pack(filter, &elf, sizeof(elf), packed, sizeof(packed));
	struct kernel kernel;
	struct err e = ERR_INIT;

	if (len == 0) {
		skip("libarchive cannot pack it", filter);
		return;
	}
	ok(open_bytes(&kernel, packed, len, &e) == 0 &&
		kernel.format == KERNEL_ELF && kernel.segment_count == 2,
	    "an ELF file packed by %s", filter);
	kernel_close(&kernel);
	ok(open_bytes(&kernel, packed, len / 2, &e) < 0 &&
		strstr(e.text, filter) && e.status == EX_DATAERR,
	    "half of it");
	len = pack(filter, "hello", 5, packed, sizeof(packed));
	ok(open_bytes(&kernel, packed, len, &e) < 0 && e.status == EX_DATAERR,
	    "something else packed by it");
}

static void
test_digest(void)
{
	char path[] = "/tmp/vk-test-kernel.XXXXXX", named[128];
	struct kernel kernel;
	struct err e = ERR_INIT;
	struct elf elf = good_elf();
	int fd = mkstemp(path);

	if (fd < 0 || write(fd, &elf, sizeof(elf)) != sizeof(elf))
		abort();
	snprintf(named, sizeof(named), "%s#sha256=%064d", path, 0);
	ok(kernel_open(&kernel, named, "", &e) < 0 &&
		strstr(e.text, "not the one asked for"),
	    "another digest");
	is_int(e.status, EX_DATAERR, "status");
	/* What it says there is the right one. */
	snprintf(named, sizeof(named), "%s#sha256=%.64s", path,
	    strstr(e.text, "sha256:") + 7);
	ok(kernel_open(&kernel, named, "", &e) == 0, "the right digest");
	is_str(kernel.path, path, "the path without it");
	if (ftruncate(fd, 0) < 0)
		abort();
	kernel_find_version(&kernel);
	is_str(kernel.version, "6.1.0-test",
	    "what was checked cannot change any more");
	kernel_close(&kernel);
	snprintf(named, sizeof(named), "%s#sha256=123", path);
	ok(kernel_open(&kernel, named, "", &e) < 0 && e.status == EX_USAGE,
	    "no digest at all");
	unlink(path);
	close(fd);
}

static void
test_files(void)
{
	struct kernel kernel;
	struct err e = ERR_INIT;
	struct elf elf = good_elf();
	int pipes[2];

	ok(kernel_open(&kernel, "/nonexistent/k", "", &e) < 0, "no such file");
	is_str(e.text, "/nonexistent/k: No such file or directory", "is said");
	is_int(e.status, EX_NOINPUT, "status");
	ok(kernel_open(&kernel, "/tmp", "", &e) < 0, "a folder");
	is_str(e.text, "/tmp: read: Is a directory", "is said");
	refused("", 0, "K: not a Linux kernel (empty)");
	refused("hello", 5, "K: not a Linux kernel (neither bzImage nor ELF)");
	if (pipe(pipes) < 0 ||
	    write(pipes[1], &elf, sizeof(elf)) != sizeof(elf))
		abort();
	close(pipes[1]);
	ok(kernel_open_fd(&kernel, pipes[0], "K", "", &e) == 0 &&
		kernel.segment_count == 2,
	    "from a pipe");
	kernel_close(&kernel);
}

int
main(void)
{
	static const char *const filters[] = {
	    "gzip", "bzip2", "lzma", "xz", "lz4", "zstd"};

	test_elf();
	test_linux();
	test_bad_elf();
	test_bad_notes();
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		test_bzimage(filters[i]);
		test_packed(filters[i]);
	}
	test_fallback();
	test_bad_bzimage();
	test_digest();
	test_files();
	return tap_done();
}
