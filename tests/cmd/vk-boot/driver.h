/* SPDX-License-Identifier: MIT */
/*
 * driver.h - the driver's side of a virtio device, for tests and fuzzers
 *
 * A guest of a few megabytes in this process: memory, rings, and a loop that
 * is turned by hand, so that a test is one thread and the same every time.
 *
 *	struct driver d;
 *	driver_init(&d);
 *	driver_use(&d, rng_new(d.loop, &d.mem, &e));
 *	driver_start(&d, ~0ull);
 *	driver_add(&d, 0, &(struct driver_part){.gpa = 0x5000, .len = 64,
 *	    .write = true}, 1);
 *	driver_kick(&d, 0);
 *	head = driver_used(&d, 0, &len);
 *	driver_release(&d);
 *
 * Rings lie at DRIVER_RINGS, from DRIVER_BUFFERS on memory is the test's own.
 * What a driver must not do is done by writing to the rings: driver_desc,
 * driver_avail, driver_publish.
 */
#ifndef VK_TESTS_DRIVER_H
#define VK_TESTS_DRIVER_H

#include "cmd/vk-boot/gmem.h"
#include "cmd/vk-boot/loop.h"
#include "cmd/vk-boot/virtio/device.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#ifndef DRIVER_MEMORY
#define DRIVER_MEMORY (4u << 20)
#endif
#define DRIVER_RINGS   0x1000u
#define DRIVER_RING    0x3000u /* descriptors, available, used: a page each */
#define DRIVER_BUFFERS 0x80000u

struct driver_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

#define DRIVER_NEXT     1
#define DRIVER_WRITE    2
#define DRIVER_INDIRECT 4

struct driver_used_entry {
	uint32_t id, len;
};

/* A ring of 16-bit flags, index, entries, event index. */
struct driver_avail {
	uint16_t flags, idx, ring[VIRTQ_SIZE_MAX + 1];
};
struct driver_used {
	uint16_t flags, idx;
	struct driver_used_entry ring[VIRTQ_SIZE_MAX];
	uint16_t event;
};

struct driver_part {
	uint64_t gpa;
	uint32_t len;
	bool write;
};

struct driver_queue {
	uint64_t gpa;
	uint16_t size;
	uint16_t next;      /* our available index */
	uint16_t used_seen; /* our place in the used ring */
	bool busy[VIRTQ_SIZE_MAX];
};

struct driver {
	struct gmem mem;
	struct loop *loop;
	struct virtio_device *dev;
	struct driver_queue queues[VIRTIO_QUEUES_MAX];
	uint64_t next_buffer; /* for driver_alloc */
	unsigned interrupts;  /* configuration changes told */
	bool needs_reset;     /* said by the device */
};

__attribute__((unused)) static void
driver_interrupt(void *transport, bool needs_reset)
{
	struct driver *d = transport;

	d->interrupts++;
	d->needs_reset |= needs_reset;
}

static const struct virtio_transport_ops driver_transport = {
    .config_interrupt = driver_interrupt,
};

__attribute__((unused)) static void
driver_init(struct driver *d)
{
	struct err e = ERR_INIT;

	memset(d, 0, sizeof(*d));
	d->loop = loop_new("driver", &e);
	assert(d->loop);
	assert(gmem_add(&d->mem, 0, DRIVER_MEMORY, 0, &e) == 0);
	d->next_buffer = DRIVER_BUFFERS;
}

/* Guest memory; the test ends where there is none. */
__attribute__((unused)) static void *
driver_at(struct driver *d, uint64_t gpa, uint64_t len)
{
	void *at = gmem_at(&d->mem, gpa, len);

	assert(at);
	return at;
}

/* Memory for a buffer; never given back. */
__attribute__((unused)) static uint64_t
driver_alloc(struct driver *d, uint64_t len)
{
	uint64_t gpa = d->next_buffer;

	d->next_buffer += (len + 15) & ~15ull;
	driver_at(d, gpa, len);
	return gpa;
}

__attribute__((unused)) static struct driver_desc *
driver_desc(struct driver *d, unsigned queue, unsigned index)
{
	return (struct driver_desc *)driver_at(
		   d, d->queues[queue].gpa, 0x1000) +
	       index;
}

__attribute__((unused)) static struct driver_avail *
driver_avail(struct driver *d, unsigned queue)
{
	return driver_at(d, d->queues[queue].gpa + 0x1000, 0x1000);
}

__attribute__((unused)) static struct driver_used *
driver_used_ring(struct driver *d, unsigned queue)
{
	return driver_at(d, d->queues[queue].gpa + 0x2000, 0x1000);
}

/* Where the driver writes which signal it waits for (EVENT_IDX). */
__attribute__((unused)) static uint16_t *
driver_used_event(struct driver *d, unsigned queue)
{
	return &driver_avail(d, queue)->ring[d->queues[queue].size];
}

