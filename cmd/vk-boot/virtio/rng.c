/* SPDX-License-Identifier: MIT */
/*
 * rng.c - virtio entropy device
 *
 * One queue of buffers to fill. However large a buffer is, one request gets
 * RNG_BYTES_MAX at most: the specification lets a device write less than was
 * asked (5.4.6.2), and a guest cannot make the host generate megabytes a kick.
 */
#include "cmd/vk-boot/virtio/rng.h"

#include <stdlib.h>
#include <sys/random.h>

/* Linux asks for 64 bytes at a time, at most a page. */
#define RNG_BYTES_MAX 4096

/* Requests before other sources of the loop have their turn: a driver that
 * never stops adding them does not keep the loop to itself. */
#define TURN_MAX 16

struct rng {
	struct virtio_device dev;
	struct virtio_request request;
};

static void
rng_start(struct virtio_device *dev)
{
	(void)dev;
}

/* Fills one request; the number of bytes, 0 where the host has none. */
static uint32_t
fill(struct virtio_request *request)
{
	uint8_t bytes[RNG_BYTES_MAX];
	uint64_t wanted = request_writable_left(request);
	ssize_t got;

	if (wanted > sizeof(bytes))
		wanted = sizeof(bytes);
	got = getrandom(bytes, wanted, 0);
	return got > 0 ? (uint32_t)request_write(request, bytes, (size_t)got)
		       : 0;
}

static void
rng_notify(struct virtio_device *dev, unsigned queue)
{
	struct rng *rng = (struct rng *)dev;
	struct virtq *vq = &dev->queues[queue];
	unsigned turns = 0;

	do {
		virtq_want_kicks(vq, false);
		for (; turns < TURN_MAX && virtq_pop(vq, &rng->request) > 0;
		     turns++)
			virtq_push(vq, &rng->request, fill(&rng->request));
		if (turns == TURN_MAX)
			eventfd_give(vq->kick_fd);
	} while (turns < TURN_MAX && virtq_want_kicks(vq, true));
	virtq_signal(vq);
}

static void
rng_free(struct virtio_device *dev)
{
	virtio_device_release(dev);
	free(dev);
}

static const struct filter_call calls[] = {
    CALL(getrandom),
    CALLS_END,
};

static const struct virtio_device_ops rng_ops = {
    .name = "rng",
    .type = VIRTIO_TYPE_RNG,
    .calls = calls,
    .start = rng_start,
    .notify = rng_notify,
    .free = rng_free,
};

struct virtio_device *
rng_new(struct loop *loop, const struct gmem *mem, struct err *e)
{
	struct rng *rng = calloc(1, sizeof(*rng));

	if (!rng) {
		err_errno(e, EX_OSERR, "rng");
		return NULL;
	}
	if (virtio_device_init(&rng->dev, &rng_ops, loop, mem, 1, e) < 0) {
		rng_free(&rng->dev);
		return NULL;
	}
	return &rng->dev;
}
