/* SPDX-License-Identifier: MIT */
/*
 * pci.h - one PCI bus of single-function devices (PCI 3.0, 6)
 *
 * Configuration space by ECAM and by the old pair of ports. Each device has at
 * most one memory window (base address register 0, 32 bits), which has its
 * address from the start, since there is no firmware to give it one; the guest
 * may move it. There are no interrupt pins: devices send messages (MSI-X).
 */
#ifndef VK_BOOT_PCI_H
#define VK_BOOT_PCI_H

#include "cmd/vk-boot/bus.h"

#include <pthread.h>

#define PCI_DEVICES_MAX 32
#define PCI_CONFIG_SIZE 256

/* Whose numbers we use: the two vendor ids that Red Hat lends to virtual
 * devices. */
#define PCI_VENDOR_VIRTIO 0x1af4
#define PCI_VENDOR_BRIDGE 0x1b36

struct pci_device {
	uint8_t config[PCI_CONFIG_SIZE];
	uint8_t first[PCI_CONFIG_SIZE];    /* as it was put on the bus */
	uint8_t writable[PCI_CONFIG_SIZE]; /* which bits a driver may change */
	uint32_t window_size;              /* a power of two; 0: no window */
	uint8_t capability_end;            /* where the next one goes */
	uint8_t capability_last;           /* the one that points there */

	/* As it was first but for config. NULL: there is nothing to do. */
	void (*reset)(struct pci_device *);

	/* All called with the bus's lock held. */
	/* Before a read of configuration space reaches the bytes. */
	void (*config_reading)(
	    struct pci_device *, unsigned offset, unsigned len);
	/* The writable bits of these bytes have changed. */
	void (*config_written)(
	    struct pci_device *, unsigned offset, unsigned len);
	/* Without that lock: an access to the window. */
	void (*window)(struct pci_device *, uint64_t offset, uint8_t *data,
	    unsigned len, bool write);
};

struct pci {
	pthread_mutex_t lock;
	uint32_t address; /* PORT_PCI_ADDR */
	uint32_t next_window;
	unsigned count; /* from 0 on without a gap */
	struct pci_device *devices[PCI_DEVICES_MAX];
	struct pci_device bridge;
};

/* An empty bus with its host bridge. */
void pci_init(struct pci *);

/* Fills in what every device has. */
struct pci_identity {
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint32_t class; /* class, subclass, interface: 24 bits */
	uint8_t revision;
};
void pci_device_init(struct pci_device *, const struct pci_identity *);

/* Adds a capability of len bytes, header included; its offset. */
uint8_t pci_capability(struct pci_device *, const void *from, uint8_t len);

/* Puts the device on the bus and gives its window an address. -1: full. */
int pci_add(struct pci *, struct pci_device *);

/* Everything as it was put there; the guest does not run. */
void pci_reset(struct pci *);

/* Puts a device at that number (below PCI_DEVICES_MAX) while the guest runs.
 * -1: one is there. */
int pci_plug(struct pci *, unsigned number, struct pci_device *);
/* Takes it away, while no processor of the guest runs. */
void pci_unplug(struct pci *, unsigned number);

/* Where the window is now, 0 while the guest has memory decoding off. */
uint64_t pci_window_at(const struct pci_device *);

/* Numbers in configuration space. */
uint32_t pci_get(const struct pci_device *, unsigned offset, unsigned len);
void pci_set(
    struct pci_device *, unsigned offset, uint32_t value, unsigned len);

/* Bus ranges' accesses: ECAM, the ports, the windows (offset from
 * MMIO_START). */
void pci_ecam_access(
    void *pci, uint64_t offset, uint8_t *data, unsigned len, bool write);
void pci_port_access(
    void *pci, uint64_t offset, uint8_t *data, unsigned len, bool write);
void pci_window_access(
    void *pci, uint64_t offset, uint8_t *data, unsigned len, bool write);

#endif
