/* SPDX-License-Identifier: MIT */
/* agent.c - what vk-boot hears of an agent once a guest is up */
#include "tests/bare/agent.h"

#include "tests/bare/virtio.h"
#include "tests/bare/vsock.h"

/* common/frame.h is not ours to include. */
#define EXEC_PORT 30315
#define MAGIC     0x65786b76
enum { HELLO = 1, IMAGE = 32, READY = 33 };

struct head {
	uint32_t len;
	uint8_t type, stream;
	uint16_t zero;
};

static const struct {
	struct head hello;
	uint32_t magic;
	uint16_t version, zero;
	struct head image, ready;
} words = {
    .hello = {.len = 8, .type = HELLO},
    .magic = MAGIC,
    .version = 1,
    .image = {.type = IMAGE},
    .ready = {.type = READY},
};

static struct packet packet;
static uint8_t answers[RING_SIZE][4096];

static bool
tell(const struct device *d, uint16_t operation, uint32_t len)
{
	struct ring *ring = &d->rings[1];
	uint16_t told = ring->available.index;

	packet.operation = operation;
	packet.len = len;
	describe(ring, 0, &packet, sizeof(packet), len ? NEXT : 0, 1);
	describe(ring, 1, &words, len, 0, 0);
	ring_post(ring, 0);
	queue_notify(d, 1);
	return ring_await(ring, (uint16_t)(told + 1));
}

bool
agent_announce(void)
{
	const struct packet *answer = (const void *)answers[0];
	struct device d;

	if (!device_find(&d, VSOCK) || !device_start(&d, 0))
		return false;
	for (uint16_t i = 0; i < RING_SIZE; i++) {
		describe(
		    &d.rings[0], i, answers[i], sizeof(answers[i]), WRITE, 0);
		ring_post(&d.rings[0], i);
	}
	queue_notify(&d, 0);
	packet = (struct packet){
	    .source = read32(d.config),
	    .destination = VSOCK_HOST,
	    .source_port = 1024,
	    .destination_port = EXEC_PORT,
	    .type = VSOCK_STREAM,
	    .buffer = sizeof(answers),
	};
	return tell(&d, REQUEST, 0) && ring_await(&d.rings[0], 1) &&
	       answer->operation == RESPONSE && tell(&d, RW, sizeof(words));
}
