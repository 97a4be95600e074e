/* SPDX-License-Identifier: MIT */
/* elf.h - a kernel's ELF file (vmlinux): its segments and its entries */
#ifndef VK_BOOT_X86_ELF_H
#define VK_BOOT_X86_ELF_H

#include "cmd/vk-boot/kernel.h"

/*
 * Reads the headers of kernel->fd (kernel->size bytes) and fills in segments
 * and entries. Returns 0, -1 with err: EX_DATAERR, the text without the file's
 * name.
 */
int elf_read(struct kernel *, struct err *);

#endif
