/* SPDX-License-Identifier: MIT */
/* cpu.c - a vCPU's registers when the guest starts (see loader.h) */
#include "cmd/vk-boot/x86/cpu.h"

#include "cmd/vk-boot/x86/layout.h"

#define CR0_PE   (1u << 0)
#define CR0_ET   (1u << 4)
#define CR0_NE   (1u << 5)
#define CR0_PG   (1u << 31)
#define CR4_PAE  (1u << 5)
#define EFER_LME (1u << 8)
#define EFER_LMA (1u << 10)

#define RFLAGS_FIXED 2 /* bit 1 is always set */

/* Intel SDM volume 4. */
#define MSR_MISC_ENABLE         0x1a0
#define MISC_ENABLE_FAST_STRING 1
#define MSR_MTRR_DEF_TYPE       0x2ff
#define MTRR_ENABLE             (1u << 11)
#define MTRR_WRITE_BACK         6

int
cpu_init(struct kvm_cpu *cpu, struct err *e)
{
	static const struct kvm_msr_entry entries[] = {
	    {.index = MSR_MISC_ENABLE, .data = MISC_ENABLE_FAST_STRING},
	    {.index = MSR_MTRR_DEF_TYPE, .data = MTRR_ENABLE | MTRR_WRITE_BACK},
	};

	return kvm_cpu_set_msrs(
	    cpu, entries, sizeof(entries) / sizeof(entries[0]), e);
}

/* Segment types, Intel SDM volume 3, 3.4.5.1 and 3.5. */
static struct kvm_segment
segment(uint16_t selector, uint8_t type)
{
	return (struct kvm_segment){
	    .selector = selector,
	    .limit = 0xffffffff,
	    .type = type,
	    .present = 1,
	    .s = 1,
	    .g = 1,
	};
}

static void
set_segments(struct kvm_sregs *s, bool wide)
{
	struct kvm_segment data = segment(BOOT_DS, 0x3);

	s->cs = segment(wide ? BOOT_CS : BOOT_CS32, 0xb);
	s->cs.l = wide;
	s->cs.db = !wide;
	data.db = 1;
	s->ds = s->es = s->ss = s->fs = s->gs = data;
	s->tr = (struct kvm_segment){
	    .selector = BOOT_TR,
	    .limit = 0x67,
	    .type = 0xb,
	    .present = 1,
	};
	s->gdt.base = BOOT_GDT;
	s->gdt.limit = BOOT_GDT_LIMIT;
	s->idt.base = 0;
	s->idt.limit = 0;
}

int
cpu_enter(struct kvm_cpu *cpu, const struct entry *entry, struct err *e)
{
	bool wide = entry->mode == ENTRY_LINUX64;
	struct kvm_regs regs = {
	    .rip = entry->rip,
	    .rflags = RFLAGS_FIXED,
	};
	struct kvm_sregs sregs;

	if (kvm_cpu_get(cpu, &sregs, e) < 0)
		return -1;
	set_segments(&sregs, wide);
	sregs.cr0 = CR0_PE | CR0_ET;
	sregs.cr3 = sregs.cr4 = sregs.efer = 0;
	if (wide) {
		sregs.cr0 |= CR0_NE | CR0_PG;
		sregs.cr3 = BOOT_PML4;
		sregs.cr4 = CR4_PAE;
		sregs.efer = EFER_LME | EFER_LMA;
		regs.rsp = entry->rsp;
		regs.rsi = entry->boot_data;
	} else {
		regs.rbx = entry->boot_data;
	}
	return kvm_cpu_set(cpu, &regs, &sregs, e);
}
