/* SPDX-License-Identifier: MIT */
/*
 * machine.h - what a guest without a kernel stands on
 *
 * A program of tests/bare is an ELF file that vk-boot takes for a kernel (by
 * the 64-bit entry: flat memory, the first 4 GiB mapped one to one, one
 * processor, no interrupts). It runs under any KVM in milliseconds, also under
 * one that can only emulate; so what a hostile kernel could do is tried
 * without one. Output goes to the first serial port.
 *
 * guest_main is the program; when it returns true the machine powers off
 * (vk-boot's status is 0), else it ends in a triple fault (123).
 */
#ifndef TESTS_BARE_MACHINE_H
#define TESTS_BARE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of vk-boot's machine; cmd/vk-boot/x86/layout.h is not ours to include. */
#define MEMORY_BYTES 0x04000000ull /* what tests start it with: 64 MiB */
#define HOLE_BYTES   0xc0000000ull
#define WINDOWS_AT   0xc0000000ull
#define ECAM_AT      0xe0000000ull
#define IOAPIC_AT    0xfec00000ull
#define LAPIC_AT     0xfee00000ull

/* Nobody's: 16 MiB up to the end. What a device may write to wherever a bit of
 * its address is flipped, but for SPARE_FIXED. */
#define SPARE_AT    0x03000000ull
#define SPARE_FIXED 0x03f00000ull

/* Until something is taken for dead: seconds on any processor, as the host may
 * be busy. */
#define TICKS_MAX 30000000000ull

bool guest_main(const char *parameters);

static inline uint64_t
ticks(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static inline void
port_write(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t
port_read(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

/* One access of exactly this width, wherever it goes. */
static inline uint8_t
read8(uint64_t at)
{
	return *(volatile uint8_t *)at;
}

static inline uint16_t
read16(uint64_t at)
{
	return *(volatile uint16_t *)at;
}

static inline uint32_t
read32(uint64_t at)
{
	return *(volatile uint32_t *)at;
}

static inline uint64_t
read64(uint64_t at)
{
	return *(volatile uint64_t *)at;
}

static inline void
write8(uint64_t at, uint8_t value)
{
	*(volatile uint8_t *)at = value;
}

static inline void
write16(uint64_t at, uint16_t value)
{
	*(volatile uint16_t *)at = value;
}

static inline void
write32(uint64_t at, uint32_t value)
{
	*(volatile uint32_t *)at = value;
}

static inline void
write64(uint64_t at, uint64_t value)
{
	*(volatile uint64_t *)at = value;
}

/* What another processor, or a device, may look at. */
static inline void
barrier(void)
{
	__asm__ volatile("mfence" : : : "memory");
}

void print(const char *text);
void print_number(uint64_t);

/* The value behind NAME= among the parameters; NULL: it is not there. It ends
 * at a blank. */
const char *parameter(const char *parameters, const char *name);
uint64_t number(const char *text);

void *memset(void *, int, size_t);
void *memcpy(void *, const void *, size_t);
bool equal(const char *, const char *); /* up to a blank or the end */

#endif