/* Takes a device over; it must not be NULL. */
__attribute__((unused)) static void
driver_use(struct driver *d, struct virtio_device *dev)
{
	assert(dev);
	d->dev = dev;
	dev->transport_ops = &driver_transport;
	dev->transport = d;
}

/* Empty rings of `size` entries for all queues, as after a reset. */
__attribute__((unused)) static void
driver_rings(struct driver *d, uint16_t size)
{
	uint64_t len = (uint64_t)d->dev->queue_count * DRIVER_RING;

	memset(driver_at(d, DRIVER_RINGS, len), 0, len);
	for (unsigned i = 0; i < d->dev->queue_count; i++) {
		struct virtq *vq = &d->dev->queues[i];

		d->queues[i] = (struct driver_queue){
		    .gpa = DRIVER_RINGS + (uint64_t)i * DRIVER_RING,
		    .size = size,
		};
		vq->size = size;
		vq->desc = d->queues[i].gpa;
		vq->driver = vq->desc + 0x1000;
		vq->device = vq->desc + 0x2000;
		vq->ready = true;
	}
}

/* Handles events until there are none. A device that does not come to rest has
 * a wake-up that feeds itself: that is a bug, and the test's end. */
__attribute__((unused)) static void
driver_turn(struct driver *d)
{
	int turns = 0;

	while (loop_turn(d->loop, 0) > 0)
		if (++turns == 100000)
			abort();
}

/* Resets, lays rings out and starts the device. As virtio_device_start. */
__attribute__((unused)) static int
driver_start(struct driver *d, uint64_t features)
{
	int result;

	virtio_device_stop(d->dev);
	d->needs_reset = false;
	driver_rings(d, VIRTQ_SIZE_MAX);
	result = virtio_device_start(d->dev, features & d->dev->offered);
	driver_turn(d);
	return result;
}

__attribute__((unused)) static void
driver_release(struct driver *d)
{
	if (d->dev)
		virtio_device_stop(d->dev);
	virtio_device_free(d->dev);
	loop_free(d->loop);
	gmem_release(&d->mem);
}

/* Makes a head available, as it is. */
__attribute__((unused)) static void
driver_publish(struct driver *d, unsigned queue, uint16_t head)
{
	struct driver_queue *q = &d->queues[queue];
	struct driver_avail *avail = driver_avail(d, queue);

	avail->ring[q->next++ % q->size] = head;
	avail->idx = q->next;
}

/* Adds a chain of direct descriptors. Its head, -1 where there is no room. */
__attribute__((unused)) static int
driver_add(struct driver *d, unsigned queue, const struct driver_part *parts,
    unsigned count)
{
	struct driver_queue *q = &d->queues[queue];
	int head = -1, last = -1;

	for (unsigned i = 0, at = 0; i < count; i++) {
		struct driver_desc *desc;

		while (at < q->size && q->busy[at])
			at++;
		if (at == q->size)
			return -1;
		q->busy[at] = true;
		desc = driver_desc(d, queue, at);
		*desc = (struct driver_desc){
		    .addr = parts[i].gpa,
		    .len = parts[i].len,
		    .flags = parts[i].write ? DRIVER_WRITE : 0,
		};
		if (last >= 0) {
			struct driver_desc *before =
			    driver_desc(d, queue, (unsigned)last);

			before->flags |= DRIVER_NEXT;
			before->next = (uint16_t)at;
		} else {
			head = (int)at;
		}
		last = (int)at;
	}
	if (head >= 0)
		driver_publish(d, queue, (uint16_t)head);
	return head;
}

/* Notifies the device and lets it work. */
__attribute__((unused)) static void
driver_kick(struct driver *d, unsigned queue)
{
	eventfd_give(d->dev->queues[queue].kick_fd);
	driver_turn(d);
}

/* Whether the device interrupted for the queue since the last time. */
__attribute__((unused)) static bool
driver_called(struct driver *d, unsigned queue)
{
	return eventfd_take(d->dev->queues[queue].call_fd) > 0;
}

/* The next used chain's head and the bytes written; -1: none. */
__attribute__((unused)) static int
driver_used(struct driver *d, unsigned queue, uint32_t *len)
{
	struct driver_queue *q = &d->queues[queue];
	struct driver_used *used = driver_used_ring(d, queue);
	struct driver_used_entry entry;
	unsigned at;

	if (used->idx == q->used_seen)
		return -1;
	entry = used->ring[q->used_seen++ % q->size];
	if (len)
		*len = entry.len;
	for (at = entry.id; at < q->size && q->busy[at];) {
		struct driver_desc *desc = driver_desc(d, queue, at);

		q->busy[at] = false;
		if (!(desc->flags & DRIVER_NEXT))
			break;
		at = desc->next;
	}
	return (int)entry.id;
}

#endif
