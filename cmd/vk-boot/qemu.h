/* SPDX-License-Identifier: MIT */
/*
 * qemu.h - the engine that is QEMU: its q35 machine, with our devices
 *
 * For hosts where KVM cannot run a guest and User-mode Linux is none for it: a
 * kernel of any make, several processors, all of them emulated (TCG), at a
 * third of native speed or less. Where KVM does run kernels, QEMU uses it.
 *
 * Disks, vsock, network and randomness are our devices behind vhost-user. For a
 * console QEMU has no front end: its own virtio console is behind a socket, at
 * the other end of which are the same ring and the same input as ever. What
 * QEMU has beside that is out: no display, no USB, no disks of its own, no
 * option ROMs but those that load a kernel.
 *
 * Measured with QEMU 7.2 under TCG, our kernel to its init: q35 2.2 s; microvm
 * is a machine without HPET and PM timer, on which a kernel that was not told
 * by a hypervisor finds no clock and hangs.
 */
#ifndef VK_BOOT_QEMU_H
#define VK_BOOT_QEMU_H

#include "cmd/vk-boot/engine.h"

/* NULL with err: EX_UNAVAILABLE where there is no QEMU. */
struct engine *qemu_new(const struct engine_config *, struct err *);

#endif
