/* SPDX-License-Identifier: MIT */
/*
 * pax.h - the records of a pax extended header
 *
 * POSIX.1-2008, pax, "pax Header Block": lines "%d keyword=value\n". Values
 * are bytes and may hold anything, also a newline. Known keywords fill fields;
 * extended attributes, ACLs and flags are kept to be written again.
 */
#ifndef VK_COMMON_PAX_H
#define VK_COMMON_PAX_H

#include "common/buf.h"
#include "common/tarin.h"

enum { /* bits of pax.has */
	PAX_UID = 1,
	PAX_GID = 2,
	PAX_SIZE = 4,
	PAX_MTIME = 8,
	PAX_REALSIZE = 16,
	PAX_ANY = 32, /* there was a header */
	PAX_ATIME = 64,
	PAX_CTIME = 128,
};

enum pax_sparse {
	PAX_SPARSE_NONE,
	PAX_SPARSE_MAP_HERE,    /* GNU 0.0 and 0.1 */
	PAX_SPARSE_MAP_IN_DATA, /* GNU 1.0 */
};

struct pax {
	unsigned has;
	struct buf path, link; /* empty: not told */
	uint32_t uid, gid;
	uint64_t size, realsize;
	struct tar_time mtime, atime, ctime;
	struct buf attrs; /* as tar_entry.attrs */
	unsigned attr_count;
	enum pax_sparse sparse;
	struct tar_segment *segments;
	size_t segment_count, segment_size;
	uint64_t offset_told; /* GNU 0.0: offset before its numbytes */
};

void pax_init(struct pax *);
void pax_release(struct pax *);
void pax_clear(struct pax *); /* before the next entry */

/* Returns 0, -1 with err (EX_DATAERR). */
int pax_parse(struct pax *, const char *data, size_t len, struct err *);

/* Returns 0, -1 above TARIN_SEGMENTS_MAX. Empty pieces are left out. */
int pax_add_segment(struct pax *, uint64_t offset, uint64_t len);

/* Adds one record to attrs. Returns 0, -1 where it did not fit. */
int pax_add_attr(struct buf *attrs, const char *key, size_t key_len,
    const void *value, size_t len);

/*
 * An attribute's name in a key: GNU tar writes '=' and '%' as %XX, libarchive
 * others too. into has room for len + 1; returns its length, which a NUL in the
 * name makes differ from strlen's.
 */
size_t pax_decode_name(char *into, const char *name, size_t len);
void pax_encode_name(struct buf *, const char *name); /* as GNU tar does it */

/* Walks attrs: false at the end. *at starts as 0. */
bool pax_next_attr(const uint8_t *attrs, size_t attrs_len, size_t *at,
    const char **key, const uint8_t **value, uint32_t *len);

#endif
