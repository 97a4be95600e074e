/* SPDX-License-Identifier: MIT */
/* table.c - from a guest cluster to its entry */
#include "cmd/vk-boot/qcow2/image.h"

#include "common/io.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The place of an entry: which of L1, and which of that L2 table. */
struct place {
	uint64_t l1;
	uint64_t l2;
};

static struct place
place_of(const struct qcow2 *q, uint64_t guest_cluster)
{
	unsigned bits = q->header.cluster_bits - 3;

	return (struct place){
	    .l1 = guest_cluster >> bits,
	    .l2 = guest_cluster & ((1ull << bits) - 1),
	};
}

static bool
in_file(const struct qcow2 *q, uint64_t offset)
{
	return offset > 0 && offset % q->cluster == 0 &&
	       offset < q->file_size && q->cluster <= q->file_size - offset;
}

static int
write_slice(struct qcow2 *q, struct slice *slice)
{
	if (io_pwrite(q->fd, slice->entries, q->slice_bytes, slice->offset) < 0)
		return -1;
	slice->dirty = false;
	return 0;
}

/* The piece of a table at that offset of the file. */
static struct slice *
slice_at(struct qcow2 *q, uint64_t offset)
{
	struct slice *slice = &q->slices[offset / q->slice_bytes % SLICES];

	if (slice->offset == offset)
		return slice;
	/* Its place is taken by one that has to be written first, in its
	 * order. */
	if (slice->dirty && qcow2_flush(q) < 0)
		return NULL;
	if (!slice->entries)
		slice->entries = malloc(q->slice_bytes);
	if (!slice->entries)
		return NULL;
	slice->offset = 0;
	if (io_pread(q->fd, slice->entries, q->slice_bytes, offset) !=
	    (ssize_t)q->slice_bytes) {
		errno = EIO;
		return NULL;
	}
	slice->offset = offset;
	return slice;
}

/* The piece with that entry, and its place there. The table is there. */
static struct slice *
find(struct qcow2 *q, struct place place, uint64_t *index)
{
	uint64_t table = q->l1[place.l1] & ENTRY_OFFSET;
	uint64_t at = place.l2 * 8;

	if (!in_file(q, table)) {
		errno = EIO;
		return NULL;
	}
	*index = at % q->slice_bytes / 8;
	return slice_at(q, table + at / q->slice_bytes * q->slice_bytes);
}

/* Past the cache. */
static int
read_entry(const struct qcow2 *q, struct place place, uint64_t *entry)
{
	uint64_t table = q->l1[place.l1] & ENTRY_OFFSET, found;

	if (!in_file(q, table) || io_pread(q->fd, &found, sizeof(found),
				      table + place.l2 * 8) != sizeof(found)) {
		errno = EIO;
		return -1;
	}
	*entry = be64toh(found);
	return 0;
}

int
table_get(struct qcow2 *q, uint64_t guest_cluster, uint64_t *entry)
{
	struct place place = place_of(q, guest_cluster);
	struct slice *slice;
	uint64_t index;

	*entry = 0;
	if (place.l1 >= q->header.l1_entries || q->l1[place.l1] == 0)
		return 0;
	slice = find(q, place, &index);
	/* What is in its place cannot be written, on a full disk say: what is
	 * not in the cache is in the file. */
	if (!slice)
		return read_entry(q, place, entry);
	*entry = be64toh(slice->entries[index]);
	return 0;
}

/* An empty table, as new clusters are zeros. */
static int
make_table(struct qcow2 *q, uint64_t l1)
{
	uint64_t table = cluster_new(q);

	if (table == 0)
		return -1;
	q->l1[l1] = table | ENTRY_COPIED;
	q->l1_dirty = true;
	return 0;
}

int
table_set(struct qcow2 *q, uint64_t guest_cluster, uint64_t entry)
{
	struct place place = place_of(q, guest_cluster);
	struct slice *slice;
	uint64_t index;

	if (place.l1 >= q->header.l1_entries) {
		errno = EIO;
		return -1;
	}
	if (q->l1[place.l1] == 0 && make_table(q, place.l1) < 0)
		return -1;
	/* Without snapshots a table has one user, or the image is damaged. */
	if (!(q->l1[place.l1] & ENTRY_COPIED)) {
		errno = EIO;
		return -1;
	}
	slice = find(q, place, &index);
	if (!slice)
		return -1;
	slice->entries[index] = htobe64(entry);
	slice->dirty = q->slices_dirty = true;
	return 0;
}

int
table_write_slices(struct qcow2 *q)
{
	for (unsigned i = 0; q->slices_dirty && i < SLICES; i++)
		if (q->slices[i].dirty && write_slice(q, &q->slices[i]) < 0)
			return -1;
	q->slices_dirty = false;
	return 0;
}

int
table_write_l1(struct qcow2 *q)
{
	uint64_t entries[SLICE_BYTES / 8];

	for (uint64_t from = 0; from < q->header.l1_entries;) {
		uint64_t count = q->header.l1_entries - from;

		if (count > SLICE_BYTES / 8)
			count = SLICE_BYTES / 8;
		for (uint64_t i = 0; i < count; i++)
			entries[i] = htobe64(q->l1[from + i]);
		if (io_pwrite(q->fd, entries, count * 8,
			q->header.l1_offset + from * 8) < 0)
			return -1;
		from += count;
	}
	q->l1_dirty = false;
	return 0;
}
