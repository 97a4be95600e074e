/* SPDX-License-Identifier: MIT */
/* cpuid.c - what the guest's processors say of themselves */
#include "cmd/vk-boot/x86/cpuid.h"

#include <cpuid.h>
#include <string.h>

/* Leaf 1: Intel SDM volume 2, CPUID. */
#define LEAF1_ECX_VMX          (1u << 5)
#define LEAF1_ECX_X2APIC       (1u << 21)
#define LEAF1_ECX_TSC_DEADLINE (1u << 24)
#define LEAF1_ECX_HYPERVISOR   (1u << 31)
#define LEAF1_EDX_HTT          (1u << 28)
/* Leaf 80000001: AMD APM volume 3, E.4.2. Leaf 8000000a is SVM's own. */
#define AMD_ECX_SVM (1u << 2)
/* Leaf 80000008: EAX bits 7-0 count those of an address, bits 23-16 those of a
 * guest's where they differ; 36 where there is no such leaf. */
#define LEAF_ADDRESS       0x80000008
#define ADDRESS_BITS_LEAST 36

/* Bits needed to number count things. */
static unsigned
id_bits(unsigned count)
{
	unsigned bits = 0;

	while ((1u << bits) < count)
		bits++;
	return bits;
}

static void
leaf_1(struct kvm_cpuid_entry2 *leaf, const struct cpuid_wanted *w)
{
	unsigned count = w->cpus > 255 ? 255 : w->cpus;

	/* EBX: initial APIC id, logical processors, cache line flush size. */
	leaf->ebx =
	    (leaf->ebx & 0x0000ffff) | (w->id & 0xff) << 24 | count << 16;
	leaf->ecx |= LEAF1_ECX_HYPERVISOR | LEAF1_ECX_X2APIC;
	if (w->tsc_deadline)
		leaf->ecx |= LEAF1_ECX_TSC_DEADLINE;
	if (w->no_nested)
		leaf->ecx &= ~LEAF1_ECX_VMX;
	if (w->cpus > 1)
		leaf->edx |= LEAF1_EDX_HTT;
	else
		leaf->edx &= ~LEAF1_EDX_HTT;
}

/* Deterministic caches: who shares each level, and cores in the package. */
static void
leaf_4(struct kvm_cpuid_entry2 *leaf, const struct cpuid_wanted *w)
{
	unsigned cores = (1u << id_bits(w->cpus)) - 1;
	unsigned level = leaf->eax >> 5 & 7;
	unsigned sharing = level >= 3 ? cores : 0;

	if ((leaf->eax & 0x1f) == 0)
		return;
	leaf->eax = (leaf->eax & 0x3fff) | (sharing & 0xfff) << 14 |
		    (leaf->function == 0x4 ? (cores & 0x3f) << 26 : 0);
}

/* Extended topology: a thread level of one, a core level of all. */
static void
leaf_topology(struct kvm_cpuid_entry2 *leaf, const struct cpuid_wanted *w)
{
	leaf->edx = w->id;
	leaf->ecx = leaf->index & 0xff;
	leaf->eax = leaf->ebx = 0;
	if (leaf->index == 0) {
		leaf->ebx = 1;
		leaf->ecx |= 1 << 8;
	} else if (leaf->index == 1) {
		leaf->eax = id_bits(w->cpus);
		leaf->ebx = w->cpus;
		leaf->ecx |= 2 << 8;
	}
}

/* AMD: leaf 8000_0008 ECX, cores less one and the width of their ids. */
static void
leaf_amd_cores(struct kvm_cpuid_entry2 *leaf, const struct cpuid_wanted *w)
{
	leaf->ecx = (leaf->ecx & ~0xf0ffu) | ((w->cpus - 1) & 0xff) |
		    id_bits(w->cpus) << 12;
}

/* AMD: leaf 8000_001e, extended APIC id, core, node. */
static void
leaf_amd_ids(struct kvm_cpuid_entry2 *leaf, const struct cpuid_wanted *w)
{
	leaf->eax = w->id;
	leaf->ebx = w->id & 0xff;
	leaf->ecx = 0;
}

/* Makes sure that leaf 0xb has its two levels, where KVM gave fewer. */
static void
complete_topology(struct kvm_cpuid2 *cpuid, unsigned max)
{
	unsigned have[2] = {0, 0};
	bool any = false;

	for (unsigned i = 0; i < cpuid->nent; i++) {
		const struct kvm_cpuid_entry2 *leaf = &cpuid->entries[i];

		if (leaf->function != 0xb)
			continue;
		any = true;
		if (leaf->index < 2)
			have[leaf->index] = 1;
	}
	for (unsigned index = 0; any && index < 2; index++) {
		if (have[index] || cpuid->nent == max)
			continue;
		cpuid->entries[cpuid->nent++] = (struct kvm_cpuid_entry2){
		    .function = 0xb,
		    .index = index,
		    .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		};
	}
}

void
cpuid_adjust(
    struct kvm_cpuid2 *cpuid, unsigned max, const struct cpuid_wanted *wanted)
{
	complete_topology(cpuid, max);
	for (unsigned i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *leaf = &cpuid->entries[i];

		switch (leaf->function) {
		case 0x1:
			leaf_1(leaf, wanted);
			break;
		case 0x4:
		case 0x8000001d:
			leaf_4(leaf, wanted);
			break;
		case 0xb:
		case 0x1f:
			leaf_topology(leaf, wanted);
			break;
		case 0x80000001:
			if (wanted->no_nested)
				leaf->ecx &= ~AMD_ECX_SVM;
			break;
		case 0x8000000a:
			if (wanted->no_nested)
				leaf->eax = leaf->ebx = leaf->ecx = leaf->edx =
				    0;
			break;
		case 0x80000008:
			leaf_amd_cores(leaf, wanted);
			break;
		case 0x8000001e:
			leaf_amd_ids(leaf, wanted);
			break;
		}
	}
}

unsigned
cpuid_address_bits(void)
{
	unsigned eax, ebx, ecx, edx;

	if (!__get_cpuid(LEAF_ADDRESS, &eax, &ebx, &ecx, &edx))
		return ADDRESS_BITS_LEAST;
	return eax >> 16 & 0xff ? eax >> 16 & 0xff : eax & 0xff;
}
