/* SPDX-License-Identifier: MIT */
/*
 * vhost_memory.h - the guest's memory as a front end shows it
 *
 * Regions of files that came as descriptors, each mapped once. A front end
 * speaks of rings by its own virtual addresses: each region says where in these
 * it begins.
 */
#ifndef VK_BOOT_VIRTIO_VHOST_MEMORY_H
#define VK_BOOT_VIRTIO_VHOST_MEMORY_H

#include "cmd/vk-boot/gmem.h"
#include "cmd/vk-boot/virtio/vhost_message.h"

/* A region's place in the front end's own address space. */
struct vhost_window {
	uint64_t start, len, gpa;
	void *map; /* what was mapped, and how much */
	uint64_t map_len;
};

struct vhost_memory {
	struct gmem *mem; /* borrowed: what devices see */
	struct vhost_window windows[GMEM_REGIONS_MAX];
	unsigned count;
};

/* Puts the message's table (SET_MEM_TABLE) in the place of what was there; no
 * device uses it now. 0, -1: it is wrong, and perhaps half done. */
int vhost_memory_set(struct vhost_memory *, const struct vhost_message *);
void vhost_memory_forget(struct vhost_memory *);

/* The guest-physical address for one of the front end's own. 0, -1. */
int vhost_memory_gpa(
    const struct vhost_memory *, uint64_t address, uint64_t *gpa);

#endif
