/* SPDX-License-Identifier: MIT */
/*
 * loader.h - a kernel, its command line and its initramfs in guest memory
 *
 * Linux is moved to virtual addresses of its own (kaslr.h) where it can be and
 * the command line does not say "nokaslr".
 *
 * The result is an entry: what the first processor's registers are to be. All
 * other registers are zero. Interrupts are off (RFLAGS 2).
 *
 * ENTRY_LINUX64 (Linux's 64-bit boot protocol):
 *	RIP rip, RSP rsp, RSI boot_data (the zero page)
 *	CR0 PE PG (ET, NE as wanted), CR4 PAE, EFER LME LMA, CR3 BOOT_PML4
 *	GDTR BOOT_GDT, limit BOOT_GDT_LIMIT; IDTR empty
 *	CS selector BOOT_CS: 64-bit code, execute/read, accessed, limit 4 GiB
 *	DS ES SS FS GS selector BOOT_DS: data, read/write, accessed, 4 GiB
 *	TR selector BOOT_TR: busy 64-bit TSS, base 0, limit 0x67
 *
 * ENTRY_PVH (Xen's PVH, "x86/HVM direct boot ABI"):
 *	RIP rip, RBX boot_data (hvm_start_info)
 *	CR0 PE (ET), CR4 0, EFER 0: 32-bit protected mode without paging
 *	CS base 0: 32-bit code, execute/read, accessed, limit 4 GiB
 *	DS ES SS FS GS base 0: data, read/write, accessed, limit 4 GiB
 *	TR base 0, limit 0x67: busy 32-bit TSS
 *	(selectors as above with BOOT_CS32; the ABI leaves GDTR open, and the
 *	same table serves)
 */
#ifndef VK_BOOT_X86_LOADER_H
#define VK_BOOT_X86_LOADER_H

#include "cmd/vk-boot/gmem.h"
#include "cmd/vk-boot/initramfs.h"
#include "cmd/vk-boot/kernel.h"

#include "common/filter.h"

/* The table at BOOT_GDT. */
#define BOOT_CS        0x10
#define BOOT_DS        0x18
#define BOOT_TR        0x20 /* 16 bytes long */
#define BOOT_CS32      0x30
#define BOOT_GDT_LIMIT 0x37

enum entry_mode {
	ENTRY_AUTO, /* in what is asked for: Linux's for Linux, else PVH */
	ENTRY_LINUX64,
	ENTRY_PVH,
};

struct entry {
	enum entry_mode mode; /* never ENTRY_AUTO */
	uint64_t rip;
	uint64_t rsp;
	uint64_t boot_data;
};

struct loader {
	const struct gmem *mem; /* fresh: what is not written here is zero */
	const struct kernel *kernel;
	const char *cmdline;
	const struct initramfs *initramfs; /* NULL: none */
	uint64_t rsdp;                     /* gpa; 0: no ACPI */
	enum entry_mode mode;
};

/* What it asks of the host (filter.h). */
extern const struct filter_call loader_calls[];

/*
 * Loads. Returns 0 with the entry filled in, -1 with err: EX_DATAERR for a
 * kernel that wants to lie where it cannot, EX_USAGE with the -m that would do
 * for too little memory or a command line that is too long.
 */
int loader_load(const struct loader *, struct entry *, struct err *);

#endif
