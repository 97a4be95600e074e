/* SPDX-License-Identifier: MIT */
/*
 * reboot.c - a guest that resets its machine, and looks what is left of itself
 *
 * Parameters (vk-boot -a):
 *
 *	lives=N	  power off in the Nth life; resets before that are made in
 *		  each of three ways, in turn
 *	hold=1	  halt then instead
 *	warm=1	  say to the firmware that the next start is a warm one, as
 *		  Linux does in a panic
 *	busy=1	  reset at once, for ever
 *	steady=1  say that it is up, as the agent does, and live long enough to
 *		  be let reboot again and again
 *
 * Lives are counted on the disk, which is to keep what is written there. In
 * memory, in the disk's registers and in the processor's nothing may be left.
 */
#include "tests/bare/agent.h"
#include "tests/bare/disk.h"

#define PAGE       4096
#define MARK       0x6c69666573ull
#define SCRATCH    0x0c /* the cache line's size: a byte that nobody reads */
#define START_KIND 0x472
#define START_WARM 0x1234
#define GS_MSR     0xc0000102u /* another's base: of no use to us */

/* cmd/vk-boot/guest_reboot.c: so many lives in a row may be brief, and one is
 * not that has so many ticks, of any processor. */
#define BRIEF_LIVES 5
#define LONG_TICKS  5000000000ull

static struct {
	uint64_t mark, lives;
	uint8_t rest[SECTOR_BYTES - 16];
} sector;

static bool
memory_is_zero(void)
{
	for (uint64_t at = SPARE_AT; at < SPARE_FIXED; at += PAGE)
		if (read64(at) != 0)
			return false;
	return true;
}

static uint64_t
read_msr(uint32_t number)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number));
	return (uint64_t)high << 32 | low;
}

static void
write_msr(uint32_t number, uint64_t value)
{
	__asm__ volatile(
	    "wrmsr"
	    :
	    : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(number));
}

static void
tell(bool good, const char *what)
{
	print(good ? "good: " : "bad: ");
	print(what);
	print("\n");
}

/* In this order: what a driver does to the disk comes after. */
static void
look(const struct device *disk)
{
	tell(memory_is_zero(), "memory is zero");
	tell(read_msr(GS_MSR) == 0, "the processor is new");
	tell(device_status(disk) == 0 && read8(disk->space + SCRATCH) == 0,
	    "the disk is new");
}

static void
leave_traces(const struct device *disk)
{
	for (uint64_t at = SPARE_AT; at < SPARE_FIXED; at += PAGE)
		write64(at, MARK);
	write_msr(GS_MSR, MARK);
	write8(disk->space + SCRATCH, 0x55);
}

static void
reset(uint64_t how)
{
	if (how == 0)
		port_write(0x64, 0xfe); /* the keyboard's controller */
	else if (how == 1)
		port_write(0xcf9, 6); /* the bridge's */
	else
		port_write(0x602, 1); /* ACPI's register */
	for (;;)
		__asm__ volatile("hlt");
}

/* Says that the guest is up; false: nobody hears it. */
static bool
live(uint64_t life)
{
	uint64_t end = ticks() + LONG_TICKS;

	if (!agent_announce())
		return false;
	while (life % (BRIEF_LIVES + 1) == 0 && ticks() < end)
		;
	return true;
}

bool
guest_main(const char *parameters)
{
	const char *lives = parameter(parameters, "lives");
	uint64_t kind = START_KIND;
	struct device disk;

	/* So near to 0 a compiler sees no memory. */
	__asm__("" : "+r"(kind));
	if (parameter(parameters, "busy"))
		reset(0);
	if (!device_find(&disk, BLK))
		return false;
	look(&disk);
	if (!disk_transfer(&disk, &sector, false))
		return false;
	if (sector.mark != MARK)
		sector.lives = 0;
	sector.mark = MARK;
	sector.lives++;
	print("life ");
	print_number(sector.lives);
	print("\n");
	if (!disk_transfer(&disk, &sector, true))
		return false;
	if (parameter(parameters, "steady") && !live(sector.lives))
		return false;
	leave_traces(&disk);
	if (parameter(parameters, "warm"))
		write16(kind, START_WARM);
	if (lives && sector.lives < number(lives))
		reset(sector.lives % 3);
	while (parameter(parameters, "hold"))
		__asm__ volatile("hlt");
	return true;
}
