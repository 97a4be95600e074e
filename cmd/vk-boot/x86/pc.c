/* SPDX-License-Identifier: MIT */
/* pc.c - what a guest is booted with whose machine is a PC */
#include "cmd/vk-boot/x86/pc.h"

#include "cmd/vk-boot/find.h"

#include <stdio.h>

const struct engine_guest pc_guest = {
    .parameters = "rdinit=/vk/agent console=ttyS0 quiet panic=-1 "
		  "reboot=k,panic_warm cryptomgr.notests",
    .find_kernel = find_kernel,
    .loads_kernel = true,
    .modules = (const char *const[]){"virtio_pci", NULL},
};

enum engine_end
pc_reset(uint16_t start_kind, char *text)
{
	bool panic = start_kind == PC_START_WARM;

	snprintf(text, 16, panic ? "panic" : "reset");
	return panic ? ENGINE_CRASHED : ENGINE_RESET;
}

int
pc_kernel_for(const struct kernel *kernel, const char *path, const char *vmm,
    struct err *e)
{
	if (kernel->format == KERNEL_ELF && !kernel->entry_pvh)
		return err_set(e, EX_UNAVAILABLE,
		    "%s: %s starts an ELF file by a PVH note, which this one "
		    "has not",
		    path, vmm);
	return 0;
}
