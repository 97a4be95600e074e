/* SPDX-License-Identifier: MIT */
/*
 * inject.h - files of this machine put into the image:
 * HOST:GUEST:MODE[:UID:GID]
 *
 * Takes the place of what is there. Parents are made; symbolic links in the
 * guest's path, the last one too, are followed inside the image.
 */
#ifndef VK_MKEXT_INJECT_H
#define VK_MKEXT_INJECT_H

#include "cmd/vk-mkext/fingerprint.h"
#include "cmd/vk-mkext/intake.h"
#include "common/err.h"

#include <stdint.h>

struct inject {
	const char *text; /* as given, borrowed */
	char *host;       /* within an allocation of its own */
	char *guest;
	uint16_t mode;
	uint32_t uid, gid;
};

int inject_parse(struct inject *, const char *text, struct err *);
void inject_release(struct inject *);

/* Puts the file into the tree and its content to the sum; either may be NULL.
 * Its time is the one given: the host file's own says when somebody built it.
 */
int inject_apply(const struct inject *, struct intake *, struct sum *,
    struct moment, struct err *);

#endif
