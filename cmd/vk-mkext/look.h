/* SPDX-License-Identifier: MIT */
/*
 * look.h - what is in an image, without mounting it
 *
 * Reads any ext2, ext3 or ext4 file system that libext2fs can open. The image
 * is not trusted: a directory that is its own parent, a file that claims to be
 * larger than it can be or a broken block end in an error, not in a loop. No
 * more blocks are read than there are, and memory is some tens of bytes and the
 * name for each directory and each file with several names.
 */
#ifndef VK_MKEXT_LOOK_H
#define VK_MKEXT_LOOK_H

#include "cmd/vk-mkext/fingerprint.h"
#include "common/err.h"

#include <stdint.h>

/* The image's UUID. */
int look_uuid(const char *image, uint8_t uuid[UUID_SIZE], struct err *);

/* Prints a line for each entry at path and below it: mode, owner, size (of a
 * device its numbers), time of modification, path, and what a link means. */
int look_list(const char *image, const char *path, struct err *);

/* Writes what is at path and below it to stdout as a pax tar: a directory with
 * what it holds as ".", anything else under its last name. Holes longer
 * than PIECES_GAP stay holes (see pieces.h). */
int look_extract(const char *image, const char *path, struct err *);

#endif
