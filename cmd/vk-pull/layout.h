/* SPDX-License-Identifier: MIT */
/*
 * layout.h - images in OCI layouts: a folder, or a tar of one
 *
 * OCI image specification, "Image Layout". Blobs are read where they lie and
 * verified like those of a registry; nothing is copied into the cache.
 */
#ifndef VK_PULL_LAYOUT_H
#define VK_PULL_LAYOUT_H

#include "cmd/vk-pull/options.h"
#include "cmd/vk-pull/ref.h"
#include "cmd/vk-pull/source.h"

/* All are borrowed. NULL with err. */
struct source *layout_new(
    const struct options *, struct cache *, const struct ref *, struct err *);

#endif
