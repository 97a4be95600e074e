/* SPDX-License-Identifier: MIT */
/*
 * blk.c - virtio block device
 *
 * A request is a header of 16 bytes, data, and a status byte at its very end
 * (5.2.6), in any framing: the header is what is read first, the status the
 * last byte that can be filled. Data moves between file and guest memory
 * without a copy of ours.
 */
#include "cmd/vk-boot/virtio/blk.h"

#include <errno.h>
#include <linux/virtio_blk.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Parts of one request's data; two are for header and status. */
#define SEGMENTS_MAX (VIRTQ_SIZE_MAX - 2)

/* Ranges of one discard or write-zeroes request (Linux sends one), and the
 * sectors of one of them: 1 GiB, so that no request holds the disk for long. */
#define RANGES_MAX        16
#define RANGE_SECTORS_MAX (1u << 21)

struct blk {
	struct virtio_device dev;
	struct disk *disk;
	char serial[VIRTIO_BLK_ID_BYTES];
	struct virtio_request request;
	struct iovec parts[VIRTQ_SIZE_MAX];
};

/* Whether len bytes at the sector lie on the disk. */
static bool
on_disk(const struct disk *disk, uint64_t sector, uint64_t len)
{
	uint64_t sectors = disk->size / DISK_SECTOR;

	return sector <= sectors && len / DISK_SECTOR <= sectors - sector;
}

