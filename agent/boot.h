/* SPDX-License-Identifier: MIT */
/*
 * boot.h - from the initramfs to the image's own root
 *
 *	/dev, /proc, /sys  ->  modules  ->  root device  ->  its file system
 *	->  the initramfs is emptied, and "/" is the image
 */
#ifndef VK_AGENT_BOOT_H
#define VK_AGENT_BOOT_H

#include "agent/config.h"
#include "common/err.h"

#include <stdbool.h>

/* What has to be there before anything else: /proc, /sys and /dev, and the
 * console as 0, 1 and 2. Never fails: what is missing shows later. */
void boot_early(void);

/* Loads the modules in their order; one that is built in or loaded already is
 * as good. What fails is logged: whether it was needed shows later. */
void boot_modules(const struct config *);

/* Mounts the root and makes it "/"; without one, the initramfs stays that.
 * Returns 0, -1 with err ("cannot mount root: ..."). */
int boot_root(const struct config *, struct err *);

/* Mounts "DEVICE TYPE [OPTIONS]" on a directory, waiting for the device
 * (disks.h). Of the options, x-grow lets an ext4 file system fill its device;
 * others that begin with x- are passed over. Returns 0, -1 with err. */
int boot_mount(const char *line, const char *dir, struct err *);

/* Whether one of the options, between commas, is that one. */
bool boot_option(const char *options, const char *name);

/* Gives the kernel the seed of /vk/seed as entropy. */
void boot_seed(void);

#endif
