/* SPDX-License-Identifier: MIT */
/*
 * tarheader.h - what a tar header says by itself
 *
 * One block of 512 bytes: POSIX.1-2008 pax, "ustar Interchange Format"; v7 and
 * star as far as they differ, and what GNU tar keeps where others have a
 * prefix. What stands in front of it, a pax that was read, wins over its
 * fields: then they are not looked at, and may be broken.
 */
#ifndef VK_COMMON_TARHEADER_H
#define VK_COMMON_TARHEADER_H

#include "common/err.h"
#include "common/pax.h"
#include "common/tarin.h"

#include <stdbool.h>
#include <stdint.h>

#define TAR_BLOCK_SIZE 512

/* Of both name fields; then its prefix, a slash and a NUL. */
#define TAR_NAME_MAX   100
#define TAR_PREFIX_MAX 155
#define TAR_NAME_SIZE  (TAR_PREFIX_MAX + 1 + TAR_NAME_MAX + 1)
#define TAR_LINK_SIZE  (TAR_NAME_MAX + 1)

/* The ustar header, and what GNU tar has where that has the prefix. */
struct tar_header {
	uint8_t name[TAR_NAME_MAX], mode[8], uid[8], gid[8], size[12];
	uint8_t mtime[12], checksum[8], type, link[TAR_NAME_MAX], magic[6];
	uint8_t version[2], uname[32], gname[32], major[8], minor[8];
	union {
		struct {
			uint8_t prefix[TAR_PREFIX_MAX], unused[8];
			uint8_t star[4]; /* "tar": its prefix is shorter */
		};
		struct {
			uint8_t atime[12], ctime[12], other[17];
			uint8_t sparse[4 * 24]; /* the old form: pieces, */
			uint8_t extended;       /* "more follow", */
			uint8_t realsize[12];
		} gnu;
	};
};

/* Nothing but zeros: half of the archive's end. */
bool tar_header_empty(const uint8_t *);
/* Its checksum is right. */
bool tar_header_right(const uint8_t *);

uint8_t tar_header_flag(const uint8_t *);
/* Returns 0, -1 for what is no number. */
int tar_header_size(const uint8_t *, uint64_t *);
void tar_header_names(
    const uint8_t *, char name[TAR_NAME_SIZE], char link[TAR_LINK_SIZE]);

/* The type that a flag stands for: 1; 0 for a flag that nobody knows, which is
 * a file, as POSIX has it; -1 for what is none by itself. */
int tar_type(uint8_t flag, const char *name, enum tar_type *);

/* Mode, owner, times, device, and stored; the entry's type is known. Times of
 * GNU's go into the pax, where the entry's point. 0, -1 with err. */
int tar_header_numbers(
    const uint8_t *, struct pax *, struct tar_entry *, struct err *);

/* GNU's old form of a sparse file, whose table starts here: its size, and
 * whether more blocks of it follow. 0, -1 with err. */
int tar_header_sparse(
    const uint8_t *, struct pax *, uint64_t *size, bool *more, struct err *);

#endif
