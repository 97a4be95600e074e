/* SPDX-License-Identifier: MIT */
/* disk.c - the first sector of a guest's disk, read and written */
#include "tests/bare/disk.h"

static struct {
	uint32_t type, reserved;
	uint64_t sector;
} request;

static uint8_t status;

bool
disk_transfer(const struct device *disk, void *sector, bool write)
{
	struct ring *ring = &disk->rings[0];

	if (!device_start(disk, 0))
		return false;
	request.type = write;
	describe(ring, 0, &request, sizeof(request), NEXT, 1);
	describe(ring, 1, sector, SECTOR_BYTES, write ? NEXT : NEXT | WRITE, 2);
	describe(ring, 2, &status, 1, WRITE, 0);
	status = 0xff;
	ring_post(ring, 0);
	queue_notify(disk, 0);
	return ring_await(ring, 1) && *(volatile uint8_t *)&status == 0;
}
