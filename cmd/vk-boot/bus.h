/* SPDX-License-Identifier: MIT */
/*
 * bus.h - who answers at an address: ports, or memory that is none
 *
 * Filled before the first vCPU runs, never changed after. Devices lock for
 * themselves: any vCPU may come at any time.
 */
#ifndef VK_BOOT_BUS_H
#define VK_BOOT_BUS_H

#include <stdbool.h>
#include <stdint.h>

#define BUS_RANGES_MAX 16

struct bus_range {
	uint64_t start, len;
	/* One access of len bytes (1, 2, 4 or 8) at start + offset, all of it
	 * inside the range; reads fill data. */
	void (*access)(void *owner, uint64_t offset, uint8_t *data,
	    unsigned len, bool write);
	void *owner;
};

struct bus {
	struct bus_range ranges[BUS_RANGES_MAX];
	unsigned count;
};

void bus_add(struct bus *, const struct bus_range *);

/* What nobody answers reads as all ones, as on a PC, and takes writes. */
void bus_access(const struct bus *, uint64_t address, uint8_t *data,
    unsigned len, bool write);

/* The bytes of data as a little-endian number, and back. */
uint64_t bus_value(const uint8_t *data, unsigned len);
void bus_answer(uint8_t *data, unsigned len, uint64_t value);

#endif
