/* SPDX-License-Identifier: MIT */
/*
 * image_kernel.h - the kernel inside an image, and its modules ("-k auto")
 *
 * Looked for are /boot/vmlinuz* and /vmlinuz, as distributions that boot have
 * them, and /lib/modules/VERSION/vmlinuz, as some have in containers too. The
 * newest one that is a kernel wins, rescue kernels are the last choice. What
 * the distribution is called does not matter.
 */
#ifndef VK_BOOT_IMAGE_KERNEL_H
#define VK_BOOT_IMAGE_KERNEL_H

#include "cmd/vk-boot/inside.h"
#include "cmd/vk-boot/kernel.h"
#include "cmd/vk-boot/modules.h"

/*
 * Opens the image's kernel; its path is what it is in the image, with "image:"
 * in front. cache: as kernel_open's. Returns 1, 0 if there is none, -1 with
 * err (the image cannot be read).
 */
int image_kernel_open(
    struct kernel *, struct inside *, const char *cache, struct err *);

/*
 * Opens the modules of a kernel of that version; inside has to stay open as
 * long as they are. Finding none is no error: folder is "" then. Returns 0, -1
 * with err.
 */
int image_modules_open(
    struct modules *, struct inside *, const char *version, struct err *);

#endif
