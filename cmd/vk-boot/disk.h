/* SPDX-License-Identifier: MIT */
/*
 * disk.h - what is behind a block device: a base, and an overlay over it
 *
 * The base is never written to unless asked. Writes go to an overlay, a sparse
 * file of the base's size; a bit for each cluster says where its data is. A
 * throw-away overlay has no name (it ends with its descriptor, however we end).
 * One that is kept has a header and its bits in front:
 *
 *	0	magic, version, size and identity of the base
 *	4096	the bits, rounded up to a page
 *	...	the data, at data_start + offset on the disk
 *
 * Order of a flush: data, fdatasync, bits, fdatasync. So a bit on the disk
 * never speaks of data that is not there, and what was flushed survives; what
 * was not may be lost, as with any disk's cache.
 *
 * One thread uses a disk at a time.
 */
#ifndef VK_BOOT_DISK_H
#define VK_BOOT_DISK_H

#include "cmd/vk-boot/disk_run.h"

#include "common/err.h"
#include "common/filter.h"

#include <stdbool.h>
#include <stdint.h>

#define DISK_SECTOR  512
#define DISK_CLUSTER 4096

enum disk_format {
	DISK_RAW,   /* what is in the file is the disk */
	DISK_QCOW2, /* qcow2/qcow2.h */
};

enum disk_cache {
	DISK_WRITEBACK, /* the host's page cache; a flush is an fsync */
	DISK_NONE,      /* not that cache (O_DIRECT); a flush is an fsync */
	DISK_UNSAFE,    /* a flush is not passed on */
};

struct disk;

/* Adds what using and closing it asks of the host (filter.h), or closing it
 * alone. */
void disk_allow(const struct disk *, struct filter *);
void disk_allow_close(const struct disk *, struct filter *);

struct qcow2;

struct disk_config {
	const char *path; /* the base: a file or a block device */
	enum disk_format format;
	enum disk_cache cache;
	const char *overlay;  /* NULL: a throw-away one */
	uint64_t overlay_max; /* bytes of data in it; 0: no limit */
	bool read_only;       /* no writes at all */
	bool write;           /* into the base itself */
	bool any_backing;     /* qcow2: also outside of the image's folder */
};

struct disk {
	char name[64]; /* for messages: the base's path, its end if long */
	uint64_t size; /* bytes, whole sectors */
	bool read_only, unsafe;
	bool direct; /* the base is read and written without the page cache */
	uint32_t block_size;    /* what is read and written in one piece */
	int base;               /* -1: an image */
	struct qcow2 *image;    /* NULL: raw */
	int overlay;            /* -1: none */
	uint64_t data_start;    /* in the overlay */
	bool kept;              /* the overlay has a name */
	uint64_t clusters_left; /* the overlay may still take */
	uint64_t *map;          /* a bit a cluster: it is in the overlay */
	uint64_t map_size;      /* bytes, whole pages */
	uint8_t *dirty;         /* a byte a page of map: not in the file yet */
};

/*
 * Opens and locks both: several VMs may read one base, but none while another
 * writes it (EX_TEMPFAIL). A kept overlay of another base is refused
 * (EX_DATAERR). Returns 0, -1 with err.
 */
int disk_open(struct disk *, const struct disk_config *, struct err *);

/* The same for a raw disk in a file that somebody else has opened: fd, which is
 * taken in any case. name is for messages. */
int disk_take(
    struct disk *, int fd, const char *name, bool read_only, struct err *);

/* What disk_take asks of the host (filter.h). */
extern const struct filter_call disk_take_calls[];

/* The lock that disk_open takes, after half a second at most: exclusive to
 * write. 0, -1 with err (EX_TEMPFAIL). It lasts until every copy of the
 * descriptor is closed. disk_take takes it at once or not at all. */
int disk_lock(int fd, const char *path, bool write, struct err *);

/* Whether what is written is there when the disk was closed. */
bool disk_keeps(const struct disk *);

/* Flushes what is kept and closes; may be called twice, and on a disk that
 * is all zeros but base and overlay, which are -1. */
void disk_close(struct disk *);

/* Where [offset, offset + len) or its first part lies, for reading. */
struct disk_run disk_where(const struct disk *, uint64_t offset, uint64_t len);

/*
 * For writing: where the range or its first part goes, after what else belongs
 * to its first and last cluster was put there. disk_written says that the data
 * is there, before anything else is asked of the disk. 0, -1 with errno
 * (ENOSPC: the overlay may not grow any more).
 */
int disk_prepare(
    struct disk *, uint64_t offset, uint64_t len, struct disk_run *);
int disk_written(struct disk *, uint64_t offset, uint64_t len);

/* The range reads as zeros from now on; unmap gives its room back where the
 * file system can. 0, -1 with errno. */
int disk_zero(struct disk *, uint64_t offset, uint64_t len, bool unmap);

/* Nobody needs what the range holds: its room is given back. What is in the
 * base alone has none in the overlay, and is still read. 0, -1 with errno. */
int disk_discard(struct disk *, uint64_t offset, uint64_t len);

/* What was written is on the medium. 0, -1 with errno. */
int disk_flush(struct disk *);

/* The file whose fdatasync is all of a flush, so that it can be done while
 * the disk is used; -1: there is more to it, or nothing. */
int disk_sync_only(const struct disk *);

#endif
