/* SPDX-License-Identifier: MIT */
/*
 * verified.h - files whose digest was looked at, and that did not change
 *
 * To hash a kernel of 20 MB takes 10 ms where the processor has instructions
 * for it and 50 where not, in each start. So the cache's "verified" has an
 * empty file for each file that had its digest, whose name tells what it was:
 *
 *	DEVICE-INODE-SIZE-MTIME-CTIME-DIGEST	in hexadecimal
 *
 * Who writes to a file changes its ctime, which nobody can set. A change
 * within the clock's grain would not show: a file is remembered only when its
 * last change is seconds ago. What is not noticed is a disk that turns bits
 * later; that is for the file system.
 */
#ifndef VK_BOOT_VERIFIED_H
#define VK_BOOT_VERIFIED_H

#include <stdbool.h>
#include <sys/stat.h>

/* Was a file that is this one found to have the digest (64 digits)? */
bool verified_before(const struct stat *, const char *hex);

/* It has: st is what it was before it was read. Where the cache cannot be
 * written, it will be read again. */
void verified_remember(const struct stat *st, const char *hex);

#endif
