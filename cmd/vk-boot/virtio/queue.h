/* SPDX-License-Identifier: MIT */
/*
 * queue.h - split virtqueues, from the device's side (virtio 1.2, 2.7)
 *
 * A device never sees a descriptor. virtq_pop walks a chain once, copies each
 * descriptor before looking at it, checks everything the specification asks
 * (count, loops, order, indirect tables, that every byte is guest memory), and
 * hands out a request: bytes to read, then bytes to fill. Devices move data
 * with their own sizes:
 *
 *	while (virtq_pop(vq, &request) > 0) {
 *		if (request_read(&request, &header, sizeof(header)) < 0)
 *			...the driver sent less than that
 *		written = request_write(&request, answer, len);
 *		virtq_push(vq, &request, written);
 *	}
 *	virtq_signal(vq);
 *
 * Every request popped is pushed exactly once. A chain that breaks the rules
 * stops the queue (broken) until reset; the device is told by -1 and marks
 * itself NEEDS_RESET (virtio_device_fail). Nothing here trusts an index: at
 * most `size` requests are handed out between two looks at the driver's index,
 * and a driver that claims more has broken the rules.
 *
 * One thread at a time uses a queue: the loop of its device.
 */
#ifndef VK_BOOT_VIRTIO_QUEUE_H
#define VK_BOOT_VIRTIO_QUEUE_H

#include "cmd/vk-boot/gmem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* The largest queue we offer; also the longest chain (2.7.5.3.1: a chain is
 * never longer than the queue size, indirect or not). */
#define VIRTQ_SIZE_MAX 256

/* Features (virtio 1.2, 6) of all our devices, as bits: Linux's headers have
 * their numbers, under the names of the specification. */
#define FEATURE_RING_INDIRECT (1ull << 28)
#define FEATURE_RING_EVENT    (1ull << 29)
#define FEATURE_VERSION_1     (1ull << 32)

struct virtq {
	/* Set by the transport before the start, unchanged until reset. */
	const struct gmem *mem;
	uint16_t size;     /* a power of two, at most size_max */
	uint16_t size_max; /* what the device offers */
	bool ready;        /* the driver enabled it */
	uint64_t desc;     /* guest-physical: descriptor table */
	uint64_t driver;   /* available ring */
	uint64_t device;   /* used ring */
	bool event_idx;    /* FEATURE_RING_EVENT was negotiated */
	bool indirect;     /* FEATURE_RING_INDIRECT was negotiated */
	int kick_fd;       /* the driver's notification arrives here */
	int call_fd;       /* ours to the driver goes here; -1: none wanted */

	/* Ours. */
	void *desc_hva;
	void *driver_hva;
	void *device_hva;
	uint16_t next_avail; /* the next available entry we look at */
	uint16_t avail_seen; /* the driver's index when we looked last */
	uint16_t next_used;  /* the next used entry we fill */
	uint16_t signalled;  /* next_used at the last signal */
	bool signal_due;     /* pushed since then, or never signalled */
	bool broken;         /* the driver broke the rules; why says how */
	const char *why;
	uint64_t kicks, signals; /* counters, for stats */
	uint64_t requests;       /* pushed */
};

/* One chain. Readable parts first: iov[0 .. readable), then writable ones. */
struct virtio_request {
	uint16_t head;
	unsigned readable; /* parts to read */
	unsigned writable; /* parts to fill */
	uint64_t readable_len;
	uint64_t writable_len;
	struct iovec iov[VIRTQ_SIZE_MAX];
	/* Where request_read and request_write are: */
	unsigned read_part, write_part;
	size_t read_offset, write_offset;
};

/* Resolves the rings; called when DRIVER_OK is set. 0, -1 with vq->why. */
int virtq_start(struct virtq *);

/* After virtq_start: the first entries were handled already (vhost-user). */
void virtq_resume(struct virtq *, uint16_t base);

/* Nothing comes out of it, and nothing goes in, until virtq_move: for the time
 * in which its memory changes places. All that was pushed was signalled. */
void virtq_suspend(struct virtq *);
/* Resolves the rings anew, with all that is in them. 0, -1 with vq->why. */
int virtq_move(struct virtq *);

/* Forgets everything but size_max, mem and the descriptors' numbers. */
void virtq_reset(struct virtq *);

/* The next request: 1, 0 if there is none, -1 if the queue is broken. */
int virtq_pop(struct virtq *, struct virtio_request *);

/* How many more the driver was seen to have added at the last pop. */
unsigned virtq_known(const struct virtq *);

/* Puts the request back: the chain is the driver's again, written bytes of its
 * writable part were filled from the front. */
void virtq_push(
    struct virtq *, const struct virtio_request *, uint32_t written);

/* As virtq_push, but the driver sees it with the next virtq_push only: for all
 * but the last of what it is to see at once. */
void virtq_fill(
    struct virtq *, const struct virtio_request *, uint32_t written);

/* Takes a popped request back as if it had never been popped; only for the
 * one popped last (and then for the one before it, and so on). */
void virtq_unpop(struct virtq *);

/* Interrupts the driver if anything was pushed and it wants to know. */
void virtq_signal(struct virtq *);

/*
 * Asks the driver to kick (on) or not to bother (off) when it adds requests.
 * With on, returns true if requests came in meanwhile: pop again.
 *
 *	do {
 *		virtq_want_kicks(vq, false);
 *		while (virtq_pop(vq, &request) > 0)
 *			...
 *	} while (virtq_want_kicks(vq, true));
 */
bool virtq_want_kicks(struct virtq *, bool on);

/* As virtq_want_kicks with on, for a device that needs more requests at a time
 * than there are, and has taken them back: true if more came in meanwhile. */
bool virtq_want_more(struct virtq *);

/* Copies the next len readable bytes. 0, -1 if fewer are left (none taken). */
int request_read(struct virtio_request *, void *into, size_t len);

/* Fills the next writable bytes. Returns how many fitted. */
size_t request_write(struct virtio_request *, const void *from, size_t len);

/* Both start over at the front: for a header that is known last. */
void request_rewind(struct virtio_request *);

/* What request_read and request_write have not reached yet. */
uint64_t request_readable_left(const struct virtio_request *);
uint64_t request_writable_left(const struct virtio_request *);

/*
 * Borrows the next len readable (writable) bytes as parts, at most max of
 * them, for readv and the like, and moves behind them. Returns the number of
 * parts, -1 if there are fewer bytes or more parts.
 */
int request_take_readable(
    struct virtio_request *, uint64_t len, struct iovec *parts, unsigned max);
int request_take_writable(
    struct virtio_request *, uint64_t len, struct iovec *parts, unsigned max);

#endif
