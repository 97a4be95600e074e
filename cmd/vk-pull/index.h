/* SPDX-License-Identifier: MIT */
/*
 * index.h - the names of one layer
 *
 * What the merge needs of every entry of a tar: name, type, target of links,
 * and of folders all the rest, since they are written without reading the
 * layer again. Compact: 12 bytes an entry and the strings.
 */
#ifndef VK_PULL_INDEX_H
#define VK_PULL_INDEX_H

#include "common/buf.h"
#include "common/err.h"
#include "common/tarin.h"

#include <stddef.h>
#include <stdint.h>

struct index_entry {
	uint32_t path;  /* offset of a string in strings */
	uint32_t extra; /* links: of the target; folders: of index_folder */
	uint8_t type;   /* enum tar_type */
};

/* Unaligned in strings; attrs_len bytes of attributes follow it. */
struct index_folder {
	int64_t mtime;
	uint32_t mtime_ns, mode, uid, gid, attrs_len;
};

struct index {
	struct index_entry *entries;
	size_t count, size;
	struct buf strings;
	uint64_t data; /* bytes of all contents */
};

void index_init(struct index *);
void index_release(struct index *); /* twice is fine */
void index_clear(struct index *);

/* Returns 0, -1 with err. */
int index_add(struct index *, const struct tar_entry *, struct err *);

static inline const char *
index_path(const struct index *x, size_t i)
{
	return x->strings.data + x->entries[i].path;
}

static inline const char *
index_extra(const struct index *x, size_t i)
{
	return x->strings.data + x->entries[i].extra;
}

#endif
