/* SPDX-License-Identifier: MIT */
/*
 * device.h - a virtio device that does not know its transport
 *
 * A device is one struct of operations in one file. Registers, feature
 * negotiation, status, configuration space and reset are written once here and
 * in the transport (pci.c; later vhost-user), so that the same device can sit
 * behind either.
 *
 * Life (virtio 1.2, 3.1):
 *
 *	xxx_new          the device exists; config and offered are filled in
 *	virtio_device_start   the driver set DRIVER_OK: queues resolved, then
 *	                 ops->start; from now on ops->notify at each kick
 *	virtio_device_stop    reset, or the end: ops->stop, queues forgotten
 *	ops->free        gone
 *
 * All operations but free run in the device's loop, one at a time. Once stop
 * has returned, no request may be in flight.
 */
#ifndef VK_BOOT_VIRTIO_DEVICE_H
#define VK_BOOT_VIRTIO_DEVICE_H

#include "cmd/vk-boot/gmem.h"
#include "cmd/vk-boot/loop.h"
#include "cmd/vk-boot/virtio/queue.h"

#include "common/confine.h"

#include <pthread.h>

/* Device types (virtio 1.2, 5). */
enum {
	VIRTIO_TYPE_NET = 1,
	VIRTIO_TYPE_BLK = 2,
	VIRTIO_TYPE_CONSOLE = 3,
	VIRTIO_TYPE_RNG = 4,
	VIRTIO_TYPE_BALLOON = 5,
	VIRTIO_TYPE_VSOCK = 19,
	VIRTIO_TYPE_MEM = 24,
	VIRTIO_TYPE_FS = 26,
};

/* The most queues one device has (net with several pairs), and the largest
 * configuration space (blk's and net's are below 100 bytes). */
#define VIRTIO_QUEUES_MAX 16
#define VIRTIO_CONFIG_MAX 256

struct virtio_device;

struct virtio_device_ops {
	const char *name; /* "blk": for messages and thread names */
	uint16_t type;
	/* What its operations ask of the host, beside what a loop does; they
	 * become calls of its loop's thread. NULL: nothing. */
	const struct filter_call *calls;
	/* The driver is ready; dev->features is what was agreed. */
	void (*start)(struct virtio_device *);
	/* Reset. May be NULL where nothing is ever in flight. */
	void (*stop)(struct virtio_device *);
	/* A queue is about to be taken away, or the memory: nothing of it may
	 * be in flight. May be NULL, as stop. */
	void (*drain)(struct virtio_device *);
	/* Queue number was kicked. */
	void (*notify)(struct virtio_device *, unsigned queue);
	/* The driver wrote len bytes of configuration space at offset; the
	 * bytes are in dev->config already where config_writable allows. May
	 * be NULL: then the space is read-only. */
	void (*config_written)(
	    struct virtio_device *, unsigned offset, unsigned len);
	/* The sandbox is about to close: keeps the folders that it will want
	 * to reach, makes what cannot be made later. May be NULL. 0, -1 with
	 * err. */
	int (*keep)(struct virtio_device *, struct confine *, struct err *);
	void (*free)(struct virtio_device *);
};

/* What a transport does for a device. */
struct virtio_transport_ops {
	/* Tells the driver: status or configuration changed. Any thread. */
	void (*config_interrupt)(void *transport, bool needs_reset);
};

struct virtio_device {
	const struct virtio_device_ops *ops;
	struct loop *loop;
	const struct gmem *mem;
	uint64_t offered;  /* feature bits, ring features included */
	uint64_t features; /* what the driver accepted of them */
	unsigned queue_count;
	struct virtq queues[VIRTIO_QUEUES_MAX];
	struct loop_source kicks[VIRTIO_QUEUES_MAX];
	bool running; /* between start and stop */
	bool failed;  /* the driver broke the rules; until reset */
	bool warned;  /* said once, not again for this device's life */

	/* Configuration space: written by the device through
	 * virtio_config_set, read by transports from any thread. */
	pthread_mutex_t config_lock;
	uint8_t config[VIRTIO_CONFIG_MAX];
	unsigned config_size;
	/* The bytes of it that a driver may write; none: 0, 0. */
	unsigned config_writable, config_writable_len;

	const struct virtio_transport_ops *transport_ops;
	void *transport;
};

/*
 * Makes the common part: count queues of at most size_max entries, offered =
 * features and what queues and transports add (VERSION_1, EVENT_IDX,
 * INDIRECT). mem and loop are borrowed. 0, -1 with err.
 */
int virtio_device_init(struct virtio_device *, const struct virtio_device_ops *,
    struct loop *, const struct gmem *, unsigned count, struct err *);
void virtio_device_release(struct virtio_device *);
void virtio_device_free(struct virtio_device *); /* ops->free; NULL is fine */

/* Changes configuration space; the driver knows, or need not. */
void virtio_config_put(
    struct virtio_device *, unsigned offset, const void *from, unsigned len);
/* Changes configuration space and tells the driver if it runs. */
void virtio_config_set(
    struct virtio_device *, unsigned offset, const void *from, unsigned len);

/* The driver did what it must not: NEEDS_RESET (2.1.2), said once on stderr;
 * the queues stop. For the device's loop. */
void virtio_device_fail(struct virtio_device *, const char *why);

/* For transports. Accepted features must be a part of offered. start returns
 * -1 where a queue cannot be resolved (the device has failed then). */
int virtio_device_start(struct virtio_device *, uint64_t accepted);
void virtio_device_stop(struct virtio_device *);
/*
 * For transports that start queues one by one (vhost-user), in the device's
 * loop: the queue's rings are set; its first entry is base; the device starts
 * with its first queue and stops with its last. Descriptors are taken over in
 * place of the ones that the queue was made with; -1: nothing to call.
 */
int virtio_device_start_queue(
    struct virtio_device *, unsigned queue, uint16_t base, uint64_t accepted);
void virtio_device_stop_queue(struct virtio_device *, unsigned queue);
/* The guest's memory is about to change places, and the device with it: nothing
 * is under way, and its queues that run stand still until virtq_move. */
void virtio_device_suspend(struct virtio_device *);
int virtio_device_set_kick(struct virtio_device *, unsigned queue, int fd);
void virtio_device_set_call(struct virtio_device *, unsigned queue, int fd);
/* Any offset and length; what is outside reads as 0 and is not written. */
void virtio_config_read(
    struct virtio_device *, unsigned offset, void *into, unsigned len);
void virtio_config_write(
    struct virtio_device *, unsigned offset, const void *from, unsigned len);

#endif
