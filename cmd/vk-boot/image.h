/* SPDX-License-Identifier: MIT */
/*
 * image.h - what file system an image is, by its superblock
 *
 * Only the superblock is read, and believed in nothing but what is said of it:
 * the guest's kernel will judge the rest. Nothing is ever taken for a format
 * that was not proven by its magic number at its place.
 */
#ifndef VK_BOOT_IMAGE_H
#define VK_BOOT_IMAGE_H

#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

enum image_type {
	IMAGE_EXT4, /* and ext2, ext3: Linux's ext4 mounts them */
	IMAGE_SQUASHFS,
	IMAGE_EROFS,
};

struct image {
	int fd; /* borrowed */
	enum image_type type;
	uint64_t file_size; /* of the file or block device */
	uint64_t size;      /* what the file system says it takes */
	uint32_t block_size;
	uint8_t uuid[16];    /* zeros if it has none (squashfs) */
	char label[17];      /* printable; "" if it has none */
	bool read_only;      /* can only be mounted so */
	bool needs_recovery; /* its journal has to be played back first */
	bool errors;         /* it says that an error was found in it */
};

/* What mount(2) calls it: "ext4". */
const char *image_type_name(enum image_type);

/*
 * Reads fd, a regular file or a block device, at its fixed places; it is not
 * taken over. Returns 0,
 * -1 with err (EX_DATAERR, without the file's name): no file system, one that
 * is longer than its file, or another format, with a hint for those that are
 * often taken for an image.
 */
int image_identify(int fd, struct image *, struct err *);

#endif
