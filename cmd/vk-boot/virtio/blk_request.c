/* SPDX-License-Identifier: MIT */
/*
 * blk_request.c - one request of a block device
 *
 * A request is a header of 16 bytes, data, and a status byte at its very end
 * (virtio 1.2, 5.2.6), in any framing: the header is what is read first, the
 * status the last byte that can be filled. Data moves between file and guest
 * memory without a copy of ours, run by run as the disk lies.
 */
#include "cmd/vk-boot/virtio/blk_request.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How many requests after one that others waited for are not waited for. */
#define BUSY_REQUESTS 64

#define BOUNCE_SIZE 65536

/* ---- the end ---- */

static void
finish(struct blk_request *r, uint8_t status)
{
	if (status != VIRTIO_BLK_S_OK) {
		r->io->stats.failed++;
	} else if (r->counter) {
		r->counter->requests++;
		r->counter->bytes += r->bytes;
	}
	*r->status = status;
	r->done(r);
}

static void
fail(struct blk_request *r)
{
	finish(r, VIRTIO_BLK_S_IOERR);
}

/* ---- moving parts ---- */

/* n bytes of the run have been moved. */
static void
advance(struct blk_request *r, uint64_t n)
{
	r->run.offset += n;
	r->run.len -= n;
	for (; r->count > 0 && n >= r->at->iov_len; r->count--)
		n -= (r->at++)->iov_len;
	if (r->count > 0) {
		r->at->iov_base = (char *)r->at->iov_base + n;
		r->at->iov_len -= n;
	}
}

/* What is in memory already, or zeros. */
static void
fill_parts(struct blk_request *r)
{
	const uint8_t *memory = r->run.memory;

	for (unsigned i = 0; i < r->count; i++) {
		struct iovec *part = &r->at[i];

		if (!memory) {
			memset(part->iov_base, 0, part->iov_len);
			continue;
		}
		memcpy(part->iov_base, memory, part->iov_len);
		memory += part->iov_len;
	}
	r->run.len = 0;
}

static ssize_t
move_now(struct blk_request *r, int flags)
{
	off_t offset = (off_t)r->run.offset;
	ssize_t n;

	do
		n = r->write ? pwritev2(r->run.fd, r->at, (int)r->count, offset,
				   flags)
			     : preadv2(r->run.fd, r->at, (int)r->count, offset,
				   flags);
	while (n < 0 && errno == EINTR);
	return n;
}

/* Between the parts and a buffer of ours. */
static void
copy_parts(const struct blk_request *r, uint8_t *buffer, size_t len)
{
	for (unsigned i = 0; i < r->count && len > 0; i++) {
		size_t n = r->at[i].iov_len < len ? r->at[i].iov_len : len;

		if (r->write)
			memcpy(buffer, r->at[i].iov_base, n);
		else
			memcpy(r->at[i].iov_base, buffer, n);
		buffer += n;
		len -= n;
	}
}

/* One piece through memory that O_DIRECT takes. */
static ssize_t
move_bounced(struct blk_request *r)
{
	struct blk_io *io = r->io;
	size_t len = r->run.len < BOUNCE_SIZE ? r->run.len : BOUNCE_SIZE;
	off_t offset = (off_t)r->run.offset;
	ssize_t n;

	if (!io->bounce)
		io->bounce = aligned_alloc(DISK_CLUSTER, BOUNCE_SIZE);
	if (!io->bounce)
		return -1;
	if (r->write) {
		copy_parts(r, io->bounce, len);
		return pwrite(r->run.fd, io->bounce, len, offset);
	}
	n = pread(r->run.fd, io->bounce, len, offset);
	if (n > 0)
		copy_parts(r, io->bounce, (size_t)n);
	return n;
}

static void resume(struct blk_request *, bool alone);

static void
moved(struct async_op *op, ssize_t result)
{
	struct blk_request *r =
	    (void *)((char *)op - offsetof(struct blk_request, op));

	if (result == -EINVAL && r->io->disk->direct) {
		result = move_bounced(r);
		if (result < 0)
			result = -errno;
	}
	if (result == -EINTR || result == -EAGAIN) {
		async_add(r->io->async, op);
		return;
	}
	if (result <= 0) {
		fail(r); /* 0: the file has shrunk under us */
		return;
	}
	advance(r, (uint64_t)result);
	resume(r, false);
}

