/* SPDX-License-Identifier: MIT */
/* output.h - what goes to stdout: the tar, or what was asked for instead */
#ifndef VK_PULL_OUTPUT_H
#define VK_PULL_OUTPUT_H

#include "cmd/vk-pull/options.h"
#include "cmd/vk-pull/source.h"

/* Pulls from source and writes. Returns 0, -1 with err; where it fails before
 * the image is verified nothing was written. */
int output(const struct options *, struct source *, struct err *);

#endif
