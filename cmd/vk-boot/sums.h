/* SPDX-License-Identifier: MIT */
/*
 * sums.h - is an installed file what was installed?
 *
 * "make install" leaves a list of digests, as sha256sum(1) writes and checks
 * it, beside the kernels and the agent; "make kernel" leaves one beside each
 * kernel in the cache. Whoever can change them can change the list: it is
 * against bad disks and copies and half updates, not against that. A file that
 * did not change since is not read again (verified.h).
 */
#ifndef VK_BOOT_SUMS_H
#define VK_BOOT_SUMS_H

#include "common/err.h"

#define SUMS_INSTALLED "SHA256SUMS"
#define SUMS_BUILT     "sha256"

/* Holds the file against the list in its folder. Returns 0, also where there
 * is no list (a build folder); -1 with err (EX_DATAERR) if it differs or is
 * not on it. */
int sums_check(const char *path, struct err *);

#endif
