/* SPDX-License-Identifier: MIT */
/*
 * write.c - what the guest writes, and the order in which it becomes so
 *
 * A write goes in place where the image has a cluster of its own for it, else
 * to a new cluster, together with what else belongs into that. Only the flush
 * makes tables and counts speak of it:
 *
 *	blocks of counts, and the data	fdatasync
 *	the table of these blocks	fdatasync
 *	L2 tables			fdatasync
 *	L1				fdatasync
 *	counts of what is free now
 *
 * each step only where something changed. So no table ever speaks of data
 * that is not there or of a cluster that is not counted, whether we are killed
 * or the power fails. What can be left is a cluster that is counted and not
 * used, if that happens between two of these steps; qemu-img check calls it a
 * leak.
 */
#include "cmd/vk-boot/qcow2/image.h"

#include "common/io.h"

#include <errno.h>
#include <unistd.h>

static uint64_t
smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Whether an entry's cluster may be written to as it is. */
static bool
is_own(const struct qcow2 *q, uint64_t entry)
{
	uint64_t host = entry & ENTRY_OFFSET;

	return !(entry & ENTRY_COMPRESSED) && entry & ENTRY_COPIED &&
	       host != 0 && host % q->cluster == 0 && host < q->file_size;
}

static bool
is_zero(const struct qcow2 *q, uint64_t entry)
{
	return q->header.version >= 3 && !(entry & ENTRY_COMPRESSED) &&
	       entry & ENTRY_ZERO;
}

/* ---- where to write ---- */

/* In place, as far as the clusters lie one behind the other. */
static void
take_own(struct qcow2 *q, uint64_t entry, uint64_t offset, uint64_t len,
    struct disk_run *run)
{
	uint64_t cluster = offset / q->cluster;
	uint64_t end = (cluster + 1) * q->cluster, next;

	for (uint64_t i = 1; end - offset < len; i++, end += q->cluster)
		if (table_get(q, cluster + i, &next) < 0 || !is_own(q, next) ||
		    is_zero(q, next) ||
		    (next & ENTRY_OFFSET) !=
			(entry & ENTRY_OFFSET) + i * q->cluster)
			break;
	*run = (struct disk_run){
	    .fd = q->fd,
	    .offset = (entry & ENTRY_OFFSET) + offset % q->cluster,
	    .len = smaller(end - offset, len),
	};
}

/* Copies [from, to) of the disk to where it will be. A new cluster is zeros
 * already. */
static int
copy_up(struct qcow2 *q, uint64_t from, uint64_t to, uint64_t host, bool fresh)
{
	uint8_t data[4096];

	to = smaller(to, q->size);
	while (from < to) {
		struct disk_run run = qcow2_where(q, from, to - from);

		if (run.len == 0)
			return -1;
		if (run.fd < 0 && !run.memory && fresh) {
			from += run.len;
			host += run.len;
			continue;
		}
		run.len = smaller(run.len, sizeof(data));
		if (disk_run_read(&run, data) < 0 ||
		    io_pwrite(q->fd, data, run.len, host) < 0)
			return -1;
		from += run.len;
		host += run.len;
	}
	return 0;
}

static void
drop_pending(struct qcow2 *q)
{
	uint64_t entry;

	for (; q->pending_count > 0; q->pending_count--) {
		uint64_t i = q->pending_count - 1;
		uint64_t host = q->pending_host + i * q->cluster;

		/* One that was the guest cluster's before stays so. */
		if (table_get(q, q->pending_guest + i, &entry) == 0 &&
		    (entry & ENTRY_OFFSET) == host)
			continue;
		cluster_undo(q, host);
	}
}

/* New clusters, one behind the other, for those from `cluster` on that have
 * none; at most count. */
static int
allocate(struct qcow2 *q, uint64_t cluster, uint64_t entry, uint64_t count)
{
	uint64_t next, host;

	q->pending_guest = cluster;
	if (is_own(q, entry)) { /* zeros, with a cluster set aside */
		q->pending_host = entry & ENTRY_OFFSET;
		q->pending_count = 1;
		return 0;
	}
	q->pending_host = cluster_new(q);
	if (q->pending_host == 0)
		return -1;
	for (q->pending_count = 1; q->pending_count < count;
	     q->pending_count++) {
		uint64_t i = q->pending_count;

		if (table_get(q, cluster + i, &next) < 0 || is_own(q, next))
			break;
		host = cluster_new(q);
		if (host == q->pending_host + i * q->cluster)
			continue;
		if (host != 0) /* a block of counts came between */
			cluster_undo(q, host);
		break;
	}
	return 0;
}

static int
take_new(struct qcow2 *q, uint64_t entry, uint64_t offset, uint64_t len,
    struct disk_run *run)
{
	uint64_t first = offset / q->cluster, within = offset % q->cluster;
	uint64_t end, last_end;
	bool fresh = !is_own(q, entry);

