/* SPDX-License-Identifier: MIT */
/*
 * module_drive.h - all modules of the chosen kernel, on a disk of the guest's
 *
 * What a guest loads later, by modprobe(8) or by itself, is not in the
 * initramfs. An ext4 image of the host's lib/modules/VERSION is made once and
 * kept in the cache; the guest has it as a read-only disk, which the agent
 * mounts at /lib/modules/VERSION where the image has nothing.
 */
#ifndef VK_BOOT_MODULE_DRIVE_H
#define VK_BOOT_MODULE_DRIVE_H

#include "cmd/vk-boot/drive.h"
#include "cmd/vk-boot/modules.h"

/* What drive_open is to be given: 1; 0 where the kernel has no modules, or has
 * them in the guest's image; -1 with err. */
int module_drive_wish(struct drive_wish *, const struct modules *,
    const struct kernel *, struct err *);

#endif
