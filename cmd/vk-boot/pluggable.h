/* SPDX-License-Identifier: MIT */
/*
 * pluggable.h - the part of the address space where memory can be added
 *
 * One region behind all other memory, as large as the VM may grow. It is not in
 * the memory map that the kernel starts with, and no ACPI table tells of it:
 * Linux learns where it is from the device (virtio/mem.h). An affinity table
 * (SRAT) would only say which node it belongs to, and that it may lie above
 * 4 GiB, for bounce buffers that virtio here has no use for.
 *
 * The guest's processors reach its first bytes; those are shown to KVM as they
 * are first needed, some hundred megabytes at a time, so that what
 * was never offered costs nothing and cannot be taken.
 */
#ifndef VK_BOOT_PLUGGABLE_H
#define VK_BOOT_PLUGGABLE_H

#include "cmd/vk-boot/kvm.h"

struct pluggable {
	const struct gmem_region *region; /* NULL: there is none */
	uint64_t step;                    /* in which more of it is shown */
	unsigned first, slot;             /* KVM's: its own, the next */
};

/*
 * Adds a region for `more` bytes (not 0) to the memory that is there, all of
 * which has KVM's slots before. Returns 0, -1 with err.
 */
int pluggable_add(
    struct pluggable *, struct gmem *, uint64_t more, struct err *);

/* Shows at least so many bytes of it. Returns 0, -1 with err. */
int pluggable_show(
    struct pluggable *, struct kvm *, uint64_t bytes, struct err *);

/* The VM is another one: shows it as much. Returns 0, -1 with err. */
int pluggable_again(struct pluggable *, struct kvm *, struct err *);

#endif
