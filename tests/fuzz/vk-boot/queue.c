/* SPDX-License-Identifier: MIT */
/* queue.c - fuzz target: virtqueues, popped and pushed by hand */
#include "cmd/vk-boot/virtio/queue.h"

#include "tests/fuzz/vk-boot/device.h"

static struct virtio_request request;

static void
nothing(struct virtio_device *dev)
{
	(void)dev;
}

/* All that came out lies in memory, and what is in it fits its sums. */
static void
check(const struct gmem *mem)
{
	unsigned count = request.readable + request.writable;
	uint64_t readable = 0, writable = 0;

	if (count > VIRTQ_SIZE_MAX)
		abort();
	for (unsigned i = 0; i < count; i++) {
		const struct iovec *part = &request.iov[i];
		const uint8_t *at = part->iov_base;
		const struct gmem_region *r = &mem->regions[0];

		if (part->iov_len > 0 &&
		    (at < r->hva || at >= r->hva + r->len ||
			part->iov_len > (size_t)(r->hva + r->len - at)))
			abort();
		*(i < request.readable ? &readable : &writable) +=
		    part->iov_len;
	}
	if (readable != request.readable_len ||
	    writable != request.writable_len ||
	    readable != request_readable_left(&request) ||
	    writable != request_writable_left(&request))
		abort();
}

static void
take(struct virtio_device *dev, unsigned queue)
{
	struct virtq *vq = &dev->queues[queue];
	static uint8_t bytes[4096];
	struct iovec parts[8];
	uint32_t seed;

	do {
		virtq_want_kicks(vq, false);
		while (virtq_pop(vq, &request) > 0) {
			check(dev->mem);
			if (request_read(&request, &seed, sizeof(seed)) < 0)
				seed = request.head;
			if (seed % 5 == 0) {
				virtq_unpop(vq);
				if (!virtq_want_more(vq))
					return;
				continue;
			}
			request_read(&request, bytes, seed % sizeof(bytes));
			request_take_readable(&request, seed % 7, parts, 8);
			request_take_writable(&request, seed % 100, parts, 3);
			request_write(&request, bytes, seed % sizeof(bytes));
			if (seed % 3 == 0)
				request_rewind(&request);
			virtq_push(vq, &request, seed);
		}
	} while (virtq_want_kicks(vq, true));
	virtq_signal(vq);
}

static const struct virtio_device_ops ops = {
    .name = "fuzz",
    .start = nothing,
    .notify = take,
    .free = nothing,
};

/* Rings anywhere, of any size. */
static void
move_rings(struct fuzz *f)
{
	struct virtq *vq = &f->d.dev->queues[0];

	virtio_device_stop(f->d.dev);
	driver_rings(&f->d, VIRTQ_SIZE_MAX);
	vq->desc = fuzz_gpa(f) & ~15ull;
	vq->driver = fuzz_gpa(f) & ~1ull;
	vq->device = fuzz_gpa(f) & ~3ull;
	vq->size = (uint16_t)(1u << get_u8(&f->in) % 10);
	f->d.queues[0].size =
	    vq->size > VIRTQ_SIZE_MAX ? VIRTQ_SIZE_MAX : vq->size;
	virtio_device_start(f->d.dev, ~0ull & f->d.dev->offered);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct virtio_device dev;
	struct fuzz f = {.special = move_rings};
	struct err e = ERR_INIT;

	driver_init(&f.d);
	memset(&dev, 0, sizeof(dev));
	if (virtio_device_init(&dev, &ops, f.d.loop, &f.d.mem, 2, &e) < 0)
		abort();
	driver_use(&f.d, &dev);
	fuzz_run(&f, data, size);
	virtio_device_release(&dev);
	driver_release(&f.d);
	return 0;
}
