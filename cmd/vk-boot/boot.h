/* SPDX-License-Identifier: MIT */
/*
 * boot.h - everything that is put into the guest's memory before it starts:
 * kernel, parameters, initramfs with the agent, its configuration and modules
 */
#ifndef VK_BOOT_BOOT_H
#define VK_BOOT_BOOT_H

#include "cmd/vk-boot/engine.h"
#include "cmd/vk-boot/image.h"
#include "cmd/vk-boot/image_kernel.h"
#include "cmd/vk-boot/initramfs.h"
#include "cmd/vk-boot/kernel.h"
#include "cmd/vk-boot/modules.h"
#include "cmd/vk-boot/options.h"

/* Of the agent's configuration: lines of text. */
#define BOOT_CONFIG_MAX 65536

struct boot {
	const struct engine_guest *guest;
	char kernel_path[PATH_MAX];
	struct kernel kernel; /* opened where the engine loads it */
	struct modules modules;
	struct inside inside; /* open while files of the image are read */
	struct initramfs initramfs;
	struct buf config;  /* /vk/config, vk-agent(8) */
	size_t time_at;     /* where the archive tells the time */
	struct buf cmdline; /* kernel parameters */
};

/* Chooses and opens the kernel of such a guest, and finds its modules; root is
 * NULL where there is none. 0, -1 with err. */
int boot_choose(struct boot *, const struct engine_guest *,
    const struct options *, const struct image *root, struct err *);

/* Then builds all that goes with it. 0, -1 with err. */
int boot_prepare(struct boot *, const struct options *,
    const struct image *root, struct err *);

/* It is loaded once more: tells the guest what time it is now. */
void boot_again(struct boot *);

/* Takes a half-made one, and may be called twice. */
void boot_release(struct boot *);

#endif
