/* SPDX-License-Identifier: MIT */
/*
 * cloud_hypervisor.h - the engine that is Cloud Hypervisor: KVM, driven by
 * another program, with our devices
 *
 * Every device is ours, the console too: version 52 has a front end for
 * vhost-user devices of any type (--generic-vhost-user; "virtio_id" is its name
 * for the type in all versions). It restarts a guest in itself, of which our
 * devices would not know enough; so it is ended when it says that it is about
 * to (--event-monitor), and started anew.
 *
 * It comes with a filter of system calls for each of its threads, so that ours
 * is not put before them. The power button is pressed by its API
 * (hypervisor_api.h). Who is to be held, go on or end is told by signals,
 * through the warden, for that asks nothing of a program that the guest may
 * have taken over.
 */
#ifndef VK_BOOT_CLOUD_HYPERVISOR_H
#define VK_BOOT_CLOUD_HYPERVISOR_H

#include "cmd/vk-boot/engine.h"

/* NULL with err: EX_UNAVAILABLE where there is none, or no KVM. */
struct engine *cloud_hypervisor_new(const struct engine_config *, struct err *);

#endif
