/* SPDX-License-Identifier: MIT */
/*
 * queue.c - split virtqueues, from the device's side
 *
 * The rings lie in guest memory and another CPU writes them while we read.
 * So each field is read once, by an atomic load of its natural size, into a
 * local copy that all checks and uses share. Order (2.7.13, 2.7.14):
 *
 *	avail.idx   acquire: the entries below it are complete
 *	used entry, then used.idx   release: the driver sees a whole entry
 *	used.idx, then the driver's wish for a signal   full fence, and the
 *	    same between our wish for a kick and avail.idx, else both sides wait
 *
 * The guest is little-endian and so are we (x86-64, checked below).
 */
#include "cmd/vk-boot/virtio/queue.h"

#include "cmd/vk-boot/loop.h"

#include <stdatomic.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rings are LE");

struct descriptor { /* 2.7.5 */
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

#define DESC_NEXT     1
#define DESC_WRITE    2
#define DESC_INDIRECT 4

struct used_entry { /* 2.7.8 */
	uint32_t id;
	uint32_t len;
};

#define AVAIL_NO_INTERRUPT 1
#define USED_NO_NOTIFY     1

/* Byte offsets in the rings: flags, idx, entries, event index. */
#define RING_FLAGS   0
#define RING_IDX     2
#define RING_ENTRIES 4

static uint16_t
load16(const void *ring, size_t offset)
{
	const uint16_t *at = (const void *)((const char *)ring + offset);

	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static void
store16(void *ring, size_t offset, uint16_t value)
{
	uint16_t *at = (void *)((char *)ring + offset);

	__atomic_store_n(at, value, __ATOMIC_RELAXED);
}

/* The driver's wish: signal when used.idx passes this (behind avail ring). */
static size_t
used_event_offset(const struct virtq *vq)
{
	return RING_ENTRIES + 2u * vq->size;
}

/* Our wish: kick when avail.idx passes this (behind the used ring). */
static size_t
avail_event_offset(const struct virtq *vq)
{
	return RING_ENTRIES + sizeof(struct used_entry) * vq->size;
}

static int
breach(struct virtq *vq, const char *why)
{
	vq->broken = true;
	vq->why = why;
	return -1;
}

int
virtq_move(struct virtq *vq)
{
	if (vq->size == 0 || vq->size > vq->size_max ||
	    (vq->size & (vq->size - 1)) != 0)
		return breach(vq, "queue size is not a power of two we offer");
	if (vq->desc % 16 || vq->driver % 2 || vq->device % 4)
		return breach(vq, "a ring is not aligned");
	vq->desc_hva =
	    gmem_at(vq->mem, vq->desc, sizeof(struct descriptor) * vq->size);
	vq->driver_hva =
	    gmem_at(vq->mem, vq->driver, used_event_offset(vq) + 2);
	vq->device_hva =
	    gmem_at(vq->mem, vq->device, avail_event_offset(vq) + 2);
	if (!vq->desc_hva || !vq->driver_hva || !vq->device_hva)
		return breach(vq, "a ring is not in memory");
	return 0;
}

void
virtq_suspend(struct virtq *vq)
{
	vq->desc_hva = vq->driver_hva = vq->device_hva = NULL;
}

int
virtq_start(struct virtq *vq)
{
	if (virtq_move(vq) < 0)
		return -1;
	vq->next_avail = vq->avail_seen = 0;
	vq->next_used = vq->signalled = 0;
	vq->signal_due = false;
	vq->broken = false;
	return 0;
}

void
virtq_resume(struct virtq *vq, uint16_t base)
{
	vq->next_avail = vq->avail_seen = base;
	vq->next_used = vq->signalled = load16(vq->device_hva, RING_IDX);
}

void
virtq_reset(struct virtq *vq)
{
	*vq = (struct virtq){
	    .mem = vq->mem,
	    .size = vq->size_max,
	    .size_max = vq->size_max,
	    .kick_fd = vq->kick_fd,
	    .call_fd = vq->call_fd,
	    .kicks = vq->kicks,
	    .signals = vq->signals,
	};
}

/* Looks at the driver's index. The number of entries to take, -1 if broken. */
static int
available(struct virtq *vq)
{
	uint16_t waiting = (uint16_t)(vq->avail_seen - vq->next_avail);

	if (waiting > 0)
		return waiting;
	vq->avail_seen = load16(vq->driver_hva, RING_IDX);
	atomic_thread_fence(memory_order_acquire);
	waiting = (uint16_t)(vq->avail_seen - vq->next_avail);
	if (waiting > vq->size)
		return breach(vq, "available index jumped");
	return waiting;
}

/* Adds one checked descriptor to the request. */
static int
add_part(struct virtq *vq, struct virtio_request *request,
    const struct descriptor *desc)
{
	unsigned count = request->readable + request->writable;
	struct iovec *part = &request->iov[count];

	if (count == vq->size || count == VIRTQ_SIZE_MAX)
		return breach(vq, "a chain is longer than the queue");
	/* A part of no length is legal (2.7.4.2 asks drivers only to avoid
	 * them); its address means nothing. */
	part->iov_len = desc->len;
	part->iov_base =
	    desc->len ? gmem_at(vq->mem, desc->addr, desc->len) : vq->desc_hva;
	if (!part->iov_base)
		return breach(vq, "a buffer is not in memory");
	if (desc->flags & DESC_WRITE) {
		request->writable++;
		request->writable_len += desc->len;
		return 0;
	}
	if (request->writable > 0)
		return breach(vq, "a readable buffer follows a writable one");
	request->readable++;
	request->readable_len += desc->len;
	return 0;
}

/* Walks a table of count descriptors from index. */
static int
walk(struct virtq *vq, struct virtio_request *request, const void *table,
    unsigned count, uint16_t index, bool indirect)
{
	for (unsigned steps = 0;; steps++) {
		struct descriptor desc;

		if (steps == count)
			return breach(vq, "a chain loops");
		if (index >= count)
			return breach(vq, "a descriptor is outside its table");
		memcpy(&desc,
		    (const char *)table + sizeof(desc) * (size_t)index,
		    sizeof(desc));
		/* What was copied is what is used: no second look. */
		__asm__ volatile("" ::: "memory");
		if (desc.flags & DESC_INDIRECT) {
			const void *inner;

			if (!vq->indirect || indirect)
				return breach(vq, "an indirect table where "
						  "none may be");
			if (desc.flags & (DESC_NEXT | DESC_WRITE))
				return breach(vq, "an indirect table that goes "
						  "on");
			if (desc.len == 0 || desc.len % sizeof(desc) ||
			    desc.len / sizeof(desc) > vq->size)
				return breach(vq, "an indirect table of a "
						  "wrong size");
			inner = gmem_at(vq->mem, desc.addr, desc.len);
			if (!inner)
				return breach(vq, "an indirect table is not in "
						  "memory");
			return walk(vq, request, inner, desc.len / sizeof(desc),
			    0, true);
		}
		if (add_part(vq, request, &desc) < 0)
			return -1;
		if (!(desc.flags & DESC_NEXT))
			return 0;
		index = desc.next;
	}
}

void
request_rewind(struct virtio_request *request)
{
	request->read_part = request->write_part = 0;
	request->read_offset = request->write_offset = 0;
}

int
virtq_pop(struct virtq *vq, struct virtio_request *request)
{
	uint16_t slot = vq->next_avail & (uint16_t)(vq->size - 1);
	int waiting;

	if (vq->broken || !vq->desc_hva)
		return vq->broken ? -1 : 0;
	waiting = available(vq);
	if (waiting <= 0)
		return waiting;
	request->head = load16(vq->driver_hva, RING_ENTRIES + 2u * slot);
	request->readable = request->writable = 0;
	request->readable_len = request->writable_len = 0;
	request_rewind(request);
	if (walk(vq, request, vq->desc_hva, vq->size, request->head, false) < 0)
		return -1;
	vq->next_avail++;
	return 1;
}

unsigned
virtq_known(const struct virtq *vq)
{
	return (uint16_t)(vq->avail_seen - vq->next_avail);
}

void
virtq_unpop(struct virtq *vq)
{
	vq->next_avail--;
}

void
virtq_fill(
    struct virtq *vq, const struct virtio_request *request, uint32_t written)
{
	uint16_t slot = vq->next_used & (uint16_t)(vq->size - 1);
	struct used_entry entry = {.id = request->head, .len = written};

	if (vq->broken || !vq->device_hva)
		return;
	memcpy((char *)vq->device_hva + RING_ENTRIES + sizeof(entry) * slot,
	    &entry, sizeof(entry));
	vq->next_used++;
	vq->requests++;
}

void
virtq_push(
    struct virtq *vq, const struct virtio_request *request, uint32_t written)
{
	virtq_fill(vq, request, written);
	if (vq->broken || !vq->device_hva)
		return;
	atomic_thread_fence(memory_order_release);
	store16(vq->device_hva, RING_IDX, vq->next_used);
	vq->signal_due = true;
}

/* Whether the driver wants to be interrupted for what was pushed. */
static bool
signal_wanted(const struct virtq *vq)
{
	uint16_t event;

	if (!vq->event_idx)
		return !(
		    load16(vq->driver_hva, RING_FLAGS) & AVAIL_NO_INTERRUPT);
	/* 2.7.7.2: did next_used pass event since the last signal? */
	event = load16(vq->driver_hva, used_event_offset(vq));
	return (uint16_t)(vq->next_used - event - 1) <
	       (uint16_t)(vq->next_used - vq->signalled);
}

void
virtq_signal(struct virtq *vq)
{
	bool wanted;

	if (!vq->signal_due || vq->broken || !vq->driver_hva)
		return;
	atomic_thread_fence(memory_order_seq_cst);
	wanted = signal_wanted(vq);
	vq->signal_due = false;
	vq->signalled = vq->next_used;
	if (!wanted || vq->call_fd < 0)
		return;
	vq->signals++;
	eventfd_give(vq->call_fd);
}

bool
virtq_want_kicks(struct virtq *vq, bool on)
{
	if (vq->broken || !vq->device_hva)
		return false;
	if (!vq->event_idx) {
		store16(vq->device_hva, RING_FLAGS, on ? 0 : USED_NO_NOTIFY);
	} else if (on) {
		/* Kick for the very next entry. When off, the index stays
		 * behind, which asks for none. */
		store16(vq->device_hva, avail_event_offset(vq), vq->next_avail);
	}
	if (!on)
		return false;
	atomic_thread_fence(memory_order_seq_cst);
	return available(vq) > 0;
}

bool
virtq_want_more(struct virtq *vq)
{
	uint16_t seen = vq->avail_seen;

	if (vq->broken || !vq->device_hva)
		return false;
	if (vq->event_idx)
		store16(vq->device_hva, avail_event_offset(vq), seen);
	else
		store16(vq->device_hva, RING_FLAGS, 0);
	atomic_thread_fence(memory_order_seq_cst);
	vq->avail_seen = load16(vq->driver_hva, RING_IDX);
	atomic_thread_fence(memory_order_acquire);
	if ((uint16_t)(vq->avail_seen - vq->next_avail) > vq->size) {
		breach(vq, "available index jumped");
		return false;
	}
	return vq->avail_seen != seen;
}

/* Moves *part and *offset over parts of iov up to end by up to len bytes,
 * giving each piece to a copy or a list. Returns the bytes passed over. */
static size_t
next_piece(const struct iovec *iov, unsigned end, unsigned *part,
    size_t *offset, size_t len, struct iovec *piece)
{
	while (*part < end && *offset == iov[*part].iov_len) {
		(*part)++;
		*offset = 0;
	}
	if (*part == end || len == 0)
		return 0;
	piece->iov_base = (char *)iov[*part].iov_base + *offset;
	piece->iov_len = iov[*part].iov_len - *offset;
	if (piece->iov_len > len)
		piece->iov_len = len;
	*offset += piece->iov_len;
	return piece->iov_len;
}

static size_t
next_readable(struct virtio_request *r, size_t len, struct iovec *piece)
{
	return next_piece(
	    r->iov, r->readable, &r->read_part, &r->read_offset, len, piece);
}

static size_t
next_writable(struct virtio_request *r, size_t len, struct iovec *piece)
{
	return next_piece(r->iov + r->readable, r->writable, &r->write_part,
	    &r->write_offset, len, piece);
}

/* What lies behind (part, offset) in count parts. */
static uint64_t
left_of(const struct iovec *iov, unsigned count, unsigned part, size_t offset)
{
	uint64_t left = 0;

	for (; part < count; part++, offset = 0)
		left += iov[part].iov_len - offset;
	return left;
}

uint64_t
request_readable_left(const struct virtio_request *r)
{
	return left_of(r->iov, r->readable, r->read_part, r->read_offset);
}

uint64_t
request_writable_left(const struct virtio_request *r)
{
	return left_of(
	    r->iov + r->readable, r->writable, r->write_part, r->write_offset);
}

int
request_read(struct virtio_request *r, void *into, size_t len)
{
	struct iovec piece;
	size_t n;

	if (request_readable_left(r) < len)
		return -1;
	for (char *to = into; (n = next_readable(r, len, &piece)) > 0;) {
		memcpy(to, piece.iov_base, n);
		to += n;
		len -= n;
	}
	return 0;
}

size_t
request_write(struct virtio_request *r, const void *from, size_t len)
{
	const char *at = from;
	struct iovec piece;
	size_t n;

	while ((n = next_writable(r, len, &piece)) > 0) {
		memcpy(piece.iov_base, at, n);
		at += n;
		len -= n;
	}
	return (size_t)(at - (const char *)from);
}

int
request_take_readable(
    struct virtio_request *r, uint64_t len, struct iovec *parts, unsigned max)
{
	unsigned count = 0;
	size_t n;

	if (request_readable_left(r) < len)
		return -1;
	for (; len > 0; len -= n) {
		if (count == max)
			return -1;
		n = next_readable(r, len, &parts[count++]);
	}
	return (int)count;
}

int
request_take_writable(
    struct virtio_request *r, uint64_t len, struct iovec *parts, unsigned max)
{
	unsigned count = 0;
	size_t n;

	if (request_writable_left(r) < len)
		return -1;
	for (; len > 0; len -= n) {
		if (count == max)
			return -1;
		n = next_writable(r, len, &parts[count++]);
	}
	return (int)count;
}
