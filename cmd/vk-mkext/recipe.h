/* SPDX-License-Identifier: MIT */
/*
 * recipe.h - what an image is made from, and making it
 *
 * A recipe says all that decides over an image's bytes beside the input. The
 * same recipe gives the fingerprint without making the image.
 */
#ifndef VK_MKEXT_RECIPE_H
#define VK_MKEXT_RECIPE_H

#include "cmd/vk-mkext/image.h"
#include "cmd/vk-mkext/inject.h"
#include "cmd/vk-mkext/intake.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct recipe {
	struct image_wish image; /* uuid and time only if given below */
	struct intake_rules rules;
	const struct inject *injects;
	size_t inject_count;
	const char **parts; /* stand for the input in the fingerprint */
	size_t part_count;
	bool uuid;  /* image.uuid is given */
	bool epoch; /* image.time is given: SOURCE_DATE_EPOCH */
};

/* Where the tree comes from: a tar, or a directory. */
struct recipe_input {
	const char *name; /* for messages */
	int fd;           /* borrowed */
};

/* Told of how far the work is. */
struct recipe_progress {
	void (*step)(void *with, uint64_t bytes_read);
	void *with;
};

/* Makes the image in the empty file at fd, open for reading and writing.
 * progress may be NULL. */
int recipe_build(const struct recipe *, const struct recipe_input *, int fd,
    const struct recipe_progress *, struct err *);

/* The UUID that the image would have. The input is read only if there are no
 * parts. */
int recipe_fingerprint(const struct recipe *, const struct recipe_input *,
    uint8_t uuid[UUID_SIZE], struct err *);

#endif
