/* SPDX-License-Identifier: MIT */
/*
 * kaslr.h - Linux at virtual addresses of its own in each boot (KASLR)
 *
 * What a bzImage's decompressor does after unpacking and what nobody would do
 * for a kernel that starts without one: every place in the code that holds an
 * absolute address gets the same random offset added. The places are in a
 * table behind the ELF file's last byte, as 32-bit words that are sign-extended
 * to virtual addresses (arch/x86/tools/relocs.c):
 *
 *	0  places of 64-bit addresses
 *	0  places of 32-bit numbers to subtract from (not in Linux 6.15 or
 *later) 0  places of 32-bit addresses
 *
 * Physical addresses stay as linked. Linux chooses those of its direct map and
 * of vmalloc by itself once it is told that it was moved.
 */
#ifndef VK_BOOT_X86_KASLR_H
#define VK_BOOT_X86_KASLR_H

#include "cmd/vk-boot/gmem.h"
#include "cmd/vk-boot/kernel.h"

/* A table's bytes: Debian's kernels have 800,000 of them. */
#define KASLR_TABLE_MAX (16u << 20)

/*
 * A random offset for the kernel, a multiple of 2 MiB and not 0, the one that
 * everybody knows; 0 where there is no table, no room or no randomness.
 */
uint64_t kaslr_choose(const struct kernel *);

/*
 * Adds the offset to the kernel in the guest's memory, where it lies as linked.
 * The table is foreign: only bytes between the kernel's first and last are
 * changed. Returns 0, -1 with err (EX_DATAERR: not a table, EX_IOERR); then
 * the kernel is as it was.
 */
int kaslr_move(
    const struct kernel *, const struct gmem *, uint64_t offset, struct err *);

#endif
