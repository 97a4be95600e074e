/* SPDX-License-Identifier: MIT */
/*
 * mem.c - virtio memory device
 *
 * The state of a block is kept in one place, the region's table of blocks
 * (gmem.h); what is plugged in all is counted along. A range of a request is
 * a claim of two numbers, checked against the usable part before it is used.
 *
 * A reset of the device changes no block (5.15.5.2): the driver that begins
 * says "unplug all" if it wants to know nothing of what was.
 *
 * The configuration's plugged_size changes by the driver's own requests, so it
 * is changed without telling it; an interrupt for each would make Linux start
 * over each time.
 *
 * Left out: node_id (there is one node), suspending with plugged memory.
 */
#include "cmd/vk-boot/virtio/mem.h"

#include "common/cursor.h"

#include <stdlib.h>

/* Memory that is unplugged is not to be touched, not even to be read. */
#define F_UNPLUGGED_INACCESSIBLE (1ull << 1)

/* Configuration space (5.15.4). */
#define CONFIG_BLOCK_SIZE 0
#define CONFIG_ADDRESS    16
#define CONFIG_REGION     24
#define CONFIG_USABLE     32
#define CONFIG_PLUGGED    40
#define CONFIG_REQUESTED  48
#define CONFIG_SIZE       56

/* Requests and answers (5.15.6). */
enum { PLUG, UNPLUG, UNPLUG_ALL, STATE };
enum { ACK, NACK, BUSY, ERROR };
enum { PLUGGED, UNPLUGGED, MIXED };

#define REQUEST_LEN 24
#define ANSWER_LEN  10

/* Requests before other sources of the loop have their turn: one may give some
 * gigabytes back. */
#define TURN_MAX 16

struct mem {
	struct virtio_device dev;
	const struct gmem_region *region;
	uint64_t usable; /* bytes from its start */
	struct mem_stats stats;
	struct virtio_request request;
};

/* Blocks, by number in the region. */
struct blocks {
	uint64_t first, count;
};

/* Which blocks the driver means. -1: they are none of the usable ones. */
static int
read_blocks(const struct mem *m, struct cursor *c, struct blocks *blocks)
{
	uint64_t offset = get_le64(c) - m->region->gpa;
	uint64_t len = get_le16(c) * MEM_BLOCK;

	*blocks = (struct blocks){offset / MEM_BLOCK, len / MEM_BLOCK};
	return len > 0 && offset % MEM_BLOCK == 0 && offset < m->usable &&
		       len <= m->usable - offset
		   ? 0
		   : -1;
}

static void
set_plugged(struct mem *m, uint64_t bytes)
{
	m->stats.plugged = bytes;
	virtio_config_put(&m->dev, CONFIG_PLUGGED, &bytes, sizeof(bytes));
}

static unsigned
plug(struct mem *m, const struct blocks *b)
{
	uint64_t len = b->count * MEM_BLOCK;

	/* More may be there than is asked for: it was asked for once. */
	if (m->stats.plugged > m->stats.requested ||
	    len > m->stats.requested - m->stats.plugged)
		return NACK;
	if (!gmem_blocks_are(m->region, b->first, b->count, false))
		return ERROR;
	gmem_blocks_set(m->dev.mem, m->region, b->first, b->count, true);
	set_plugged(m, m->stats.plugged + len);
	m->stats.plugs++;
	return ACK;
}

static unsigned
unplug(struct mem *m, const struct blocks *b)
{
	if (!gmem_blocks_are(m->region, b->first, b->count, true))
		return ERROR;
	gmem_blocks_set(m->dev.mem, m->region, b->first, b->count, false);
	set_plugged(m, m->stats.plugged - b->count * MEM_BLOCK);
	m->stats.unplugs++;
	return ACK;
}

static unsigned
unplug_all(struct mem *m)
{
	if (m->usable > 0)
		gmem_blocks_set(
		    m->dev.mem, m->region, 0, m->usable / MEM_BLOCK, false);
	set_plugged(m, 0);
	return ACK;
}

static unsigned
state_of(const struct mem *m, const struct blocks *b)
{
	if (gmem_blocks_are(m->region, b->first, b->count, true))
		return PLUGGED;
	return gmem_blocks_are(m->region, b->first, b->count, false) ? UNPLUGGED
								     : MIXED;
}

