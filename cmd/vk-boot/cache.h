/* SPDX-License-Identifier: MIT */
/*
 * cache.h - the user's cache: $XDG_CACHE_HOME/vk, else ~/.cache/vk
 *
 * Files in it are created nameless (O_TMPFILE) and named when they are
 * complete and on disk, so that neither kill -9 nor a power cut leaves half of
 * one, and nothing needs to be swept up. Any number of processes may do that
 * at once: the first name wins, as all of them say the same.
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

/*
 * A nameless file in folder, read-write. -1 with errno, also where the file
 * system cannot do that.
 */
int cache_create(const char *folder);

/* Brings the file to disk and names it folder/name, which may have appeared
 * meanwhile: that is as good. Returns 0, -1 with errno. */
int cache_name(int fd, const char *folder, const char *name);

#endif
