/* SPDX-License-Identifier: MIT */
/* options.h - what the user asked of vk-control (vk-control(1)) */
#ifndef VK_CONTROL_OPTIONS_H
#define VK_CONTROL_OPTIONS_H

#include "common/opt.h"

#include <stdbool.h>
#include <stdint.h>

struct options {
	const char *socket; /* in the place of a VM's name; or NULL */
	const char *output; /* members to print, with commas; or NULL */
	bool wait;          /* until the VM has ended */
	uint64_t timeout_ms;
};

extern const struct opt_command options_command;

void options_init(struct options *);

#endif
