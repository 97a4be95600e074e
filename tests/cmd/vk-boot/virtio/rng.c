/* SPDX-License-Identifier: MIT */
/* rng.c - the entropy device: it fills buffers, and leaves others their turn */
#include "cmd/vk-boot/virtio/rng.h"

#include "tests/cmd/vk-boot/driver.h"
#include "tests/tap.h"

static struct driver d;

static unsigned
used(void)
{
	return driver_used_ring(&d, 0)->idx;
}

int
main(void)
{
	struct driver_part part = {DRIVER_BUFFERS, 64, true};
	static const uint8_t zeros[64];
	struct err e = ERR_INIT;
	uint32_t len = 0;

	driver_init(&d);
	driver_use(&d, rng_new(d.loop, &d.mem, &e));
	driver_start(&d, ~0ull);
	driver_add(&d, 0, &part, 1);
	driver_kick(&d, 0);
	ok(driver_used(&d, 0, &len) >= 0 && len == sizeof(zeros) &&
		memcmp(driver_at(&d, part.gpa, 64), zeros, 64) != 0,
	    "a buffer is filled");

	/* The loop is other devices' too, and those who steer the VM wait for
	 * it. */
	for (unsigned i = 0; i < VIRTQ_SIZE_MAX; i++)
		driver_add(&d, 0, &part, 1);
	eventfd_give(d.dev->queues[0].kick_fd);
	loop_turn(d.loop, 0);
	ok(used() > 1 && used() < 1 + VIRTQ_SIZE_MAX,
	    "a full queue is not emptied in one turn: %u", used() - 1);
	driver_turn(&d);
	is_int(used(), 1 + VIRTQ_SIZE_MAX, "but in some");
	driver_release(&d);
	return tap_done();
}
