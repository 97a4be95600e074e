/* SPDX-License-Identifier: MIT */
/*
 * image.h - what the parts of qcow2 share: an image and its tables in memory
 *
 *	open.c      files, header, chain
 *	table.c     guest cluster -> entry, through a cache of pieces of L2
 *	read.c      where a range lies; compressed clusters
 *	refcount.c  new clusters
 *	write.c     prepare, written, zero, flush
 */
#ifndef VK_BOOT_QCOW2_IMAGE_H
#define VK_BOOT_QCOW2_IMAGE_H

#include "cmd/vk-boot/qcow2/header.h"
#include "cmd/vk-boot/qcow2/qcow2.h"

/* L1 and L2 entries. */
#define ENTRY_COPIED     (1ull << 63) /* this is the only user of it */
#define ENTRY_COMPRESSED (1ull << 62)
#define ENTRY_OFFSET     0x00fffffffffffe00ull
#define ENTRY_ZERO       1ull /* version 3; may have an offset beside it */

/* L2 tables are cached in pieces, each in the one place that its offset gives:
 * 4 MiB at most, for 32 GiB of disk with the usual clusters. */
#define SLICE_BYTES 4096u
#define SLICES      1024u

/* Backing files: each costs descriptors and a look at each read. */
#define CHAIN_MAX 16

/* Clusters that wait to be given back, before a flush is made for them. */
#define FREED_MAX 1024u

struct slice {
	uint64_t offset;   /* in the file; 0: none here */
	uint64_t *entries; /* as in the file */
	bool dirty;
};

struct qcow2 {
	char name[64]; /* for messages */
	int fd;
	bool raw; /* a backing file that is no qcow2: only fd and size count */
	bool write, unsafe;
	struct qcow2_header header;
	uint64_t size;      /* of the disk, bytes */
	uint64_t file_size; /* of the file; grows with what is written */
	uint64_t cluster;   /* bytes */
	struct qcow2 *backing;

	uint64_t *l1; /* in the host's order */
	bool l1_dirty;
	struct slice *slices; /* SLICES of them */
	uint32_t slice_bytes;
	bool slices_dirty;

	/* One compressed cluster, the last that was read. */
	uint8_t *inflated;
	uint64_t inflated_entry; /* 0: none */
	uint8_t *deflated;

	/* Counts. */
	uint64_t *reftable; /* in the host's order */
	uint64_t reftable_entries;
	uint8_t **refblocks; /* NULL: not read yet */
	uint8_t *refblock_dirty;
	bool reftable_dirty, counts_dirty;
	uint64_t next_cluster; /* none above it is taken */

	/* Prepared, not yet written: these guest clusters get these. */
	uint64_t pending_guest, pending_host, pending_count;
	/* No table refers to these any more after the next flush. */
	uint64_t freed[FREED_MAX];
	unsigned freed_count;
};

/* ---- table.c ---- */

/* The entry of a guest cluster: 0, -1 with errno (EIO: the table is outside of
 * the file). *entry is 0 where there is no table. */
int table_get(struct qcow2 *, uint64_t guest_cluster, uint64_t *entry);
/* Sets it; a table is made where there is none. 0, -1 with errno. */
int table_set(struct qcow2 *, uint64_t guest_cluster, uint64_t entry);
/* Writes what has changed; L1 apart, for that comes last. 0, -1 with errno. */
int table_write_slices(struct qcow2 *);
int table_write_l1(struct qcow2 *);

/* ---- read.c ---- */

/* The bytes in the file of a compressed cluster. */
void compressed_range(
    const struct qcow2 *, uint64_t entry, uint64_t *offset, uint64_t *len);

/* ---- refcount.c ---- */

/* For writing: reads the table, finds the end of what is in use. 0, -1 with
 * err. */
int refcount_open(struct qcow2 *, struct err *);
void refcount_release(struct qcow2 *);
/* A new cluster's offset: zeros, its count 1; 0 with errno. They come one
 * behind the other but for some. */
uint64_t cluster_new(struct qcow2 *);
/* Takes the last one back. */
void cluster_undo(struct qcow2 *, uint64_t offset);
/* One user less for the cluster at that offset, once a flush was made. */
int cluster_free_later(struct qcow2 *, uint64_t offset);
/* Counts down what cluster_free_later has noted. */
void refcount_drop_freed(struct qcow2 *);
/* Writes what has changed: the blocks; then, when they are on the disk, the
 * table. 0, -1 with errno. */
int refcount_write_blocks(struct qcow2 *);
int refcount_write_table(struct qcow2 *);

#endif
