/* SPDX-License-Identifier: MIT */
/* cpuid.c - what the guest's processors say of themselves */
#include "cmd/vk-boot/x86/cpuid.h"

#include "tests/tap.h"

#include <stdlib.h>

#define MAX 16

static struct kvm_cpuid2 *
host(void)
{
	struct kvm_cpuid2 *cpuid =
	    calloc(1, sizeof(*cpuid) + MAX * sizeof(cpuid->entries[0]));

	cpuid->entries[cpuid->nent++] = (struct kvm_cpuid_entry2){
	    .function = 1, .ecx = 1u << 5 | 1, .ebx = 0xff001234};
	cpuid->entries[cpuid->nent++] = (struct kvm_cpuid_entry2){
	    .function = 0x80000001, .ecx = 1u << 2 | 1, .edx = 7};
	cpuid->entries[cpuid->nent++] =
	    (struct kvm_cpuid_entry2){.function = 0x8000000a, .eax = 1};
	return cpuid;
}

int
main(void)
{
	struct cpuid_wanted wanted = {.id = 1, .cpus = 2, .tsc_deadline = true};
	struct kvm_cpuid2 *cpuid = host();

	cpuid_adjust(cpuid, MAX, &wanted);
	is_int(cpuid->entries[0].ebx >> 24, 1, "APIC id");
	is_int(cpuid->entries[0].ebx >> 16 & 0xff, 2, "processors");
	ok(cpuid->entries[0].ecx >> 31, "a hypervisor is told");
	ok(cpuid->entries[0].ecx & 1u << 24, "TSC deadline");
	ok(cpuid->entries[0].ecx & 1u << 5 && cpuid->entries[1].ecx & 1u << 2 &&
		cpuid->entries[2].eax == 1,
	    "virtualisation is passed on");
	free(cpuid);

	cpuid = host();
	wanted.no_nested = true;
	cpuid_adjust(cpuid, MAX, &wanted);
	ok(!(cpuid->entries[0].ecx & 1u << 5) &&
		!(cpuid->entries[1].ecx & 1u << 2) &&
		cpuid->entries[2].eax == 0,
	    "or hidden");
	ok(cpuid->entries[0].ecx & 1 && cpuid->entries[1].ecx & 1 &&
		cpuid->entries[1].edx == 7,
	    "and nothing else");
	free(cpuid);
	return tap_done();
}
