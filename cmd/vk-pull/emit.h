/* SPDX-License-Identifier: MIT */
/*
 * emit.h - the flattened image as one tar
 *
 * .vk/image.json; then all folders, each before what is in it; then the
 * contents of every layer in turn, each once, its further names as hard links
 * right behind it.
 */
#ifndef VK_PULL_EMIT_H
#define VK_PULL_EMIT_H

#include "cmd/vk-pull/layer.h"
#include "cmd/vk-pull/merge.h"
#include "common/buf.h"
#include "common/tarout.h"

/* Where the image's configuration is put, and in front of what. */
#define EMIT_FOLDER ".vk"
#define EMIT_CONFIG ".vk/image.json"

/* Returns 0 when everything is written and with the kernel, -1 with err. */
int emit(struct tarout *, struct merge *, const struct buf *config,
    struct layer *layers, size_t count, struct err *);

#endif
