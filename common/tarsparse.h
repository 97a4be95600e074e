/* SPDX-License-Identifier: MIT */
/*
 * tarsparse.h - which pieces of a sparse file a tar holds, as GNU tar writes it
 *
 * In its old form a table in the header and in blocks behind it; in its form
 * 1.0 a map in front of the data: numbers in decimal, a line each, first how
 * many pieces, then offset and length of each, up to a block's end. (The forms
 * 0.0 and 0.1 are pax records, see pax.h.) All add to a pax's segments.
 */
#ifndef VK_COMMON_TARSPARSE_H
#define VK_COMMON_TARSPARSE_H

#include "common/err.h"
#include "common/pax.h"
#include "common/tarin.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Up to count rows of an old table, 24 bytes each. Returns 0, -1 with err. */
int sparse_table(struct pax *, const uint8_t *, size_t count, struct err *);

/* A map of form 1.0 that is being read. */
struct sparse_map {
	enum { MAP_COUNT, MAP_OFFSET, MAP_LEN, MAP_DONE } want;
	uint64_t number; /* in the making */
	bool digits;     /* it has some */
	uint64_t offset; /* of the piece whose length comes next */
	uint64_t left;   /* pieces */
};

void sparse_map_begin(struct sparse_map *);

/* The next 512 bytes. Returns 1 when the map is whole, 0 if there is more of
 * it, -1 with err. */
int sparse_map_block(
    struct sparse_map *, struct pax *, const uint8_t *, struct err *);

/* Whether an entry's segments are in order, apart, inside the file, and as
 * long as what is stored. Returns 0, -1 with err. */
int sparse_check(const struct tar_entry *, struct err *);

/* Where in a file the data of its entry belongs, which comes in pieces. */
struct sparse_walk {
	struct tar_segment *segments, whole;
	size_t count, current;
	uint64_t done; /* of the current one */
};

/* The entry's segments are copied. Returns 0, -1 without memory. A walk that is
 * all zero or released may begin, too. */
int sparse_walk_begin(struct sparse_walk *, const struct tar_entry *);
void sparse_walk_release(struct sparse_walk *);

/* How many of the next len bytes belong together, and at which offset. 0 where
 * there is no more of the file. */
size_t sparse_walk_next(struct sparse_walk *, size_t len, uint64_t *offset);

#endif
