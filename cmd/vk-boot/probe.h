/* SPDX-License-Identifier: MIT */
/*
 * probe.h - does this KVM run code, or does it only say so?
 *
 * Some hosts are VMs whose KVM makes VMs and vCPUs but has no hardware to run
 * them on, and emulates each instruction: a kernel never gets anywhere. So the
 * first thing a vCPU runs here is a loop of a few thousand instructions, timed:
 * microseconds where there is hardware, a millisecond where even that is
 * emulated by a good translator, and tens of them where there is none.
 */
#ifndef VK_BOOT_PROBE_H
#define VK_BOOT_PROBE_H

#include "cmd/vk-boot/kvm.h"

/*
 * Runs on a vCPU as it was created (real mode) and on memory at PROBE_AT, and
 * leaves both changed: the caller sets registers and memory afterwards.
 * Returns 0, -1 with err (EX_UNAVAILABLE).
 */
int probe_run(struct kvm_cpu *, const struct gmem *, struct err *);

#define PROBE_AT 0x1000

#endif
