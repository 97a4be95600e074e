/* SPDX-License-Identifier: MIT */
/*
 * machine.h - the engine that is KVM, and a machine of our own: memory,
 * processors, buses, PCI
 */
#ifndef VK_BOOT_MACHINE_H
#define VK_BOOT_MACHINE_H

#include "cmd/vk-boot/engine.h"

/* KVM's own limit is asked for; this one is the size of a table. */
#define MACHINE_CPUS_MAX 256

/* System calls of a vCPU's thread: what a guest can reach at once. */
#define MACHINE_CPU_CALLS_MAX 25

/* Adds them; console is what a byte on the serial port asks of the host. */
void machine_allow(struct filter *, const struct filter_call *console);

/* The smallest that any kernel of ours starts in. */
#define MACHINE_MEMORY_MIN (32ull << 20)

/*
 * Makes it, and unless config says no_probe sees to it that this KVM runs
 * kernels. NULL with err: EX_UNAVAILABLE where there is no KVM that does.
 */
struct engine *machine_new(const struct engine_config *, struct err *);

/* Whether machine_new would find such a KVM, for who uses it without us: 0, -1
 * with err. */
int machine_probe(const struct engine_config *, struct err *);

#endif
