/* SPDX-License-Identifier: MIT */
/*
 * registry.h - images from a registry
 *
 * OCI distribution specification 1.1, "Pull": GET /v2/NAME/manifests/REFERENCE
 * and /v2/NAME/blobs/DIGEST. Everything that comes goes through the cache.
 */
#ifndef VK_PULL_REGISTRY_H
#define VK_PULL_REGISTRY_H

#include "cmd/vk-pull/options.h"
#include "cmd/vk-pull/ref.h"
#include "cmd/vk-pull/source.h"

/* options and cache are borrowed. NULL with err. */
struct source *registry_new(
    const struct options *, struct cache *, const struct ref *, struct err *);

#endif
