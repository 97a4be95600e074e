/* SPDX-License-Identifier: MIT */
/* read.c - where a range of the disk lies */
#include "cmd/vk-boot/qcow2/image.h"

#include "common/io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define SECTOR 512

/* ---- compressed clusters ---- */

void
compressed_range(
    const struct qcow2 *q, uint64_t entry, uint64_t *offset, uint64_t *len)
{
	unsigned split = 62 - (q->header.cluster_bits - 8);
	uint64_t sectors =
	    (entry & (ENTRY_COMPRESSED - 1)) >> split; /* beside the first */

	*offset = entry & ((1ull << split) - 1);
	*len = (sectors + 1) * SECTOR - *offset % SECTOR;
}

static bool
inflate_zlib(struct qcow2 *q, size_t len)
{
	z_stream z = {
	    .next_in = q->deflated,
	    .avail_in = (unsigned)len,
	    .next_out = q->inflated,
	    .avail_out = (unsigned)q->cluster,
	};

	if (inflateInit2(&z, -15) != Z_OK) /* no header around it */
		return false;
	inflate(&z, Z_FINISH);
	inflateEnd(&z);
	return z.avail_out == 0;
}

static bool
inflate_zstd(struct qcow2 *q, size_t len)
{
	ZSTD_DCtx *context = ZSTD_createDCtx();
	ZSTD_inBuffer in = {q->deflated, len, 0};
	ZSTD_outBuffer out = {q->inflated, q->cluster, 0};
	size_t before;

	/* What is behind its end is padding, so it is read as a stream. */
	do {
		before = in.pos + out.pos;
		if (!context ||
		    ZSTD_isError(ZSTD_decompressStream(context, &out, &in)))
			break;
	} while (out.pos < out.size && in.pos + out.pos > before);
	ZSTD_freeDCtx(context);
	return out.pos == out.size;
}

/* Into q->inflated. 0, -1 with errno. */
static int
read_compressed(struct qcow2 *q, uint64_t entry)
{
	uint64_t offset, len;
	ssize_t got;

	if (q->inflated_entry == entry)
		return 0;
	/* Twice a cluster is what the entry's bits can say at most. */
	if (!q->inflated)
		q->inflated = malloc(q->cluster);
	if (!q->deflated)
		q->deflated = malloc(2 * q->cluster + SECTOR);
	if (!q->inflated || !q->deflated)
		return -1;
	q->inflated_entry = 0;
	compressed_range(q, entry, &offset, &len);
	if (len > 2 * q->cluster + SECTOR || offset >= q->file_size) {
		errno = EIO;
		return -1;
	}
	/* The file may end before the last one's padding does. */
	got = io_pread(q->fd, q->deflated, len, offset);
	if (got < 0)
		return -1;
	if (!(q->header.compression == QCOW2_ZSTD
		    ? inflate_zstd(q, (size_t)got)
		    : inflate_zlib(q, (size_t)got))) {
		errno = EIO;
		return -1;
	}
	q->inflated_entry = entry;
	return 0;
}

/* ---- ranges ---- */

static const struct disk_run unreadable = {.fd = -1, .len = 0};

static struct disk_run
zeros(uint64_t len)
{
	return (struct disk_run){.fd = -1, .len = len};
}

/* A range of a file; what is behind its end are zeros. */
static struct disk_run
in_file(int fd, uint64_t file_size, uint64_t offset, uint64_t len)
{
	if (offset >= file_size)
		return zeros(len);
	if (len > file_size - offset)
		len = file_size - offset;
	return (struct disk_run){.fd = fd, .offset = offset, .len = len};
}

static struct disk_run
below(struct qcow2 *q, uint64_t offset, uint64_t len)
{
	if (!q->backing || offset >= q->backing->size)
		return zeros(len);
	if (len > q->backing->size - offset)
		len = q->backing->size - offset;
	return qcow2_where(q->backing, offset, len);
}

/* What kind of place an entry is, so that like ones can be joined. */
enum kind { KIND_BELOW, KIND_ZERO, KIND_COMPRESSED, KIND_DATA };

static enum kind
kind_of(const struct qcow2 *q, uint64_t entry)
{
	if (entry & ENTRY_COMPRESSED)
		return KIND_COMPRESSED;
	if (q->header.version >= 3 && entry & ENTRY_ZERO)
		return KIND_ZERO;
	return entry & ENTRY_OFFSET ? KIND_DATA : KIND_BELOW;
}

/* How much of len, from offset on, is of one kind and, if that is data, in one
 * piece. *entry is the first one's. 0 with errno. */
static uint64_t
alike(struct qcow2 *q, uint64_t offset, uint64_t len, uint64_t *entry)
{
	uint64_t cluster = offset / q->cluster, next;
	uint64_t end = (cluster + 1) * q->cluster;
	enum kind kind;

	if (table_get(q, cluster, entry) < 0)
		return 0;
	kind = kind_of(q, *entry);
	for (uint64_t i = 1; end - offset < len && kind != KIND_COMPRESSED;
	     i++) {
		if (table_get(q, cluster + i, &next) < 0 ||
		    kind_of(q, next) != kind)
			break;
		if (kind == KIND_DATA &&
		    (next & ENTRY_OFFSET) !=
			(*entry & ENTRY_OFFSET) + i * q->cluster)
			break;
		end += q->cluster;
	}
	return end - offset < len ? end - offset : len;
}

struct disk_run
qcow2_where(struct qcow2 *q, uint64_t offset, uint64_t len)
{
	uint64_t within, entry, host;

	if (q->raw)
		return in_file(q->fd, q->file_size, offset, len);
	len = alike(q, offset, len, &entry);
	if (len == 0)
		return unreadable;
	within = offset % q->cluster;
	switch (kind_of(q, entry)) {
	case KIND_BELOW:
		return below(q, offset, len);
	case KIND_ZERO:
		return zeros(len);
	case KIND_COMPRESSED:
		if (read_compressed(q, entry) < 0)
			return unreadable;
		return (struct disk_run){
		    .fd = -1,
		    .len = len,
		    .memory = q->inflated + within,
		};
	default:
		break;
	}
	host = entry & ENTRY_OFFSET;
	if (host % q->cluster != 0 || host >= q->file_size) {
		errno = EIO;
		return unreadable;
	}
	return in_file(q->fd, q->file_size, host + within, len);
}
