/* SPDX-License-Identifier: MIT */
/* good.c - a good request to each device */
#include "tests/bare/hostile/case.h"
#include "tests/bare/vsock.h"

uint8_t scratch[65536] __attribute__((aligned(4096)));

/* Of a request of the block device (5.2.6). */
static struct {
	uint32_t type, reserved;
	uint64_t sector;
} block;

static struct packet packet;

#define NET_HEADER 12
#define FRAME      60

uint16_t
good_queue(const struct device *d)
{
	return d->type == NET || d->type == CONSOLE || d->type == VSOCK;
}

uint16_t
good_request(const struct device *d, struct ring *ring)
{
	switch (d->type) {
	case BLK:
		block.type = block.reserved = 0;
		block.sector = 0;
		describe(ring, 0, &block, sizeof(block), NEXT, 1);
		describe(ring, 1, scratch, 512, NEXT | WRITE, 2);
		describe(ring, 2, scratch + 512, 1, WRITE, 0);
		return 3;
	case NET:
		memset(scratch, 0, NET_HEADER + FRAME);
		describe(ring, 0, scratch, NET_HEADER + FRAME, 0, 0);
		return 1;
	case CONSOLE:
		scratch[0] = '\n';
		describe(ring, 0, scratch, 1, 0, 0);
		return 1;
	case VSOCK:
		memset(&packet, 0, sizeof(packet));
		packet.source = read32(d->config);
		packet.destination = VSOCK_HOST;
		packet.source_port = 1234;
		packet.destination_port = 1;
		packet.type = VSOCK_STREAM;
		packet.operation = REQUEST;
		packet.buffer = 4096;
		describe(ring, 0, &packet, sizeof(packet), 0, 0);
		return 1;
	case BALLOON:
		/* A page that nothing else is in. */
		*(uint32_t *)scratch = (uint32_t)((uint64_t)scratch >> 12) + 8;
		describe(ring, 0, scratch, 4, 0, 0);
		return 1;
	case MEM:
		/* All of it is unplugged (5.15.6). */
		memset(scratch, 0, 24);
		scratch[0] = 2;
		describe(ring, 0, scratch, 24, NEXT, 1);
		describe(ring, 1, scratch + 64, 10, WRITE, 0);
		return 2;
	default: /* rng */
		describe(ring, 0, scratch, 64, WRITE, 0);
		return 1;
	}
}

bool
device_works(const struct device *d)
{
	uint16_t queue = good_queue(d);
	struct ring *ring = &d->rings[queue];

	if (!device_start(d, 0))
		return false;
	good_request(d, ring);
	ring_post(ring, 0);
	queue_notify(d, queue);
	return ring_await(ring, 1);
}
