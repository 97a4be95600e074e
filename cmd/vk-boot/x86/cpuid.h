/* SPDX-License-Identifier: MIT */
/*
 * cpuid.h - what the guest's processors say of themselves
 *
 * The host's features as KVM supports them, made true for one vCPU: its APIC
 * id, how many there are (one socket of that many cores, no threads), the
 * timer, the hypervisor bit.
 */
#ifndef VK_BOOT_X86_CPUID_H
#define VK_BOOT_X86_CPUID_H

#include <linux/kvm.h>
#include <stdbool.h>

struct cpuid_wanted {
	unsigned id;       /* APIC id, below cpus */
	unsigned cpus;     /* in the machine */
	bool tsc_deadline; /* the local APIC's timer can do it */
	bool no_nested;    /* VMX and SVM are hidden */
};

/* In place; max is how many entries there is room for. */
void cpuid_adjust(
    struct kvm_cpuid2 *, unsigned max, const struct cpuid_wanted *);

/* Of the guest-physical addresses that the processors here have. */
unsigned cpuid_address_bits(void);

#endif
