/* SPDX-License-Identifier: MIT */
/*
 * tarin.h - a reader of tar streams that loses nothing
 *
 * Bytes are pushed in as they arrive, in pieces of any size; entries come out
 * through two callbacks. Understood: v7, ustar, star, GNU (long names, base-256
 * numbers, sparse) and pax (POSIX.1-2008 pax, "ustar Interchange Format" and
 * "pax Header Block"; GNU sparse 0.0, 0.1 and 1.0; xattrs of SCHILY, LIBARCHIVE
 * and RHT). Names are bytes: no character set is assumed and none converted.
 *
 * Memory is bounded by TARIN_PAX_MAX and TARIN_SEGMENTS_MAX whatever comes.
 */
#ifndef VK_COMMON_TARIN_H
#define VK_COMMON_TARIN_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One extended header: what Go's archive/tar takes too. */
#define TARIN_PAX_MAX (1u << 20)
/* Pieces of a sparse file: 1 MiB of table. */
#define TARIN_SEGMENTS_MAX 65536
/* Attributes of one file; Linux lists names in 64 KiB at most. */
#define TARIN_ATTRS_MAX 256
/* Of an attribute's name; Linux takes 255. */
#define TARIN_ATTR_NAME_MAX 255

enum tar_type {
	TAR_FILE,
	TAR_LINK, /* hard link */
	TAR_SYMLINK,
	TAR_CHAR,
	TAR_BLOCK,
	TAR_DIR,
	TAR_FIFO,
};

/* A piece of a sparse file that holds data. */
struct tar_segment {
	uint64_t offset, len;
};

struct tar_time {
	int64_t seconds; /* since 1970 */
	uint32_t nanoseconds;
};

/* Valid during the callback only. */
struct tar_entry {
	enum tar_type type;
	const char *path; /* NUL-terminated, as written: "./a", "/a", "a/" */
	const char *link; /* target of both kinds of link, else "" */
	uint32_t mode;    /* 07777 */
	uint32_t uid, gid;
	int64_t mtime; /* seconds */
	uint32_t mtime_ns;
	const struct tar_time *atime, *ctime; /* NULL: not told */
	uint32_t major, minor;
	uint64_t size;                      /* as stat(2) would say */
	uint64_t stored;                    /* data bytes that follow */
	const struct tar_segment *segments; /* of a sparse file */
	size_t segment_count;
	bool sparse;
	/* pax records to carry on: "KEY\0" and a 32-bit length (host order)
	 * before each value; SCHILY.xattr.*, SCHILY.acl.*, SCHILY.fflags */
	const uint8_t *attrs;
	size_t attrs_len;
};

struct tarin_ops {
	/* Either returns -1 with err to stop. data may be NULL: skipped. */
	int (*entry)(void *into, const struct tar_entry *, struct err *);
	int (*data)(void *into, const void *data, size_t len, struct err *);
	/* A type that nobody knows is a file, as POSIX has it, else an error.
	 */
	bool any_type;
};

struct tarin;

/* A name or link target above name_max bytes is an error. NULL: no memory. */
struct tarin *tarin_new(const struct tarin_ops *, void *into, size_t name_max);
void tarin_free(struct tarin *);

/* Returns 0, -1 with err (status EX_DATAERR for what is no tar). */
int tarin_feed(struct tarin *, const void *data, size_t len, struct err *);

/*
 * Takes the data of the entry at hand, or what is left of it, as read. Returns
 * how many bytes of the stream that stands for, padding included.
 */
uint64_t tarin_skip(struct tarin *);

/* The stream is over: -1 if that was in the middle of something. */
int tarin_end(struct tarin *, struct err *);

/* The end-of-archive mark has been read; more bytes are ignored, but where
 * nothing came before it: then zeros only. */
bool tarin_ended(const struct tarin *);
/* At least its first half has. */
bool tarin_marked(const struct tarin *);

#endif
