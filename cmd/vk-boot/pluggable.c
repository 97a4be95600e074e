/* SPDX-License-Identifier: MIT */
/* pluggable.c - the part of the address space where memory can be added */
#include "cmd/vk-boot/pluggable.h"

#include "cmd/vk-boot/virtio/mem.h"
#include "cmd/vk-boot/x86/cpuid.h"
#include "cmd/vk-boot/x86/layout.h"

#include "common/size.h"

/*
 * Linux adds memory in blocks of 128 MiB, and on machines with 64 GiB and more
 * of up to 2 GiB; what does not fill one it cannot use.
 */
#define STEP_SMALL (256 * MIB)
#define STEP_LARGE (2 * GIB)
#define LARGE      (32 * GIB)

/* Any KVM has slots for so many steps beside ours. */
#define STEPS_MAX 128

static uint64_t
round_up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) / unit * unit;
}

int
pluggable_add(
    struct pluggable *p, struct gmem *mem, uint64_t more, struct err *e)
{
	const struct gmem_region *last = &mem->regions[mem->count - 1];
	uint64_t end = last->gpa + last->len, gpa, len;
	char text[SIZE_TEXT_MAX];

	p->step = end + more >= LARGE ? STEP_LARGE : STEP_SMALL;
	while (more / p->step > STEPS_MAX)
		p->step *= 2;
	gpa = round_up(end > HOLE_END ? end : HOLE_END, STEP_LARGE);
	len = round_up(more, p->step);
	if (gpa + len > 1ull << cpuid_address_bits())
		return err_set(e, EX_USAGE,
		    "memory: processors here address no more than %s",
		    size_text(1ull << cpuid_address_bits(), text));
	p->first = p->slot = mem->count;
	if (gmem_add_blocks(mem, gpa, len, MEM_BLOCK, e) < 0)
		return -1;
	p->region = &mem->regions[mem->count - 1];
	return 0;
}

int
pluggable_show(
    struct pluggable *p, struct kvm *kvm, uint64_t bytes, struct err *e)
{
	uint64_t shown = p->region->blocks->reach;
	uint64_t wanted = round_up(bytes, p->step);
	struct gmem_region part = *p->region;

	if (wanted <= shown)
		return 0;
	part.gpa += shown;
	part.hva += shown;
	part.len = wanted - shown;
	if (kvm_map(kvm, p->slot, &part, e) < 0)
		return -1;
	p->slot++;
	p->region->blocks->reach = wanted;
	return 0;
}

int
pluggable_again(struct pluggable *p, struct kvm *kvm, struct err *e)
{
	uint64_t shown = p->region ? p->region->blocks->reach : 0;

	if (shown == 0)
		return 0;
	p->slot = p->first;
	p->region->blocks->reach = 0;
	return pluggable_show(p, kvm, shown, e);
}