static void
move_later(struct blk_request *r)
{
	r->op = (struct async_op){
	    .kind = r->write ? ASYNC_WRITE : ASYNC_READ,
	    .fd = r->run.fd,
	    .parts = r->at,
	    .count = r->count,
	    .offset = r->run.offset,
	    .done = moved,
	};
	async_add(r->io->async, &r->op);
}

/* Bytes that could be moved without waiting; 0: none, -1 with errno. */
static ssize_t
try_cached(struct blk_request *r)
{
	struct blk_io *io = r->io;
	ssize_t n;

	if (io->disk->direct || io->no_nowait)
		return 0;
	n = move_now(r, RWF_NOWAIT);
	if (n < 0 && (errno == EOPNOTSUPP || errno == EINVAL))
		io->no_nowait = true;
	else if (n == 0 || (n < 0 && errno != EAGAIN))
		return -1;
	return n < 0 ? 0 : n;
}

/* Moves the run, or has it moved: 1 if it is, 0 if it will be, -1. */
static int
move_run(struct blk_request *r, bool alone)
{
	bool here =
	    (r->write && !r->io->disk->direct) || (alone && r->io->busy == 0);

	while (r->run.len > 0) {
		ssize_t n = 0;

		if (!r->write && !here)
			n = try_cached(r);
		if (n == 0 && !here) {
			move_later(r);
			return 0;
		}
		if (n == 0) {
			n = move_now(r, 0);
			if (n < 0 && errno == EINVAL && r->io->disk->direct)
				n = move_bounced(r);
			n = n == 0 ? -1 : n;
		}
		if (n < 0)
			return -1;
		advance(r, (uint64_t)n);
	}
	return 1;
}

/* ---- reading and writing ---- */

/* Finds the next run and its parts. 0, -1. */
static int
next_run(struct blk_request *r)
{
	struct disk *disk = r->io->disk;
	int count;

	if (r->write) {
		if (disk_prepare(disk, r->offset, r->left, &r->run) < 0)
			return -1;
		count = request_take_readable(
		    &r->request, r->run.len, r->parts, VIRTQ_SIZE_MAX);
	} else {
		r->run = disk_where(disk, r->offset, r->left);
		if (r->run.len == 0)
			return -1;
		count = request_take_writable(
		    &r->request, r->run.len, r->parts, VIRTQ_SIZE_MAX);
	}
	if (count < 0)
		return -1;
	r->at = r->parts;
	r->count = (unsigned)count;
	r->run_len = r->run.len;
	return 0;
}

/* Goes on with the run that was begun, and those behind it. */
static void
resume(struct blk_request *r, bool alone)
{
	for (;;) {
		int moving = 1;

		if (r->run.fd >= 0)
			moving = move_run(r, alone);
		else
			fill_parts(r);
		if (moving == 0)
			return;
		if (moving < 0 ||
		    (r->write &&
			disk_written(r->io->disk, r->offset, r->run_len) < 0)) {
			fail(r);
			return;
		}
		r->offset += r->run_len;
		r->left -= r->run_len;
		if (r->left == 0) {
			finish(r, VIRTIO_BLK_S_OK);
			return;
		}
		if (next_run(r) < 0) {
			fail(r);
			return;
		}
	}
}

/* Whether len bytes at the sector lie on the disk. */
static bool
on_disk(const struct disk *disk, uint64_t sector, uint64_t len)
{
	uint64_t sectors = disk->size / DISK_SECTOR;

	return sector <= sectors && len / DISK_SECTOR <= sectors - sector;
}

static void
begin_data(struct blk_request *r, uint64_t sector, uint64_t len, bool alone)
{
	struct disk *disk = r->io->disk;

	if ((r->write && disk->read_only) || len % DISK_SECTOR ||
	    !on_disk(disk, sector, len)) {
		fail(r);
		return;
	}
	r->offset = sector * DISK_SECTOR;
	r->left = r->bytes = len;
	if (len == 0)
		finish(r, VIRTIO_BLK_S_OK);
	else if (next_run(r) < 0)
		fail(r);
	else
		resume(r, alone);
}

/* ---- the others ---- */

static void
flushed(struct async_op *op, ssize_t result)
{
	struct blk_request *r =
	    (void *)((char *)op - offsetof(struct blk_request, op));

	finish(r, result < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK);
}

