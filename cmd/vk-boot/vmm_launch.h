/* SPDX-License-Identifier: MIT */
/*
 * vmm_launch.h - what a program that runs a guest is started with: its
 * arguments, and its jail
 *
 * A zeroed one is empty. What is given has a path in the jail, and that path is
 * what an argument says.
 */
#ifndef VK_BOOT_VMM_LAUNCH_H
#define VK_BOOT_VMM_LAUNCH_H

#include "cmd/vk-boot/jail.h"

/* Two or four words for each device, and what there is beside them. */
#define VMM_ARGUMENTS_MAX 192

struct vmm_launch {
	struct jail jail;
	struct filter filter;
	char *argv[VMM_ARGUMENTS_MAX + 1];
	unsigned argc;
	bool failed; /* an argument could not be added */
};

/* Adds one argument. Who has added all asks vmm_launch_whole. */
__attribute__((format(printf, 2, 3))) void vmm_argument(
    struct vmm_launch *, const char *fmt, ...);

/* 0, -1 with err: too many of them, or no memory. */
int vmm_launch_whole(const struct vmm_launch *, struct err *);

void vmm_launch_release(struct vmm_launch *);

#endif
