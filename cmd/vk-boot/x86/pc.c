/* SPDX-License-Identifier: MIT */
/* pc.c - what a guest is booted with whose machine is a PC */
#include "cmd/vk-boot/x86/pc.h"

#include "cmd/vk-boot/find.h"

const struct engine_guest pc_guest = {
    .parameters = "rdinit=/vk/agent console=ttyS0 quiet panic=-1 "
		  "reboot=k,panic_warm",
    .find_kernel = find_kernel,
    .loads_kernel = true,
    .modules = (const char *const[]){"virtio_pci", NULL},
};
