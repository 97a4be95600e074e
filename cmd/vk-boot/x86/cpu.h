/* SPDX-License-Identifier: MIT */
/* cpu.h - a vCPU's registers when the guest starts */
#ifndef VK_BOOT_X86_CPU_H
#define VK_BOOT_X86_CPU_H

#include "cmd/vk-boot/kvm.h"
#include "cmd/vk-boot/x86/loader.h"

/* Every vCPU: MSRs as firmware leaves them. */
int cpu_init(struct kvm_cpu *, struct err *);

/* The first one: at the kernel's entry, as loader.h says. The others wait for
 * it to start them, as they do after reset. */
int cpu_enter(struct kvm_cpu *, const struct entry *, struct err *);

#endif
