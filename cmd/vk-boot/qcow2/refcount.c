/* SPDX-License-Identifier: MIT */
/*
 * refcount.c - new clusters, and how often each is used
 *
 * A table leads to blocks of counts, a count for each cluster of the file. New
 * clusters are taken at the file's end only, behind everything that is there:
 * so they are zeros, and an image whose counts lie cannot make us write over
 * what it holds.
 */
#include "cmd/vk-boot/qcow2/image.h"

#include "common/cursor.h"
#include "common/io.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* The file is made longer by this much at a time. */
#define GROWTH (1u << 20)

/* Counts of a byte or more. */
static unsigned
width(const struct qcow2 *q)
{
	return 1u << (q->header.refcount_order - 3);
}

static uint64_t
counts_in_block(const struct qcow2 *q)
{
	return q->cluster / width(q);
}

/* The block with a cluster's count, NULL with errno; EFBIG: there is none. */
static uint8_t *
block_of(struct qcow2 *q, uint64_t cluster)
{
	uint64_t index = cluster / counts_in_block(q);
	uint8_t *block;

	if (index >= q->reftable_entries || q->reftable[index] == 0) {
		errno = EFBIG;
		return NULL;
	}
	if (q->refblocks[index])
		return q->refblocks[index];
	block = malloc(q->cluster);
	if (!block)
		return NULL;
	if (q->reftable[index] % q->cluster != 0 ||
	    io_pread(q->fd, block, q->cluster, q->reftable[index]) !=
		(ssize_t)q->cluster) {
		free(block);
		errno = EIO;
		return NULL;
	}
	return q->refblocks[index] = block;
}

static uint64_t
get_count(const struct qcow2 *q, const uint8_t *block, uint64_t cluster)
{
	uint64_t at = cluster % counts_in_block(q) * width(q);
	struct cursor c = cursor_of(block + at, width(q));

	return get_be(&c, width(q));
}

static void
set_count(struct qcow2 *q, uint8_t *block, uint64_t cluster, uint64_t count)
{
	uint64_t at = cluster % counts_in_block(q) * width(q);
	struct writer w = writer_of(block + at, width(q));

	put_be(&w, count, width(q));
	q->refblock_dirty[cluster / counts_in_block(q)] = 1;
	q->counts_dirty = true;
}

/* ---- start ---- */

static int
read_table(struct qcow2 *q, struct err *e)
{
	uint64_t bytes = (uint64_t)q->header.reftable_clusters * q->cluster;

	q->reftable_entries = bytes / 8;
	q->reftable = malloc(bytes);
	q->refblocks = calloc(q->reftable_entries, sizeof(*q->refblocks));
	q->refblock_dirty = calloc(q->reftable_entries, 1);
	if (!q->reftable || !q->refblocks || !q->refblock_dirty)
		return err_errno(e, EX_OSERR, "counts");
	if (io_pread(q->fd, q->reftable, bytes, q->header.reftable_offset) !=
	    (ssize_t)bytes)
		return err_set(e, EX_DATAERR, "its counts cannot be read");
	for (uint64_t i = 0; i < q->reftable_entries; i++)
		q->reftable[i] = be64toh(q->reftable[i]) & ENTRY_OFFSET;
	return 0;
}

/* The cluster behind the last one that is in use. */
static int
find_end(struct qcow2 *q, uint64_t there, uint64_t *end, struct err *e)
{
	uint64_t blocks = there / counts_in_block(q) + 1;

	if (blocks > q->reftable_entries)
		blocks = q->reftable_entries;
	for (uint64_t i = blocks; i-- > 0;) {
		uint64_t first = i * counts_in_block(q);
		uint8_t *block;

		if (q->reftable[i] == 0)
			continue;
		block = block_of(q, first);
		if (!block)
			return err_errno(
			    e, EX_DATAERR, "its counts cannot be read");
		for (uint64_t c = counts_in_block(q); c-- > 0;)
			if (get_count(q, block, first + c) > 0) {
				*end = first + c + 1;
				return 0;
			}
		free(block);
		q->refblocks[i] = NULL;
	}
	return err_set(e, EX_DATAERR, "nothing of it is in use, it says");
}

int
refcount_open(struct qcow2 *q, struct err *e)
{
	uint64_t end = 0, there = (q->file_size + q->cluster - 1) / q->cluster;

	if (q->header.refcount_order < 3)
		return err_set(e, EX_DATAERR,
		    "counts of %u bits: it can only be read",
		    1u << q->header.refcount_order);
	if (read_table(q, e) < 0 || find_end(q, there, &end, e) < 0)
		return -1;
	if (end > there) {
		err_set(e, EX_DATAERR,
		    "it counts clusters behind the end of its file");
		return err_hint(e, "'qemu-img check -r all' mends it");
	}
	q->next_cluster = there;
	return 0;
}

