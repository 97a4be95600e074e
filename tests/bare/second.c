/* SPDX-License-Identifier: MIT */
/* second.c - the second processor */
#include "tests/bare/second.h"

#include "tests/bare/machine.h"

#define START_PAGE 0x10000ull /* below 1 MiB, and used by nobody */

/* Of the local APIC (Intel SDM 3, 11.6.1). */
#define LAPIC_SPURIOUS    (LAPIC_AT + 0xf0)
#define SPURIOUS_ENABLE   0x1ff
#define LAPIC_COMMAND     (LAPIC_AT + 0x300)
#define LAPIC_DESTINATION (LAPIC_AT + 0x310)
#define SEND_INIT         0x4500
#define SEND_START        0x4600

extern const uint8_t second_code[], second_code_end[];
void second_main(void);

static void (*volatile second_run)(void);
static volatile bool second_here;

/* Position: the page's start. Tables are those that vk-boot left for the
 * first one: descriptors at 0x500 (code of 32 bits 0x30, of 64 bits 0x10, data
 * 0x18), page tables at 0x9000. */
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	".globl second_code, second_code_end\n"
	"second_code:\n"
	".code16\n"
	"	cli\n"
	"	movw %cs, %ax\n"
	"	movw %ax, %ds\n"
	"	lgdtl table - second_code\n"
	"	movl %cr0, %eax\n"
	"	orl $1, %eax\n"
	"	movl %eax, %cr0\n"
	"	ljmpl $0x30, $(0x10000 + wide - second_code)\n"
	"table:	.word 0x37\n"
	"	.long 0x500\n"
	".code32\n"
	"wide:	movw $0x18, %ax\n"
	"	movw %ax, %ds\n"
	"	movw %ax, %es\n"
	"	movw %ax, %ss\n"
	"	movl %cr4, %eax\n"
	"	orl $0x20, %eax\n" /* PAE */
	"	movl %eax, %cr4\n"
	"	movl $0x9000, %eax\n"
	"	movl %eax, %cr3\n"
	"	movl $0xc0000080, %ecx\n" /* EFER: LME */
	"	rdmsr\n"
	"	orl $0x100, %eax\n"
	"	wrmsr\n"
	"	movl %cr0, %eax\n"
	"	orl $0x80000000, %eax\n" /* PG */
	"	movl %eax, %cr0\n"
	"	ljmpl $0x10, $(0x10000 + long_mode - second_code)\n"
	".code64\n"
	"long_mode:\n"
	"	movq $second_stack_end, %rsp\n"
	"	movq $second_main, %rax\n"
	"	call *%rax\n"
	"second_code_end:\n"
	".popsection\n"
	".pushsection .bss\n"
	".balign 16\n"
	".skip 16384\n"
	"second_stack_end:\n"
	".popsection\n");

void
second_main(void)
{
	second_here = true;
	second_run();
	for (;;)
		__asm__ volatile("cli; hlt");
}

bool
second_start(void (*run)(void))
{
	uint64_t until = ticks() + TICKS_MAX;

	second_run = run;
	memcpy((void *)START_PAGE, second_code,
	    (size_t)(second_code_end - second_code));
	write32(LAPIC_SPURIOUS, SPURIOUS_ENABLE);
	write32(LAPIC_DESTINATION, 1u << 24);
	write32(LAPIC_COMMAND, SEND_INIT);
	write32(LAPIC_DESTINATION, 1u << 24);
	write32(LAPIC_COMMAND, SEND_START | START_PAGE >> 12);
	while (!second_here)
		if (ticks() > until)
			return false;
	return true;
}
