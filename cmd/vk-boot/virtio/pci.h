/* SPDX-License-Identifier: MIT */
/*
 * pci.h - virtio over PCI, modern only (virtio 1.2, 4.1), with MSI-X
 *
 * A window of 32 KiB holds all structures. The driver's kicks are ioeventfds
 * and our interrupts irqfds: while a guest works, no access comes here.
 *
 *	0000  common configuration	3000  notifications, 4 bytes a queue
 *	1000  interrupt status		4000  MSI-X table
 *	2000  device configuration	5000  MSI-X pending bits
 *
 * Registers of a queue can be written until DRIVER_OK, features until
 * FEATURES_OK; later writes are ignored, since the device runs on what it was
 * given.
 */
#ifndef VK_BOOT_VIRTIO_PCI_H
#define VK_BOOT_VIRTIO_PCI_H

#include "cmd/vk-boot/kvm.h"
#include "cmd/vk-boot/pci.h"
#include "cmd/vk-boot/virtio/device.h"

struct virtio_pci;

/* What a register's access asks of the host, in the thread of a vCPU, beside
 * kvm_device_calls (filter.h). */
extern const struct filter_call virtio_pci_calls[];

/* Puts the device (borrowed) on the bus. NULL with err. */
struct virtio_pci *virtio_pci_new(
    struct virtio_device *, struct pci *, struct kvm *, struct err *);

/* The same at that number of the bus, while the guest runs; and takes it away
 * again and frees it, while no processor does. */
struct virtio_pci *virtio_pci_plug(struct virtio_device *, struct pci *,
    struct kvm *, unsigned number, struct err *);
void virtio_pci_unplug(struct virtio_pci *, unsigned number);

/* Stops the device; the guest no longer runs. NULL is fine. */
void virtio_pci_free(struct virtio_pci *);

#endif
