/* SPDX-License-Identifier: MIT */
/*
 * cache.h - blobs that were fetched once
 *
 *	$XDG_CACHE_HOME/vk/blobs/sha256/HEX     whole and verified when written
 *	$XDG_CACHE_HOME/vk/partial/sha256-HEX   being downloaded, or left so
 *	$XDG_CACHE_HOME/vk/partial/tag-XXXXXX   a name's text being written
 *	$XDG_CACHE_HOME/vk/tags/HEX             what a name meant, as JSON
 *
 * Any number of programs may use it at once and each may be killed at any
 * moment. Who downloads a blob holds a flock(2) on its partial file; the others
 * wait for that. A blob appears under its name by rename(2). Nothing is synced
 * to disk: whoever reads a blob verifies it again, so what a power cut spoilt
 * is noticed and fetched anew.
 *
 * An open blob stays readable when it is removed meanwhile.
 */
#ifndef VK_PULL_CACHE_H
#define VK_PULL_CACHE_H

#include "cmd/vk-pull/digest.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

#define CACHE_PATH_MAX 4096

struct cache {
	char root[CACHE_PATH_MAX]; /* without "/vk" behind it: with */
	int fd;                    /* of root */
};

/* Opens it, making folders (0700) that are missing. Returns 0, -1 with err. */
int cache_open(struct cache *, struct err *);
void cache_close(struct cache *);

/* Opens a blob for reading and notes that it was used. -1: it is not there. */
int cache_find(struct cache *, const struct digest *, uint64_t *size);

/* The same without a note. */
int cache_peek(struct cache *, const struct digest *, uint64_t *size);

/* Takes a blob out, because it is not what its name says. */
void cache_discard(struct cache *, const struct digest *);

struct cache_partial {
	int fd;        /* for reading and writing; locked */
	uint64_t have; /* bytes that an earlier run left */
	char name[160];
};

/*
 * Makes a download ours, waiting while it is someone else's. Returns 0 with
 * *p; 1 if the blob is there now and cache_find is to be asked again; -1 with
 * err.
 */
int cache_begin(struct cache *, const struct digest *, struct cache_partial *,
    struct err *);

/* The three ends of it; the descriptor stays open and is the caller's. */
int cache_commit(struct cache *, const struct digest *, struct cache_partial *,
    struct err *);                                        /* it is whole */
void cache_leave(struct cache *, struct cache_partial *); /* go on later */
void cache_drop(struct cache *, struct cache_partial *);  /* it is wrong */

/* Takes out what of partial/ nobody works on: name is "partial/...". */
void cache_drop_left(struct cache *, const char *name);

/* A file without a name, for what is read more than once from a pipe. */
int cache_scratch(struct cache *, struct err *);

#define CACHE_TAG_MAX 4096 /* bytes of what is kept of a name */

/* What was kept under key, any text. Returns a string to free, or NULL. */
char *cache_get_tag(struct cache *, const char *key);
/* The same by its file, "tags/HEX". */
char *cache_read_tag(struct cache *, const char *file);
/* Keeps text under key. A failure only costs time later: none is told. */
void cache_put_tag(struct cache *, const char *key, const char *text);

#endif