/* Moves parts to or from one run of a file. 0, -1 with errno. */
static int
move_parts(struct disk_run run, struct iovec *parts, int count, bool write)
{
	while (count > 0) {
		ssize_t n =
		    write ? pwritev(run.fd, parts, count, (off_t)run.offset)
			  : preadv(run.fd, parts, count, (off_t)run.offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1; /* 0: the file has shrunk under us */
		run.offset += (uint64_t)n;
		for (; count > 0 && (size_t)n >= parts->iov_len; count--)
			n -= (ssize_t)(parts++)->iov_len;
		if (count > 0) {
			parts->iov_base = (char *)parts->iov_base + n;
			parts->iov_len -= (size_t)n;
		}
	}
	return 0;
}

/* What is in memory already, or zeros. */
static void
fill_parts(const uint8_t *memory, const struct iovec *parts, int count)
{
	for (int i = 0; i < count; i++) {
		if (!memory) {
			memset(parts[i].iov_base, 0, parts[i].iov_len);
			continue;
		}
		memcpy(parts[i].iov_base, memory, parts[i].iov_len);
		memory += parts[i].iov_len;
	}
}

static uint8_t
read_data(struct blk *blk, uint64_t sector, uint64_t len)
{
	uint64_t offset = sector * DISK_SECTOR;

	if (len % DISK_SECTOR || !on_disk(blk->disk, sector, len))
		return VIRTIO_BLK_S_IOERR;
	while (len > 0) {
		struct disk_run run = disk_where(blk->disk, offset, len);
		int count = request_take_writable(
		    &blk->request, run.len, blk->parts, VIRTQ_SIZE_MAX);

		if (run.len == 0)
			return VIRTIO_BLK_S_IOERR;
		if (run.fd < 0) {
			fill_parts(run.memory, blk->parts, count);
			offset += run.len;
			len -= run.len;
			continue;
		}
		if (count < 0 || move_parts(run, blk->parts, count, false) < 0)
			return VIRTIO_BLK_S_IOERR;
		offset += run.len;
		len -= run.len;
	}
	return VIRTIO_BLK_S_OK;
}

static uint8_t
write_data(struct blk *blk, uint64_t sector, uint64_t len)
{
	uint64_t offset = sector * DISK_SECTOR;

	if (blk->disk->read_only || len % DISK_SECTOR ||
	    !on_disk(blk->disk, sector, len))
		return VIRTIO_BLK_S_IOERR;
	while (len > 0) {
		struct disk_run run;
		int count;

		if (disk_prepare(blk->disk, offset, len, &run) < 0)
			return VIRTIO_BLK_S_IOERR;
		count = request_take_readable(
		    &blk->request, run.len, blk->parts, VIRTQ_SIZE_MAX);
		if (count < 0 || move_parts(run, blk->parts, count, true) < 0 ||
		    disk_written(blk->disk, offset, run.len) < 0)
			return VIRTIO_BLK_S_IOERR;
		offset += run.len;
		len -= run.len;
	}
	return VIRTIO_BLK_S_OK;
}

/* Discard and write zeroes (5.2.6.2). Discarded sectors read as zeros here. */
static uint8_t
zero_ranges(struct blk *blk, uint64_t len, bool discard)
{
	struct virtio_blk_discard_write_zeroes range;

	if (blk->disk->read_only || len == 0 || len % sizeof(range) ||
	    len / sizeof(range) > RANGES_MAX)
		return VIRTIO_BLK_S_IOERR;
	for (; len > 0; len -= sizeof(range)) {
		uint32_t known =
		    discard ? 0 : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;

		request_read(&blk->request, &range, sizeof(range));
		if (range.flags & ~known)
			return VIRTIO_BLK_S_UNSUPP;
		if (range.num_sectors > RANGE_SECTORS_MAX ||
		    !on_disk(blk->disk, range.sector,
			(uint64_t)range.num_sectors * DISK_SECTOR))
			return VIRTIO_BLK_S_IOERR;
		if (disk_zero(blk->disk, range.sector * DISK_SECTOR,
			(uint64_t)range.num_sectors * DISK_SECTOR,
			discard || range.flags & known) < 0)
			return VIRTIO_BLK_S_IOERR;
	}
	return VIRTIO_BLK_S_OK;
}

/* Does what the header says; in and out are the data's bytes. */
static uint8_t
serve(struct blk *blk, const struct virtio_blk_outhdr *header, uint64_t in,
    uint64_t out)
{
	switch (header->type) {
	case VIRTIO_BLK_T_IN:
		return read_data(blk, header->sector, in);
	case VIRTIO_BLK_T_OUT:
		return write_data(blk, header->sector, out);
	case VIRTIO_BLK_T_FLUSH:
		return disk_flush(blk->disk) < 0 ? VIRTIO_BLK_S_IOERR
						 : VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_GET_ID:
		request_write(&blk->request, blk->serial,
		    in < sizeof(blk->serial) ? in : sizeof(blk->serial));
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_DISCARD:
		return zero_ranges(blk, out, true);
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return zero_ranges(blk, out, false);
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

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

/* The number of bytes filled; what has no room for a status gets none. */
static uint32_t
handle(struct blk *blk)
{
	struct virtio_request *request = &blk->request;
	uint8_t *status = status_byte(request);
	struct virtio_blk_outhdr header;
	uint64_t in;

	if (!status)
		return 0;
	in = request->writable_len - 1;
	if (in >= UINT32_MAX ||
	    request_read(request, &header, sizeof(header)) < 0) {
		*status = VIRTIO_BLK_S_IOERR;
		return 1;
	}
	*status = serve(blk, &header, in, request_readable_left(request));
	return (uint32_t)in + 1;
}

static void
blk_notify(struct virtio_device *dev, unsigned queue)
{
	struct blk *blk = (struct blk *)dev;
	struct virtq *vq = &dev->queues[queue];

	do {
		virtq_want_kicks(vq, false);
		while (virtq_pop(vq, &blk->request) > 0) {
			virtq_push(vq, &blk->request, handle(blk));
			virtq_signal(vq);
		}
	} while (virtq_want_kicks(vq, true));
}

static void
blk_start(struct virtio_device *dev)
{
	(void)dev;
}

static void
blk_free(struct virtio_device *dev)
{
	virtio_device_release(dev);
	free(dev);
}

static const struct virtio_device_ops blk_ops = {
    .name = "blk",
    .type = VIRTIO_TYPE_BLK,
    .start = blk_start,
    .notify = blk_notify,
    .free = blk_free,
};

static void
fill_config(struct blk *blk, unsigned queues)
{
	struct virtio_blk_config config = {
	    .capacity = blk->disk->size / DISK_SECTOR,
	    .seg_max = SEGMENTS_MAX,
	    .blk_size = blk->disk->block_size,
	    /* clusters of 8 sectors */
	    .physical_block_exp = blk->disk->block_size == DISK_SECTOR ? 3 : 0,
	    .num_queues = (uint16_t)queues,
	    .min_io_size = 1,
	    .max_discard_sectors = RANGE_SECTORS_MAX,
	    .max_discard_seg = RANGES_MAX,
	    .discard_sector_alignment = DISK_CLUSTER / DISK_SECTOR,
	    .max_write_zeroes_sectors = RANGE_SECTORS_MAX,
	    .max_write_zeroes_seg = RANGES_MAX,
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
	if (blk->disk->read_only)
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
	size_t len = strnlen(config->serial, VIRTIO_BLK_ID_BYTES);
	unsigned queues =
	    config->queues < BLK_QUEUES_MAX ? config->queues : BLK_QUEUES_MAX;

	if (!blk) {
		err_errno(e, EX_OSERR, "%s", config->disk->name);
		return NULL;
	}
	if (queues == 0)
		queues = 1;
	blk->disk = config->disk;
	memcpy(blk->serial, config->serial, len);
	fill_config(blk, queues);
	if (virtio_device_init(&blk->dev, &blk_ops, loop, mem, queues, e) < 0) {
		blk_free(&blk->dev);
		return NULL;
	}
	return &blk->dev;
}
