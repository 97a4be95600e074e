/* SPDX-License-Identifier: MIT */
/*
 * cache.h - the user's cache: $XDG_CACHE_HOME/vk, else ~/.cache/vk
 *
 * A file in it appears under its name when it is complete and on disk, so that
 * neither kill -9 nor a power cut leaves half of one. It is written without a
 * name (O_TMPFILE), or, where the file system cannot do that (overlayfs before
 * Linux 6.3, NFS), as .new.XXXXXX under a lock: whoever comes later and gets
 * the lock knows that its writer is dead, and removes it.
 *
 * Any number of processes may do that at once: the first name wins, as all of
 * them say the same.
 */
#ifndef VK_BOOT_CACHE_H
#define VK_BOOT_CACHE_H

#include "common/err.h"

#include <limits.h>

/* Fills in the path of a folder of the cache, which need not exist. Returns 0,
 * -1 with err where the user has no home. */
int cache_folder(char into[PATH_MAX], const char *name, struct err *);

/* Makes folder and what is above it (0700). Returns 0, -1 with errno. */
int cache_make(const char *folder);

struct cache_file {
	int fd; /* read-write */
	char folder[PATH_MAX];
	char temporary[PATH_MAX]; /* "" without a name */
};

/* A new, empty file in folder, which is made. Returns 0, -1 with errno. */
int cache_create(struct cache_file *, const char *folder);

/* The same with a temporary name, in a folder that is there. */
int cache_create_named(struct cache_file *, const char *folder);

/*
 * Brings the file to disk and gives it its name, unless that appeared
 * meanwhile, which is as good. fd stays open. Returns 0, -1 with errno.
 */
int cache_name(struct cache_file *, const char *name);

/* Takes back a file that gets no name, and closes fd. */
void cache_abandon(struct cache_file *);

#endif