void
refcount_release(struct qcow2 *q)
{
	for (uint64_t i = 0; q->refblocks && i < q->reftable_entries; i++)
		free(q->refblocks[i]);
	free(q->refblocks);
	free(q->refblock_dirty);
	free(q->reftable);
}

/* ---- new clusters ---- */

/* The file is that long, with zeros where nothing was written. */
static int
reach(struct qcow2 *q, uint64_t end)
{
	if (end <= q->file_size)
		return 0;
	end = (end + GROWTH - 1) / GROWTH * GROWTH;
	if (ftruncate(q->fd, (off_t)end) < 0)
		return -1;
	q->file_size = end;
	return 0;
}

/* The next cluster becomes the block that counts itself and those behind it. 0,
 * -1 with errno. */
static int
make_block(struct qcow2 *q)
{
	uint64_t cluster = q->next_cluster;
	uint64_t index = cluster / counts_in_block(q);
	uint8_t *block;

	if (index >= q->reftable_entries) {
		errno = EFBIG; /* the table would have to be moved */
		return -1;
	}
	if (reach(q, (cluster + 1) * q->cluster) < 0)
		return -1;
	block = calloc(1, q->cluster);
	if (!block)
		return -1;
	q->refblocks[index] = block;
	q->reftable[index] = cluster * q->cluster;
	q->reftable_dirty = true;
	set_count(q, block, cluster, 1);
	q->next_cluster++;
	return 0;
}

uint64_t
cluster_new(struct qcow2 *q)
{
	uint64_t cluster;
	uint8_t *block;

	/* A new block may be the last that it counts itself. */
	while (!(block = block_of(q, q->next_cluster)))
		if (errno != EFBIG || make_block(q) < 0)
			return 0;
	cluster = q->next_cluster;
	if (reach(q, (cluster + 1) * q->cluster) < 0)
		return 0;
	set_count(q, block, cluster, 1);
	q->next_cluster++;
	return cluster * q->cluster;
}

void
cluster_undo(struct qcow2 *q, uint64_t offset)
{
	uint64_t cluster = offset / q->cluster;
	uint8_t *block = block_of(q, cluster);

	if (block)
		set_count(q, block, cluster, 0);
	/* It may hold something by now; where it cannot be made a hole again,
	 * or is not the last, it is not taken again. */
	if (cluster + 1 == q->next_cluster &&
	    disk_run_zero(q->fd, offset, q->cluster, 1) == 0)
		q->next_cluster--;
}

/* ---- clusters that nobody uses any more ---- */

int
cluster_free_later(struct qcow2 *q, uint64_t offset)
{
	/* What never was in the file needs no block of counts in memory. */
	if (offset >= q->file_size)
		return 0;
	if (q->freed_count == FREED_MAX && qcow2_flush(q) < 0)
		return -1;
	q->freed[q->freed_count++] = offset / q->cluster;
	return 0;
}

void
refcount_drop_freed(struct qcow2 *q)
{
	while (q->freed_count > 0) {
		uint64_t cluster = q->freed[--q->freed_count];
		uint8_t *block = block_of(q, cluster);
		uint64_t count = block ? get_count(q, block, cluster) : 0;

		/* What is counted wrongly stays so. */
		if (count > 0)
			set_count(q, block, cluster, count - 1);
	}
}

/* ---- writing them ---- */

int
refcount_write_blocks(struct qcow2 *q)
{
	for (uint64_t i = 0; q->counts_dirty && i < q->reftable_entries; i++) {
		if (!q->refblock_dirty[i])
			continue;
		if (io_pwrite(
			q->fd, q->refblocks[i], q->cluster, q->reftable[i]) < 0)
			return -1;
		q->refblock_dirty[i] = 0;
	}
	q->counts_dirty = false;
	return 0;
}

int
refcount_write_table(struct qcow2 *q)
{
	uint64_t entries[SLICE_BYTES / 8];
	uint64_t count = SLICE_BYTES / 8;

	for (uint64_t from = 0; from < q->reftable_entries; from += count) {
		if (count > q->reftable_entries - from)
			count = q->reftable_entries - from;
		for (uint64_t i = 0; i < count; i++)
			entries[i] = htobe64(q->reftable[from + i]);
		if (io_pwrite(q->fd, entries, count * 8,
			q->header.reftable_offset + from * 8) < 0)
			return -1;
	}
	q->reftable_dirty = false;
	return 0;
}
