/* SPDX-License-Identifier: MIT */
/*
 * slots.c - a guest that uses the disks that come, and gives them up when asked
 *
 * Parameters (vk-boot -a):
 *
 *	keep=1
 *		never give one up
 *	flood=1
 *		give up every slot, all the time, whatever is there
 *	reset=1
 *		reset the machine when a disk has come
 *	reset=2
 *		reset it when a disk is asked for, once
 *
 * Uses are counted on the disk's first sector; of the others some are cleared.
 */
#include "tests/bare/disk.h"

/* cmd/vk-boot/x86/slots.h, layout.h */
#define ADDED  0x610
#define WANTED 0x614
#define GIVEN  0x618
#define PIN    10

#define VECTOR 0x31
#define MARK   0x736c6f7473ull

/* Sectors that are made zeros, and how many. */
#define DISCARDED 8
#define ZEROED    24
#define CLEARED   8

static struct {
	uint64_t mark, uses;
	uint8_t rest[SECTOR_BYTES - 16];
} sector;

static uint8_t second[SECTOR_BYTES];

static uint32_t
port_read32(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "d"(port));
	return value;
}

static void
port_write32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "d"(port));
}

static bool
use(void)
{
	struct device disk;

	if (!device_find(&disk, BLK) ||
	    !disk_read_both(&disk, &sector, &second) ||
	    !disk_clear(&disk, DISCARDED, CLEARED, false) ||
	    !disk_clear(&disk, ZEROED, CLEARED, true))
		return false;
	if (sector.mark != MARK)
		sector.uses = 0;
	sector.mark = MARK;
	sector.uses++;
	print("use ");
	print_number(sector.uses);
	print("\n");
	return disk_transfer(&disk, &sector, true) && disk_flush(&disk);
}

/* The slots' pin sends a message to this processor, which takes note of it but
 * is not interrupted. */
static void
listen(void)
{
	write32(LAPIC_AT + 0xf0, 0x1ff); /* on */
	write32(IOAPIC_AT, 0x10 + 2 * PIN + 1);
	write32(IOAPIC_AT + 0x10, 0);
	write32(IOAPIC_AT, 0x10 + 2 * PIN);
	write32(IOAPIC_AT + 0x10, VECTOR);
}

static bool
told(void)
{
	uint64_t requested = LAPIC_AT + 0x200 + VECTOR / 32 * 0x10;
	uint64_t end = ticks() + TICKS_MAX;

	while (!(read32(requested) >> VECTOR % 32 & 1))
		if (ticks() > end)
			return false;
	return true;
}

static void
reset(void)
{
	port_write(0x64, 0xfe); /* the keyboard's controller */
	for (;;)
		__asm__ volatile("hlt");
}

static bool
wants_reset(const char *parameters, uint64_t when)
{
	const char *wanted = parameter(parameters, "reset");

	return wanted && number(wanted) == when;
}

/* One was there before: the machine was reset. */
static bool
serve(const char *parameters, bool before)
{
	uint32_t slots = port_read32(ADDED);

	if (slots) {
		print(told() ? "told\n" : "not told\n");
		if (!use())
			return false;
		if (wants_reset(parameters, 1))
			reset();
	}
	slots = port_read32(WANTED);
	if (slots) {
		print("asked ");
		print_number(slots);
		print("\n");
	}
	if (slots && !before && wants_reset(parameters, 2))
		reset();
	if (slots && !parameter(parameters, "keep"))
		port_write32(GIVEN, slots);
	return true;
}

bool
guest_main(const char *parameters)
{
	struct device disk;
	bool before;

	while (parameter(parameters, "flood"))
		port_write32(GIVEN, 0xffffffff);
	print("up\n");
	before = device_find(&disk, BLK);
	if (before && !use())
		return false;
	listen();
	while (serve(parameters, before))
		;
	return false;
}
