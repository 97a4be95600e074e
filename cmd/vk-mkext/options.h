/* SPDX-License-Identifier: MIT */
/* options.h - the option table of vk-mkext, and what it fills in */
#ifndef VK_MKEXT_OPTIONS_H
#define VK_MKEXT_OPTIONS_H

#include "cmd/vk-mkext/image.h"
#include "common/opt.h"

#include <stdbool.h>
#include <stdint.h>

struct options {
	const char *output;
	struct image_wish image;
	bool sync;
};

extern const struct opt_command options_command;

/* What stands where no option does. */
void options_init(struct options *);

#endif
