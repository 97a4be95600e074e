/* SPDX-License-Identifier: MIT */
/*
 * msix.h - a PCI device's interrupts as messages (MSI-X; PCI 3.0, 6.8.2)
 *
 * Sources are what interrupts: each has an eventfd, which the device writes,
 * and a number of its own with KVM (gsi). The driver gives a source one of the
 * table's vectors, of which there are as many as sources. A source whose
 * vector is masked is detached: its eventfd keeps what comes, and KVM delivers
 * it when it is attached again, which is what the pending bits promise.
 *
 * KVM takes its time over routes and event descriptors (it waits for all
 * vCPUs), so both are set once, by msix_run, and when something changes after.
 *
 * Nothing here locks: one thread at a time.
 */
#ifndef VK_BOOT_VIRTIO_MSIX_H
#define VK_BOOT_VIRTIO_MSIX_H

#include "cmd/vk-boot/kvm.h"
#include "cmd/vk-boot/pci.h"

#include <stdbool.h>
#include <stdint.h>

/* Queues and configuration (device.h). */
#define MSIX_SOURCES_MAX 17
#define MSIX_NO_VECTOR   0xffff

struct msix_entry { /* as the guest sees it */
	uint32_t address_low, address_high, data, control;
};

struct msix_source {
	int fd; /* borrowed */
	int gsi;
	uint16_t vector; /* MSIX_NO_VECTOR: none */
	bool attached;
};

struct msix {
	struct pci_device *pci;
	struct kvm *kvm;
	unsigned count;
	bool running;
	uint8_t capability;
	struct msix_source sources[MSIX_SOURCES_MAX];
	struct msix_entry table[MSIX_SOURCES_MAX];
};

/* Without a source yet. */
void msix_init(struct msix *, struct pci_device *, struct kvm *);

/* One more source, before msix_expose. 0; -1: KVM has no number for it. */
int msix_add(struct msix *, int fd);

/* Adds the capability: the table and the pending bits lie at these offsets of
 * the device's window. */
void msix_expose(struct msix *, uint32_t table_at, uint32_t pending_at);

/* Whether sources interrupt (the driver is ready). */
void msix_run(struct msix *, bool on);

/* No source has a vector, nothing waits, and msix_run is off. */
void msix_reset(struct msix *);
/* That, and the table is as it was first. */
void msix_power_on(struct msix *);

/* Gives KVM its numbers back. */
void msix_forget(struct msix *);

/* A vector that there is not reads back as MSIX_NO_VECTOR. */
void msix_set_vector(struct msix *, unsigned source, uint16_t vector);
uint16_t msix_vector(const struct msix *, unsigned source);

/* These bytes of configuration space have been written. */
void msix_config_written(struct msix *, unsigned offset, unsigned len);

/* Accesses to the window, offsets from where msix_expose put it. */
void msix_table_access(
    struct msix *, uint64_t offset, uint8_t *data, unsigned len, bool write);
void msix_pending_access(
    const struct msix *, uint64_t offset, uint8_t *data, unsigned len);

/* What these ask of the host beside kvm_device_calls (filter.h). */
extern const struct filter_call msix_calls[];

#endif