static void
begin_flush(struct blk_request *r, bool alone)
{
	int fd = disk_sync_only(r->io->disk);

	r->io->stats.flushes++;
	if (fd < 0 || (alone && r->io->busy == 0)) {
		finish(r, disk_flush(r->io->disk) < 0 ? VIRTIO_BLK_S_IOERR
						      : VIRTIO_BLK_S_OK);
		return;
	}
	r->op = (struct async_op){
	    .kind = ASYNC_SYNC,
	    .fd = fd,
	    .done = flushed,
	};
	async_add(r->io->async, &r->op);
}

/* Discard and write zeroes (5.2.6.2). */
static uint8_t
zero_ranges(struct blk_request *r, uint64_t len, bool discard)
{
	struct virtio_blk_discard_write_zeroes range;
	struct disk *disk = r->io->disk;

	if (disk->read_only || len == 0 || len % sizeof(range) ||
	    len / sizeof(range) > BLK_RANGES_MAX)
		return VIRTIO_BLK_S_IOERR;
	for (; len > 0; len -= sizeof(range)) {
		uint32_t known =
		    discard ? 0 : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
		uint64_t offset, bytes;

		request_read(&r->request, &range, sizeof(range));
		bytes = (uint64_t)range.num_sectors * DISK_SECTOR;
		if (range.flags & ~known)
			return VIRTIO_BLK_S_UNSUPP;
		if (range.num_sectors > BLK_RANGE_SECTORS_MAX ||
		    !on_disk(disk, range.sector, bytes))
			return VIRTIO_BLK_S_IOERR;
		offset = range.sector * DISK_SECTOR;
		if (discard
			? disk_discard(disk, offset, bytes)
			: disk_zero(disk, offset, bytes, range.flags & known))
			return VIRTIO_BLK_S_IOERR;
		r->bytes += bytes;
	}
	return VIRTIO_BLK_S_OK;
}

/* ---- the beginning ---- */

/* The last byte that the chain lets us fill. */
static uint8_t *
status_byte(struct virtio_request *request)
{
	for (unsigned i = request->readable + request->writable;
	     i > request->readable; i--) {
		struct iovec *part = &request->iov[i - 1];

		if (part->iov_len > 0)
			return (uint8_t *)part->iov_base + part->iov_len - 1;
	}
	return NULL;
}

/* Does what the header says; in and out are the data's bytes. */
static void
serve(struct blk_request *r, const struct virtio_blk_outhdr *header,
    uint64_t in, uint64_t out, bool alone)
{
	struct blk_io *io = r->io;

	switch (header->type) {
	case VIRTIO_BLK_T_IN:
		r->counter = &io->stats.read;
		begin_data(r, header->sector, in, alone);
		return;
	case VIRTIO_BLK_T_OUT:
		r->write = true;
		r->counter = &io->stats.written;
		begin_data(r, header->sector, out, alone);
		return;
	case VIRTIO_BLK_T_FLUSH:
		begin_flush(r, alone);
		return;
	case VIRTIO_BLK_T_GET_ID:
		request_write(&r->request, io->serial,
		    in < sizeof(io->serial) ? in : sizeof(io->serial));
		finish(r, VIRTIO_BLK_S_OK);
		return;
	case VIRTIO_BLK_T_DISCARD:
		r->counter = &io->stats.discarded;
		finish(r, zero_ranges(r, out, true));
		return;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		r->counter = &io->stats.discarded;
		finish(r, zero_ranges(r, out, false));
		return;
	default:
		finish(r, VIRTIO_BLK_S_UNSUPP);
	}
}

void
blk_request_begin(struct blk_request *r, bool alone)
{
	struct virtio_request *request = &r->request;
	struct virtio_blk_outhdr header;
	uint64_t in;

	if (!alone)
		r->io->busy = BUSY_REQUESTS;
	else if (r->io->busy > 0)
		r->io->busy--;
	r->write = false;
	r->counter = NULL;
	r->bytes = 0;
	r->filled = 0;
	r->status = status_byte(request);
	if (!r->status) { /* what has no room for a status gets none */
		r->done(r);
		return;
	}
	in = request->writable_len - 1;
	if (in >= UINT32_MAX ||
	    request_read(request, &header, sizeof(header)) < 0) {
		r->filled = 1;
		fail(r);
		return;
	}
	r->filled = (uint32_t)in + 1;
	serve(r, &header, in, request_readable_left(request), alone);
}
