/* SPDX-License-Identifier: MIT */
/* bzimage.h - a kernel's bzImage: its setup header and its payload */
#ifndef VK_BOOT_X86_BZIMAGE_H
#define VK_BOOT_X86_BZIMAGE_H

#include "cmd/vk-boot/kernel.h"

#include <stdbool.h>

/* Bytes of a file's start that bzimage_is looks at. */
#define BZIMAGE_MAGIC_LEN 0x206

bool bzimage_is(const void *start, size_t len);

/* The packed vmlinux inside a bzImage. */
struct bzimage_payload {
	uint64_t offset, len; /* len 0: there is none */
	uint64_t unpacked;    /* what it says it unpacks to */
};

/*
 * Reads the setup header of kernel->fd (kernel->size bytes), fills in the
 * segment, the entry, the version and what else struct kernel has of it, and
 * says where the payload is. Returns 0, -1 with err: EX_DATAERR, the text
 * without the file's name.
 */
int bzimage_read(struct kernel *, struct bzimage_payload *, struct err *);

#endif
