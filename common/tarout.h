/* SPDX-License-Identifier: MIT */
/*
 * tarout.h - a writer of pax archives whose bytes depend on nothing else
 *
 * Each entry is a ustar header, preceded by a pax header for what that cannot
 * hold: names above 100 bytes, owners above 2097151, sizes from 8 GiB, times
 * with a fraction or before 1970, attributes. No user names, no access times,
 * no process number: the same entries give the same bytes everywhere. A sparse
 * file is written in GNU's sparse format 1.0.
 *
 * A name that is not UTF-8 and needs a pax record carries hdrcharset=BINARY,
 * as POSIX has it.
 */
#ifndef VK_COMMON_TAROUT_H
#define VK_COMMON_TAROUT_H

#include "common/buf.h"
#include "common/tarin.h"

#include <stdatomic.h>

/* Collected before it is written: a pipe's usual 64 KiB, four times. */
#define TAROUT_BUFFER (256u << 10)

struct tarout {
	int fd;
	const char *name; /* of the output, for messages; borrowed */
	uint8_t *buffer;  /* TAROUT_BUFFER */
	size_t len;
	unsigned padding;         /* behind the data of the entry at hand */
	uint64_t left;            /* data of it that is still to come */
	_Atomic uint64_t written; /* others may look */
	struct buf records, map;
};

/* fd is borrowed. Returns 0, -1 with err. */
int tarout_init(struct tarout *, int fd, const char *name, struct err *);
void tarout_release(struct tarout *); /* writes nothing; twice is fine */

/*
 * Starts an entry; entry->path is written as it is (a folder ends in '/').
 * entry->stored bytes follow by tarout_data, in pieces of any size.
 */
int tarout_entry(struct tarout *, const struct tar_entry *, struct err *);
int tarout_data(struct tarout *, const void *, size_t len, struct err *);

/* The end-of-archive mark; everything is with the kernel then. */
int tarout_end(struct tarout *, struct err *);

#endif
