/* SPDX-License-Identifier: MIT */
/* header.h - the header of a qcow2 image, checked */
#ifndef VK_BOOT_QCOW2_HEADER_H
#define VK_BOOT_QCOW2_HEADER_H

#include "common/err.h"

#include <stddef.h>
#include <stdint.h>

/* What is read of a file for its header: extensions and the backing file's
 * name lie in the first cluster, and are short. */
#define QCOW2_HEADER_MAX 65536

/* Of a backing file's name, by the format. */
#define QCOW2_NAME_MAX 1023

/* Tables that are kept in memory whole: 4 Mi entries, as QEMU has it (2 TiB
 * with the smallest usual clusters, 4 KiB; 512 TiB with the default). */
#define QCOW2_TABLE_MAX ((uint64_t)32 << 20)

enum qcow2_compression { QCOW2_ZLIB, QCOW2_ZSTD };

/* Incompatible features that we can do, or can read past. */
#define QCOW2_DIRTY       (1ull << 0) /* counts may be wrong */
#define QCOW2_CORRUPT     (1ull << 1)
#define QCOW2_COMPRESSION (1ull << 3) /* its type is in the header */

struct qcow2_header {
	unsigned version; /* 2, 3 */
	unsigned cluster_bits;
	uint64_t size; /* of the disk */
	uint64_t l1_offset;
	uint32_t l1_entries;
	uint64_t reftable_offset;
	uint32_t reftable_clusters;
	unsigned refcount_order; /* 1 << order bits */
	uint32_t snapshots;
	uint64_t incompatible, autoclear;
	enum qcow2_compression compression;
	char backing[QCOW2_NAME_MAX + 1]; /* "": none */
	char backing_format[16];          /* "": not said */
};

/* Reads it from the len first bytes of a file of file_size. 0, -1 with err
 * (EX_DATAERR, without the file's name). */
int qcow2_header_parse(struct qcow2_header *, const uint8_t *data, size_t len,
    uint64_t file_size, struct err *);

#endif
