/* SPDX-License-Identifier: MIT */
/*
 * whiteout.h - names in a layer that hide what lies below it
 *
 * OCI image specification, "Whiteouts": ".wh.NAME" hides NAME, ".wh..wh..opq"
 * everything in its folder, as far as it came with the layers below the one
 * that the walk is at. Other names that begin with ".wh..wh." are AUFS's own.
 */
#ifndef VK_PULL_WHITEOUT_H
#define VK_PULL_WHITEOUT_H

#include "cmd/vk-pull/walk.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

/* What a name is: at most one of these. The opaque mark is AUFS's as well. */
bool whiteout_is(const char *name, size_t len);
bool whiteout_is_opaque(const char *name, size_t len);
bool whiteout_is_aufs(const char *name, size_t len);

/* Hides what the whiteout at path says. Returns 0, -1 with err. */
int whiteout_apply(struct walk *, const char *path, struct err *);
int whiteout_apply_opaque(struct walk *, const char *path, struct err *);

#endif