	if (allocate(q, first, entry,
		(within + len + q->cluster - 1) / q->cluster) < 0)
		return -1;
	last_end = (first + q->pending_count) * q->cluster;
	end = smaller(offset + len, last_end);
	*run = (struct disk_run){
	    .fd = q->fd,
	    .offset = q->pending_host + within,
	    .len = end - offset,
	};
	return copy_up(q, first * q->cluster, offset, q->pending_host, fresh) <
			   0 ||
		       copy_up(
			   q, end, last_end, run->offset + run->len, fresh) < 0
		   ? -1
		   : 0;
}

int
qcow2_prepare(
    struct qcow2 *q, uint64_t offset, uint64_t len, struct disk_run *run)
{
	uint64_t entry;

	drop_pending(q);
	if (table_get(q, offset / q->cluster, &entry) < 0)
		return -1;
	if (is_own(q, entry) && !is_zero(q, entry)) {
		take_own(q, entry, offset, len, run);
		return 0;
	}
	return take_new(q, entry, offset, len, run);
}

/* ---- it is written ---- */

/* An entry goes away: what only it used is free after the next flush. */
static int
let_go(struct qcow2 *q, uint64_t entry)
{
	uint64_t offset, len, end;

	if (entry & ENTRY_COMPRESSED) {
		compressed_range(q, entry, &offset, &len);
		end = offset + len;
	} else {
		offset = entry & ENTRY_OFFSET;
		end = offset + (offset != 0);
	}
	for (offset -= offset % q->cluster; offset < end; offset += q->cluster)
		if (cluster_free_later(q, offset) < 0)
			return -1;
	return 0;
}

/* The new entry of a guest cluster in the place of its old one. */
static int
replace(struct qcow2 *q, uint64_t guest_cluster, uint64_t entry)
{
	uint64_t old;

	if (table_get(q, guest_cluster, &old) < 0 ||
	    table_set(q, guest_cluster, entry) < 0)
		return -1;
	if (!(old & ENTRY_COMPRESSED) &&
	    (old & ENTRY_OFFSET) == (entry & ENTRY_OFFSET))
		return 0;
	return let_go(q, old);
}

int
qcow2_written(struct qcow2 *q, uint64_t offset, uint64_t len)
{
	(void)offset, (void)len;
	for (uint64_t i = 0; i < q->pending_count; i++)
		if (replace(q, q->pending_guest + i,
			(q->pending_host + i * q->cluster) | ENTRY_COPIED) < 0)
			return -1;
	q->pending_count = 0;
	return 0;
}

/* ---- zeros ---- */

static int
write_zeros(struct qcow2 *q, uint64_t offset, uint64_t len)
{
	struct disk_run run;

	while (len > 0) {
		if (qcow2_prepare(q, offset, len, &run) < 0 ||
		    disk_run_zero(run.fd, run.offset, run.len, 1) < 0 ||
		    qcow2_written(q, offset, run.len) < 0)
			return -1;
		offset += run.len;
		len -= run.len;
	}
	return 0;
}

/* Within one cluster. */
static int
zero_in_cluster(struct qcow2 *q, uint64_t offset, uint64_t len)
{
	uint64_t cluster = offset / q->cluster, entry;
	bool whole = len == q->cluster || offset + len == q->size;

	if (table_get(q, cluster, &entry) < 0)
		return -1;
	if (is_zero(q, entry))
		return 0;
	if (entry == 0 && (!q->backing || offset >= q->backing->size))
		return 0;
	if (is_own(q, entry) || q->header.version < 3 ||
	    !(whole && offset % q->cluster == 0))
		return write_zeros(q, offset, len);
	return replace(q, cluster, ENTRY_ZERO);
}

int
qcow2_zero(struct qcow2 *q, uint64_t offset, uint64_t len)
{
	while (len > 0) {
		uint64_t part = smaller(len, q->cluster - offset % q->cluster);

		if (zero_in_cluster(q, offset, part) < 0)
			return -1;
		offset += part;
		len -= part;
	}
	return 0;
}

/* ---- flush ---- */

static int
sync_file(const struct qcow2 *q)
{
	return q->unsafe ? 0 : fdatasync(q->fd);
}

int
qcow2_flush(struct qcow2 *q)
{
	if (!q->write)
		return 0;
	if (refcount_write_blocks(q) < 0 || sync_file(q) < 0)
		return -1;
	if (q->reftable_dirty &&
	    (refcount_write_table(q) < 0 || sync_file(q) < 0))
		return -1;
	if (q->slices_dirty && (table_write_slices(q) < 0 || sync_file(q) < 0))
		return -1;
	if (q->l1_dirty && (table_write_l1(q) < 0 || sync_file(q) < 0))
		return -1;
	refcount_drop_freed(q);
	return refcount_write_blocks(q);
}
