/* SPDX-License-Identifier: MIT */
/*
 * kernel.h - a kernel's file: what it is and what is to be loaded of it
 *
 * Taken are, for x86-64:
 *
 *	bzImage	boot protocol 2.12 or later with its 64-bit entry. Its payload
 *		is unpacked here, once (unpack.h), so that the guest does not
 *		spend its start on it; where that cannot be done, the kernel's
 *		own decompressor runs in the guest.
 *	ELF	vmlinux, by the PVH note or by Linux's 64-bit entry
 *	either of these packed by gzip, bzip2, lzma, xz, lz4 or zstd
 *
 * The file may come out of a hostile image: every number in it is checked
 * here against the file's size, and by the loader against the guest's memory.
 * Bytes are read from the descriptor straight into the guest, never mapped: a
 * file that shrinks meanwhile is an error, not a signal.
 *
 * Left out: kernels for other processors and 32-bit ones.
 */
#ifndef VK_BOOT_KERNEL_H
#define VK_BOOT_KERNEL_H

#include "common/err.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kernel_format {
	KERNEL_BZIMAGE, /* as it is, decompressor and all */
	KERNEL_ELF,
};

/* Linux has 2 to 5; who has more is no kernel. */
#define KERNEL_SEGMENTS_MAX 32

/* file_size bytes at offset of the file belong at gpa; zeros follow them up to
 * mem_size. file_size <= mem_size, and the file has that many. */
struct kernel_segment {
	uint64_t offset, file_size;
	uint64_t gpa, mem_size;
};

/* The setup header of a bzImage (Documentation/arch/x86/boot.rst): from 0x1f1
 * of the file and of the zero page, to 0x290, where the next field begins. */
#define SETUP_HEADER       0x1f1
#define SETUP_HEADER_END   0x290
#define KERNEL_VERSION_MAX 128

struct kernel {
	enum kernel_format format;
	int fd; /* what is loaded: the file, or what it was unpacked to */
	uint64_t size;
	char path[PATH_MAX];              /* as the user knows it */
	char version[KERNEL_VERSION_MAX]; /* "6.1.0-1-amd64", "": unknown */

	/* What goes where. A relocatable bzImage may be moved as a whole. */
	struct kernel_segment segments[KERNEL_SEGMENTS_MAX];
	unsigned segment_count;
	uint64_t entry_linux64; /* 0: none */
	uint64_t entry_pvh;     /* 0: none */
	bool is_linux;          /* an ELF file that says so in a note */

	/* Of an ELF file: Linux's relocation table behind it (x86/kaslr.h). */
	struct {
		uint64_t offset;
		size_t len; /* 0: none */
	} relocs;

	/* The setup header's bytes, also kept for a vmlinux that was unpacked
	 * out of a bzImage; 0 of them for any other ELF. */
	uint8_t setup[SETUP_HEADER_END - SETUP_HEADER];
	size_t setup_len;
	uint64_t alignment;   /* of a relocatable bzImage's place, else 0 */
	uint32_t initrd_max;  /* the last address an initrd may have */
	uint32_t cmdline_max; /* bytes, without the NUL */
};

/*
 * Opens the kernel at path. "PATH#sha256=HEX" loads it only if its digest is
 * that one. cache: as struct unpack's folder. Returns 0, -1 with err
 * (EX_DATAERR: not a kernel, or a damaged one).
 */
int kernel_open(
    struct kernel *, const char *path, const char *cache, struct err *);

/* The same for an open file, which is taken over in any case. */
int kernel_open_fd(
    struct kernel *, int fd, const char *path, const char *cache, struct err *);

/*
 * Makes sure that version is known where it can be: an ELF file is searched
 * for Linux's banner, which reads all of it. Does nothing if it is known.
 */
void kernel_find_version(struct kernel *);

/* May be called twice, and after an open that failed. */
void kernel_close(struct kernel *);

#endif
