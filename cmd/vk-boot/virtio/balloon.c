/* SPDX-License-Identifier: MIT */
/*
 * balloon.c - virtio memory balloon
 *
 * Which queue is which: 5.5.2 numbers five, of which some are there only with
 * their feature. Linux has always counted only those that are there. The queue
 * of statistics is the third in either case, if it was negotiated, and we do
 * not offer FREE_PAGE_HINT; so every other queue behind the first two is that
 * of reporting, whichever number a driver gives it.
 *
 * Page poisoning (5.5.6.5): a guest that fills free pages with a pattern says
 * which; pages come back as zeros, so with another pattern reports are
 * acknowledged and nothing is discarded.
 *
 * Left out: FREE_PAGE_HINT (a help for migration), MUST_TELL_HOST (pages that
 * the guest takes back need no preparation here).
 */
#include "cmd/vk-boot/virtio/balloon.h"

#include "common/cursor.h"

#include <stdlib.h>

enum { INFLATE, DEFLATE, STATS, REPORT_A, REPORT_B, QUEUES };

#define F_STATS          (1ull << 1)
#define F_DEFLATE_ON_OOM (1ull << 2)
#define F_PAGE_POISON    (1ull << 4)
#define F_REPORTING      (1ull << 5)

/* Configuration space (5.5.4); the driver writes from `actual` on. */
#define CONFIG_TARGET 0
#define CONFIG_ACTUAL 4
#define CONFIG_POISON 12
#define CONFIG_SIZE   16

#define PAGE_SHIFT 12 /* of the balloon, whatever the guest's pages are */

/* Page numbers taken from one request. Linux sends 256; a guest that puts more
 * into one loses the memory, we do not gain it. */
#define PAGES_MAX 1024

/* Requests before other sources of the loop have their turn: each can be a
 * thousand system calls. */
#define TURN_MAX 16

/* Statistics of one request: there are 10 tags of 10 bytes (5.5.6.4). */
#define STATS_MAX 16
#define STAT_LEN  10

struct balloon {
	struct virtio_device dev;
	struct balloon_stats stats;
	bool held; /* the driver's statistics buffer: given back to ask */
	struct virtio_request stats_request;
	struct virtio_request request;
};

/* ---- pages ---- */

/* Discards the pages that a request names, neighbours in one call. */
static void
inflate(struct balloon *b, struct virtio_request *request)
{
	uint64_t start = 0, count = 0;

	for (unsigned i = 0; i <= PAGES_MAX; i++) {
		uint32_t page;
		bool more = i < PAGES_MAX &&
			    request_read(request, &page, sizeof(page)) == 0;
		void *hva;

		if (more && count > 0 && page == start + count) {
			count++;
			continue;
		}
		/* Linux names them from the top down. */
		if (more && count > 0 && page + 1ull == start) {
			start--;
			count++;
			continue;
		}
		hva = count > 0 ? gmem_at(b->dev.mem, start << PAGE_SHIFT,
				      count << PAGE_SHIFT)
				: NULL;
		if (hva)
			b->stats.inflated +=
			    gmem_discard(b->dev.mem, hva, count << PAGE_SHIFT);
		if (!more)
			return;
		start = page;
		count = 1;
	}
}

/* Discards what a request describes: its parts are the pages themselves. */
static void
report(struct balloon *b, const struct virtio_request *request)
{
	const struct iovec *parts = request->iov + request->readable;
	uint32_t poison;

	virtio_config_read(&b->dev, CONFIG_POISON, &poison, sizeof(poison));
	if (b->dev.features & F_PAGE_POISON && poison != 0)
		return;
	for (unsigned i = 0; i < request->writable; i++)
		if (parts[i].iov_len > 0)
			b->stats.reported += gmem_discard(
			    b->dev.mem, parts[i].iov_base, parts[i].iov_len);
}

static void
take_pages(struct balloon *b, unsigned queue)
{
	struct virtq *vq = &b->dev.queues[queue];
	unsigned turns = 0;

	do {
		virtq_want_kicks(vq, false);
		while (turns < TURN_MAX && virtq_pop(vq, &b->request) > 0) {
			if (queue == INFLATE)
				inflate(b, &b->request);
			else if (queue != DEFLATE)
				report(b, &b->request);
			virtq_push(vq, &b->request, 0);
			turns++;
		}
		if (turns == TURN_MAX)
			eventfd_give(vq->kick_fd);
	} while (turns < TURN_MAX && virtq_want_kicks(vq, true));
	virtq_signal(vq);
}

/* ---- statistics ---- */

static void
forget_memory(struct balloon *b)
{
	memset(&b->stats.memory, 0xff, sizeof(b->stats.memory));
}

/* Where a tag's value goes (5.5.6.4), NULL for others. */
static uint64_t *
field_of(struct balloon_memory *memory, uint16_t tag)
{
	switch (tag) {
	case 0:
		return &memory->swapped_in;
	case 1:
		return &memory->swapped_out;
	case 2:
		return &memory->major_faults;
	case 3:
		return &memory->minor_faults;
	case 4:
		return &memory->free;
	case 5:
		return &memory->total;
	case 6:
		return &memory->available;
	case 7:
		return &memory->caches;
	}
	return NULL;
}

