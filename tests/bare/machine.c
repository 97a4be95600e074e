/* SPDX-License-Identifier: MIT */
/* machine.c - what a guest without a kernel stands on */
#include "tests/bare/machine.h"

#define PORT_SERIAL 0x3f8
#define PORT_ACPI   0x600
#define SLEEP_OFF   (5 << 2 | 0x20) /* type and enable (ACPI 6.5, 4.8.3.7) */

/* Offset of cmd_line_ptr in the zero page. */
#define COMMAND_LINE 0x228

void guest_start(uint64_t zero_page);

/* The loader's stack is a page or so; ours is our own. */
__asm__(".pushsection .text.start, \"ax\"\n"
	".globl _start\n"
	"_start:\n"
	"	leaq guest_stack_end(%rip), %rsp\n"
	"	movq %rsi, %rdi\n"
	"	call guest_start\n"
	".popsection\n"
	".pushsection .bss\n"
	".balign 16\n"
	".skip 65536\n"
	"guest_stack_end:\n"
	".popsection\n");

void *
memset(void *into, int byte, size_t len)
{
	uint64_t word = (uint8_t)byte * 0x0101010101010101ull;
	size_t words = len / 8;
	void *at = into;

	/* Where all is emulated, it is so by the step. */
	__asm__ volatile("rep stosq"
			 : "+D"(at), "+c"(words)
			 : "a"(word)
			 : "memory");
	len %= 8;
	__asm__ volatile("rep stosb"
			 : "+D"(at), "+c"(len)
			 : "a"(byte)
			 : "memory");
	return into;
}

void *
memcpy(void *into, const void *from, size_t len)
{
	void *at = into;

	__asm__ volatile("rep movsb"
			 : "+D"(at), "+S"(from), "+c"(len)
			 :
			 : "memory");
	return into;
}

void
print(const char *text)
{
	for (; *text; text++)
		port_write(PORT_SERIAL, (uint8_t)*text);
}

void
print_number(uint64_t value)
{
	char text[24];
	size_t at = sizeof(text) - 1;

	text[at] = '\0';
	do
		text[--at] = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	print(text + at);
}

static bool
ends(char c)
{
	return c == '\0' || c == ' ';
}

bool
equal(const char *a, const char *b)
{
	while (!ends(*a) && *a == *b)
		a++, b++;
	return ends(*a) && ends(*b);
}

const char *
parameter(const char *at, const char *name)
{
	while (*at) {
		const char *n = name;

		while (*n && *at == *n)
			at++, n++;
		if (!*n && *at == '=')
			return at + 1;
		while (!ends(*at))
			at++;
		while (*at == ' ')
			at++;
	}
	return NULL;
}

uint64_t
number(const char *text)
{
	uint64_t value = 0;

	for (; *text >= '0' && *text <= '9'; text++)
		value = value * 10 + (uint64_t)(*text - '0');
	return value;
}

static _Noreturn void
triple_fault(void)
{
	static const struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} none;

	for (;;)
		__asm__ volatile("lidt %0; int3" : : "m"(none));
}

void
guest_start(uint64_t zero_page)
{
	if (!guest_main(
		(const char *)(uint64_t)read32(zero_page + COMMAND_LINE)))
		triple_fault();
	port_write(PORT_ACPI, SLEEP_OFF);
	for (;;)
		__asm__ volatile("hlt");
}
