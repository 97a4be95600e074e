/* SPDX-License-Identifier: MIT */
/* disk.c - sectors of a guest's disk: read, written, cleared */
#include "tests/bare/disk.h"

enum { IN, OUT, FLUSH = 4, DISCARD = 11, ZEROES = 13 }; /* virtio 1.2, 5.2.6 */

#define REQUESTS 2

static struct {
	uint32_t type, reserved;
	uint64_t sector;
	uint8_t status;
} requests[REQUESTS];

static struct {
	uint64_t sector;
	uint32_t count, flags;
} range;

/* Makes the nth request available, with so much data, 0: none. */
static void
post(const struct device *disk, uint16_t nth, uint32_t type, uint64_t sector,
    void *data, uint32_t len)
{
	struct ring *ring = &disk->rings[0];
	uint16_t head = (uint16_t)(3 * nth), end = (uint16_t)(head + 2);

	requests[nth].type = type;
	requests[nth].sector = sector;
	requests[nth].status = 0xff;
	describe(ring, head, &requests[nth], 16, NEXT,
	    len > 0 ? (uint16_t)(head + 1) : end);
	describe(ring, (uint16_t)(head + 1), data, len,
	    type == IN ? NEXT | WRITE : NEXT, end);
	describe(ring, end, &requests[nth].status, 1, WRITE, 0);
	ring_post(ring, head);
}

/* Has so many done. */
static bool
done(const struct device *disk, uint16_t count)
{
	queue_notify(disk, 0);
	if (!ring_await(&disk->rings[0], count))
		return false;
	for (uint16_t i = 0; i < count; i++)
		if (*(volatile uint8_t *)&requests[i].status != 0)
			return false;
	return true;
}

bool
disk_transfer(const struct device *disk, void *sector, bool write)
{
	if (!device_start(disk, 0))
		return false;
	post(disk, 0, write ? OUT : IN, 0, sector, SECTOR_BYTES);
	return done(disk, 1);
}

bool
disk_read_both(const struct device *disk, void *first, void *second)
{
	if (!device_start(disk, 0))
		return false;
	post(disk, 0, IN, 0, first, SECTOR_BYTES);
	post(disk, 1, IN, 1, second, SECTOR_BYTES);
	return done(disk, 2);
}

bool
disk_flush(const struct device *disk)
{
	if (!device_start(disk, 0))
		return false;
	post(disk, 0, FLUSH, 0, NULL, 0);
	return done(disk, 1);
}

bool
disk_clear(
    const struct device *disk, uint64_t sector, uint32_t count, bool keep)
{
	if (!device_start(disk, 0))
		return false;
	range.sector = sector;
	range.count = count;
	post(disk, 0, keep ? ZEROES : DISCARD, 0, &range, sizeof(range));
	return done(disk, 1);
}
