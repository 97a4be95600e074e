/* SPDX-License-Identifier: MIT */
/*
 * blk.c - virtio block device
 *
 * All queues are served by the one thread of the disk's loop, and many requests
 * are under way at a time (blk_request.h). Each of them is held in a slot; when
 * there is no free one, the rings wait.
 */
#include "cmd/vk-boot/virtio/blk.h"

#include "cmd/vk-boot/virtio/blk_request.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Requests under way. A slot is 8 KiB, and takes memory when it is used. */
#define SLOTS ASYNC_DEPTH_MAX

/* The driver is interrupted when so many requests were done at once, so that
 * it can begin with them while we do the others. */
#define SIGNAL_EVERY 16

/* Requests of one queue at a time: a driver that never stops adding them does
 * not keep the loop to itself. */
#define BURST 256

struct blk {
	struct virtio_device dev;
	struct blk_io io;
	struct blk_request *slots; /* SLOTS of them */
	struct blk_request *free;
	unsigned used; /* slots that were ever taken */
	unsigned under_way;
	uint32_t touched; /* a bit a queue: something was pushed */
	uint32_t starved; /* a bit a queue: waits for a slot */
	unsigned unsignalled;
};

static struct blk_request *
take_slot(struct blk *blk)
{
	struct blk_request *r = blk->free;

	if (r) {
		blk->free = r->next;
		return r;
	}
	return blk->used < SLOTS ? &blk->slots[blk->used++] : NULL;
}

static bool
has_slot(const struct blk *blk)
{
	return blk->free || blk->used < SLOTS;
}

static void
give_slot(struct blk *blk, struct blk_request *r)
{
	r->next = blk->free;
	blk->free = r;
}

static void
signal_touched(struct blk *blk)
{
	for (unsigned i = 0; blk->touched; i++, blk->touched >>= 1)
		if (blk->touched & 1)
			virtq_signal(&blk->dev.queues[i]);
	blk->unsignalled = 0;
}

/* Called by async, and from within blk_request_begin. */
static void
request_done(struct blk_request *r)
{
	struct blk *blk = (void *)((char *)r->io - offsetof(struct blk, io));

	virtq_push(&blk->dev.queues[r->queue], &r->request, r->filled);
	blk->touched |= 1u << r->queue;
	blk->under_way--;
	give_slot(blk, r);
	if (++blk->unsignalled == SIGNAL_EVERY)
		signal_touched(blk);
}

enum taken {
	TAKEN_ALL,  /* the ring is empty, or broken */
	TAKEN_SOME, /* there is more; others shall have their turn */
	TAKEN_FULL, /* there is no slot for more */
};

static enum taken
take_requests(struct blk *blk, unsigned queue)
{
	struct virtq *vq = &blk->dev.queues[queue];

	for (unsigned i = 0; i < BURST; i++) {
		struct blk_request *r = take_slot(blk);

		if (!r)
			return TAKEN_FULL;
		if (virtq_pop(vq, &r->request) <= 0) {
			give_slot(blk, r);
			return TAKEN_ALL;
		}
		r->io = &blk->io;
		r->queue = queue;
		r->done = request_done;
		blk_request_begin(
		    r, blk->under_way++ == 0 && virtq_known(vq) == 0);
	}
	return TAKEN_SOME;
}

static void
serve(struct blk *blk, unsigned queue)
{
	struct virtq *vq = &blk->dev.queues[queue];
	enum taken taken;

	blk->starved &= ~(1u << queue);
	virtq_want_kicks(vq, false);
	taken = take_requests(blk, queue);
	async_submit(blk->io.async);
	signal_touched(blk);
	if (taken == TAKEN_FULL && !has_slot(blk))
		blk->starved |= 1u << queue;
	else if (taken != TAKEN_ALL || virtq_want_kicks(vq, true))
		eventfd_give(vq->kick_fd); /* once more, when it is our turn */
}

/* Some that were under way are done: others have a slot now. */
static void
settled(void *owner)
{
	struct blk *blk = owner;

	signal_touched(blk);
	while (blk->starved && has_slot(blk)) {
		unsigned queue = (unsigned)__builtin_ctz(blk->starved);

		serve(blk, queue);
		if (blk->dev.queues[queue].broken)
			virtio_device_fail(
			    &blk->dev, blk->dev.queues[queue].why);
	}
}

static void
blk_notify(struct virtio_device *dev, unsigned queue)
{
	serve((struct blk *)dev, queue);
}

static void
blk_start(struct virtio_device *dev)
{
	struct blk *blk = (struct blk *)dev;

	blk->starved = blk->touched = blk->unsignalled = 0;
}

/* Whatever is under way ends before its memory may go. */
static void
blk_stop(struct virtio_device *dev)
{
	struct blk *blk = (struct blk *)dev;

	async_wait(blk->io.async);
	signal_touched(blk);
	blk->starved = 0;
}

