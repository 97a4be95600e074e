/* SPDX-License-Identifier: MIT */
/*
 * docker.h - images as "docker save" writes them, from a file or an engine
 *
 * An archive of manifest.json, a configuration for each image and one tar for
 * each layer, which the configuration names by the digest of its contents
 * (diff_ids). An engine sends the same over its unix socket: $DOCKER_HOST, else
 * /run/docker.sock.
 */
#ifndef VK_PULL_DOCKER_H
#define VK_PULL_DOCKER_H

#include "cmd/vk-pull/options.h"
#include "cmd/vk-pull/ref.h"
#include "cmd/vk-pull/source.h"

/* All are borrowed. NULL with err. */
struct source *docker_new(
    const struct options *, struct cache *, const struct ref *, struct err *);

#endif
