/* SPDX-License-Identifier: MIT */
/*
 * blk_request.h - one request of a block device, from its header to its status
 *
 * What the page cache or the host's memory has is moved at once. What waits
 * for a medium is handed to async.h, unless requests come one by one: then
 * waiting for it right here is the quicker way (one system call, no thread to
 * wake), and nobody is kept waiting. Writes through the page cache, and all
 * that changes an overlay's or an image's tables, are done here in any case:
 * such a disk does one thing after the other, and needs no locks.
 */
#ifndef VK_BOOT_VIRTIO_BLK_REQUEST_H
#define VK_BOOT_VIRTIO_BLK_REQUEST_H

#include "cmd/vk-boot/async.h"
#include "cmd/vk-boot/disk.h"
#include "cmd/vk-boot/virtio/blk.h"
#include "cmd/vk-boot/virtio/queue.h"

#include <linux/virtio_blk.h>

/* Parts of one request's data; two are for header and status. */
#define BLK_SEGMENTS_MAX (VIRTQ_SIZE_MAX - 2)

/* Ranges of one discard or write-zeroes request (Linux sends one), and the
 * sectors of one of them: 1 GiB, so that no request holds the disk for long. */
#define BLK_RANGES_MAX        16
#define BLK_RANGE_SECTORS_MAX (1u << 21)

/* What all requests of a device share. */
struct blk_io {
	struct disk *disk;
	struct async *async;
	char serial[VIRTIO_BLK_ID_BYTES];
	/* Requests for which others have been waiting lately: while there are
	 * any, nothing is waited for. */
	unsigned busy;
	struct blk_stats stats;
	bool no_nowait;  /* this file system cannot tell what it has cached */
	uint8_t *bounce; /* for memory that O_DIRECT does not take */
};

struct blk_request {
	struct async_op op;
	struct blk_io *io;
	/* It is done; request and filled can be pushed. */
	void (*done)(struct blk_request *);
	struct virtio_request request;
	unsigned queue;
	uint32_t filled;          /* bytes, the status among them */
	struct blk_request *next; /* the owner's */

	uint8_t *status;
	bool write;
	uint64_t offset, left;     /* on the disk */
	struct blk_count *counter; /* where it is counted; NULL: nowhere */
	uint64_t bytes;            /* for that */
	/* The run that is being moved: what is left of it, and all of it. */
	struct disk_run run;
	uint64_t run_len;
	struct iovec *at;
	unsigned count;
	struct iovec parts[VIRTQ_SIZE_MAX];
};

/*
 * Does what the request says; done is called when it is, perhaps at once.
 * alone: no other request is known. async_submit has to be called before
 * anything is waited for.
 */
void blk_request_begin(struct blk_request *, bool alone);

#endif
