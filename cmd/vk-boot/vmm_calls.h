/* SPDX-License-Identifier: MIT */
/*
 * vmm_calls.h - the system calls that any program makes which runs a guest
 * (vmm.h): those of its start and its end, of its memory, threads and signals,
 * and of devices behind unix sockets
 *
 * What one makes beside these is in a file of its own (qemu_calls.h,
 * uml_calls.h).
 */
#ifndef VK_BOOT_VMM_CALLS_H
#define VK_BOOT_VMM_CALLS_H

#include "common/filter.h"

extern const struct filter_call vmm_calls[];

#endif