/* Does what a request says; the answer's type, and the state asked for. */
static unsigned
perform(struct mem *m, unsigned *state)
{
	uint8_t bytes[REQUEST_LEN];
	struct cursor c = cursor_of(bytes, sizeof(bytes));
	struct blocks blocks;
	unsigned type;

	if (request_read(&m->request, bytes, sizeof(bytes)) < 0)
		return ERROR;
	type = get_le16(&c);
	get_bytes(&c, 6);
	if (type == UNPLUG_ALL)
		return unplug_all(m);
	if (read_blocks(m, &c, &blocks) < 0)
		return ERROR;
	switch (type) {
	case PLUG:
		return plug(m, &blocks);
	case UNPLUG:
		return unplug(m, &blocks);
	case STATE:
		*state = state_of(m, &blocks);
		return ACK;
	}
	return ERROR;
}

static uint32_t
answer(struct mem *m)
{
	uint8_t bytes[ANSWER_LEN] = {0};
	struct writer w = writer_of(bytes, sizeof(bytes));
	unsigned state = 0, type = perform(m, &state);

	if (type != ACK)
		m->stats.refused++;
	put_le(&w, type, 2);
	put_zeros(&w, 6);
	put_le(&w, state, 2);
	return (uint32_t)request_write(&m->request, bytes, sizeof(bytes));
}

/* ---- the device ---- */

static void
mem_start(struct virtio_device *dev)
{
	(void)dev;
}

static void
mem_notify(struct virtio_device *dev, unsigned queue)
{
	struct mem *m = (struct mem *)dev;
	struct virtq *vq = &dev->queues[queue];
	unsigned turns = 0;

	do {
		virtq_want_kicks(vq, false);
		for (; turns < TURN_MAX && virtq_pop(vq, &m->request) > 0;
		     turns++)
			virtq_push(vq, &m->request, answer(m));
		if (turns == TURN_MAX)
			eventfd_give(vq->kick_fd);
	} while (turns < TURN_MAX && virtq_want_kicks(vq, true));
	virtq_signal(vq);
}

static void
mem_free(struct virtio_device *dev)
{
	virtio_device_release(dev);
	free(dev);
}

static const struct filter_call calls[] = {
    CALL(madvise), /* memory that goes back (gmem_discard) */
    CALLS_END,
};

static const struct virtio_device_ops mem_ops = {
    .name = "mem",
    .type = VIRTIO_TYPE_MEM,
    .calls = calls,
    .start = mem_start,
    .notify = mem_notify,
    .free = mem_free,
};

struct virtio_device *
mem_new(struct loop *loop, const struct gmem *mem,
    const struct gmem_region *region, struct err *e)
{
	struct mem *m = calloc(1, sizeof(*m));
	const uint64_t block = MEM_BLOCK;

	if (!m) {
		err_errno(e, EX_OSERR, "mem");
		return NULL;
	}
	m->region = region;
	m->dev.offered = F_UNPLUGGED_INACCESSIBLE;
	m->dev.config_size = CONFIG_SIZE;
	if (virtio_device_init(&m->dev, &mem_ops, loop, mem, 1, e) < 0) {
		mem_free(&m->dev);
		return NULL;
	}
	virtio_config_put(&m->dev, CONFIG_BLOCK_SIZE, &block, 8);
	virtio_config_put(&m->dev, CONFIG_ADDRESS, &region->gpa, 8);
	virtio_config_put(&m->dev, CONFIG_REGION, &region->len, 8);
	return &m->dev;
}

struct mem_call {
	struct mem *m;
	struct mem_stats *into;
	uint64_t bytes;
};

static void
set_request(void *with)
{
	struct mem_call *call = with;
	struct mem *m = call->m;

	m->usable = m->region->blocks->reach;
	m->stats.requested = call->bytes;
	virtio_config_put(&m->dev, CONFIG_USABLE, &m->usable, 8);
	virtio_config_set(&m->dev, CONFIG_REQUESTED, &call->bytes, 8);
}

void
mem_request(struct virtio_device *dev, uint64_t bytes)
{
	struct mem_call call = {.m = (struct mem *)dev, .bytes = bytes};

	loop_call(dev->loop, set_request, &call);
}

static void
get_stats(void *with)
{
	struct mem_call *call = with;

	*call->into = call->m->stats;
}

void
mem_stats(struct virtio_device *dev, struct mem_stats *into)
{
	struct mem_call call = {.m = (struct mem *)dev, .into = into};

	loop_call(dev->loop, get_stats, &call);
}