static void
blk_drain(struct virtio_device *dev)
{
	struct blk *blk = (struct blk *)dev;

	async_wait(blk->io.async);
	signal_touched(blk);
	/* The other queues go on, in their turn; the one that is taken away is
	 * none of them by then. */
	for (; blk->starved; blk->starved &= blk->starved - 1)
		eventfd_give(dev->queues[__builtin_ctz(blk->starved)].kick_fd);
}

static void
blk_free(struct virtio_device *dev)
{
	struct blk *blk = (struct blk *)dev;

	async_free(blk->io.async);
	virtio_device_release(dev);
	free(blk->io.bounce);
	free(blk->slots);
	free(blk);
}

/* In the sandbox no ring and no thread is made: the ring is, now. */
static int
blk_keep(struct virtio_device *dev, struct confine *confine, struct err *e)
{
	(void)confine, (void)e;
	async_confine(((struct blk *)dev)->io.async);
	return 0;
}

/* Beside those of the disk, and of what moves more than one at a time. */
const struct filter_call blk_calls[] = {
    CALL(preadv2), /* what the page cache has */
    CALL(pwritev2),
    CALLS_END,
};

static const struct virtio_device_ops blk_ops = {
    .name = "blk",
    .type = VIRTIO_TYPE_BLK,
    .calls = blk_calls,
    .keep = blk_keep,
    .start = blk_start,
    .stop = blk_stop,
    .drain = blk_drain,
    .notify = blk_notify,
    .free = blk_free,
};

static void
fill_config(struct blk *blk, unsigned queues)
{
	struct virtio_blk_config config = {
	    .capacity = blk->io.disk->size / DISK_SECTOR,
	    .seg_max = BLK_SEGMENTS_MAX,
	    .blk_size = blk->io.disk->block_size,
	    /* clusters of 8 sectors */
	    .physical_block_exp =
		blk->io.disk->block_size == DISK_SECTOR ? 3 : 0,
	    .num_queues = (uint16_t)queues,
	    .min_io_size = 1,
	    .max_discard_sectors = BLK_RANGE_SECTORS_MAX,
	    .max_discard_seg = BLK_RANGES_MAX,
	    .discard_sector_alignment = DISK_CLUSTER / DISK_SECTOR,
	    .max_write_zeroes_sectors = BLK_RANGE_SECTORS_MAX,
	    .max_write_zeroes_seg = BLK_RANGES_MAX,
	    .write_zeroes_may_unmap = 1,
	};

	blk->dev.config_size =
	    offsetof(struct virtio_blk_config, write_zeroes_may_unmap) + 4;
	memcpy(blk->dev.config, &config, blk->dev.config_size);
	blk->dev.offered =
	    1ull << VIRTIO_BLK_F_SEG_MAX | 1ull << VIRTIO_BLK_F_BLK_SIZE |
	    1ull << VIRTIO_BLK_F_TOPOLOGY | 1ull << VIRTIO_BLK_F_FLUSH;
	if (queues > 1)
		blk->dev.offered |= 1ull << VIRTIO_BLK_F_MQ;
	if (blk->io.disk->read_only)
		blk->dev.offered |= 1ull << VIRTIO_BLK_F_RO;
	else
		blk->dev.offered |= 1ull << VIRTIO_BLK_F_DISCARD |
				    1ull << VIRTIO_BLK_F_WRITE_ZEROES;
}

struct virtio_device *
blk_new(struct loop *loop, const struct gmem *mem,
    const struct blk_config *config, struct err *e)
{
	struct blk *blk = calloc(1, sizeof(*blk));
	struct async_config async = {
	    .threads = config->threads,
	    .settled = settled,
	    .owner = blk,
	};
	size_t len = strnlen(config->serial, VIRTIO_BLK_ID_BYTES);
	unsigned queues =
	    config->queues < BLK_QUEUES_MAX ? config->queues : BLK_QUEUES_MAX;

	if (!blk) {
		err_errno(e, EX_OSERR, "%s", config->disk->name);
		return NULL;
	}
	if (queues == 0)
		queues = 1;
	disk_allow(config->disk, loop_filter(loop));
	blk->io.disk = config->disk;
	memcpy(blk->io.serial, config->serial, len);
	fill_config(blk, queues);
	blk->slots = calloc(SLOTS, sizeof(*blk->slots));
	blk->io.async = async_new(loop, &async, e);
	if (!blk->slots || !blk->io.async) {
		err_errno(e, EX_OSERR, "%s", config->disk->name);
		async_free(blk->io.async);
		free(blk->slots);
		free(blk);
		return NULL;
	}
	if (virtio_device_init(&blk->dev, &blk_ops, loop, mem, queues, e) < 0) {
		blk_free(&blk->dev);
		return NULL;
	}
	return &blk->dev;
}

struct stats_call {
	const struct blk *blk;
	struct blk_stats *into;
};

static void
get_stats(void *with)
{
	struct stats_call *call = with;

	*call->into = call->blk->io.stats;
}

void
blk_stats(struct virtio_device *dev, struct blk_stats *into)
{
	struct stats_call call = {(const struct blk *)dev, into};

	loop_call(dev->loop, get_stats, &call);
}