static void
read_statistics(struct balloon *b, struct virtio_request *request)
{
	uint8_t bytes[STAT_LEN];

	for (unsigned i = 0;
	     i < STATS_MAX && request_read(request, bytes, sizeof(bytes)) == 0;
	     i++) {
		struct cursor c = cursor_of(bytes, sizeof(bytes));
		uint16_t tag = get_le16(&c);
		uint64_t *field = field_of(&b->stats.memory, tag);

		if (field)
			*field = get_le64(&c);
	}
}

/* One is held at a time; the next waits in the queue. A driver kicks for what
 * it was told that we wait for, and for no more (2.7.10). */
static void
take_statistics(struct balloon *b)
{
	struct virtq *vq = &b->dev.queues[STATS];

	do {
		if (b->held || virtq_pop(vq, &b->stats_request) <= 0)
			continue;
		b->held = true;
		read_statistics(b, &b->stats_request);
	} while (virtq_want_kicks(vq, true) && !b->held);
}

/* Gives the statistics buffer back: the driver fills it anew. */
static void
ask_statistics(struct balloon *b)
{
	struct virtq *vq = &b->dev.queues[STATS];

	if (!b->held || !b->dev.running || b->dev.failed)
		return;
	b->held = false;
	virtq_push(vq, &b->stats_request, 0);
	take_statistics(b);
	virtq_signal(vq);
	if (vq->broken)
		virtio_device_fail(&b->dev, vq->why);
}

/* ---- the device ---- */

static void
balloon_start(struct virtio_device *dev)
{
	(void)dev;
}

static void
balloon_stop(struct virtio_device *dev)
{
	struct balloon *b = (struct balloon *)dev;
	uint32_t none = 0;

	b->held = false;
	b->stats.actual = 0;
	forget_memory(b);
	virtio_config_set(dev, CONFIG_ACTUAL, &none, sizeof(none));
	virtio_config_set(dev, CONFIG_POISON, &none, sizeof(none));
}

static void
balloon_notify(struct virtio_device *dev, unsigned queue)
{
	struct balloon *b = (struct balloon *)dev;

	if (queue == STATS && dev->features & F_STATS)
		take_statistics(b);
	else if (queue < STATS || dev->features & F_REPORTING)
		take_pages(b, queue);
}

static void
balloon_written(struct virtio_device *dev, unsigned offset, unsigned len)
{
	struct balloon *b = (struct balloon *)dev;
	uint32_t pages;

	(void)offset;
	(void)len;
	virtio_config_read(dev, CONFIG_ACTUAL, &pages, sizeof(pages));
	b->stats.actual = (uint64_t)pages << PAGE_SHIFT;
}

static void
balloon_free(struct virtio_device *dev)
{
	virtio_device_release(dev);
	free(dev);
}

static const struct filter_call calls[] = {
    CALL(madvise), /* memory that goes back (gmem_discard) */
    CALLS_END,
};

static const struct virtio_device_ops balloon_ops = {
    .name = "balloon",
    .type = VIRTIO_TYPE_BALLOON,
    .calls = calls,
    .start = balloon_start,
    .stop = balloon_stop,
    .notify = balloon_notify,
    .config_written = balloon_written,
    .free = balloon_free,
};

struct virtio_device *
balloon_new(struct loop *loop, const struct gmem *mem, struct err *e)
{
	struct balloon *b = calloc(1, sizeof(*b));

	if (!b) {
		err_errno(e, EX_OSERR, "balloon");
		return NULL;
	}
	forget_memory(b);
	b->dev.offered =
	    F_STATS | F_DEFLATE_ON_OOM | F_PAGE_POISON | F_REPORTING;
	b->dev.config_size = CONFIG_SIZE;
	b->dev.config_writable = CONFIG_ACTUAL;
	b->dev.config_writable_len = CONFIG_SIZE - CONFIG_ACTUAL;
	if (virtio_device_init(&b->dev, &balloon_ops, loop, mem, QUEUES, e) <
	    0) {
		balloon_free(&b->dev);
		return NULL;
	}
	return &b->dev;
}

struct balloon_call {
	struct balloon *b;
	struct balloon_stats *into;
	uint64_t target;
};

static void
set_target(void *with)
{
	struct balloon_call *call = with;
	uint64_t pages = call->target >> PAGE_SHIFT;
	uint32_t value = pages < UINT32_MAX ? (uint32_t)pages : UINT32_MAX;

	call->b->stats.target = (uint64_t)value << PAGE_SHIFT;
	virtio_config_set(&call->b->dev, CONFIG_TARGET, &value, sizeof(value));
}

void
balloon_target(struct virtio_device *dev, uint64_t bytes)
{
	struct balloon_call call = {
	    .b = (struct balloon *)dev, .target = bytes};

	loop_call(dev->loop, set_target, &call);
}

static void
get_stats(void *with)
{
	struct balloon_call *call = with;

	*call->into = call->b->stats;
	ask_statistics(call->b);
}

void
balloon_stats(struct virtio_device *dev, struct balloon_stats *into)
{
	struct balloon_call call = {.b = (struct balloon *)dev, .into = into};

	loop_call(dev->loop, get_stats, &call);
}
