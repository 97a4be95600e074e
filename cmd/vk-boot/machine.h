/* SPDX-License-Identifier: MIT */
/*
 * machine.h - the machine: memory, processors, buses, PCI
 *
 *	machine_create(&m, &config, &e)    KVM, memory, vCPUs
 *	machine_probe(&m, &e)		   this KVM runs code
 *	machine_add(&m, device, &e)	   as often as wanted
 *	loader_load(...m.mem...)
 *	machine_start(&m, &entry, &e)
 *	...m.end_fd is readable: the guest is at its end
 *	machine_stop(&m)
 *	machine_release(&m)
 */
#ifndef VK_BOOT_MACHINE_H
#define VK_BOOT_MACHINE_H

#include "cmd/vk-boot/pci.h"
#include "cmd/vk-boot/vcpu.h"
#include "cmd/vk-boot/virtio/device.h"
#include "cmd/vk-boot/x86/acpi.h"
#include "cmd/vk-boot/x86/ioapic.h"
#include "cmd/vk-boot/x86/loader.h"
#include "cmd/vk-boot/x86/serial.h"

/* KVM's own limit is asked for; this one is the size of a table. */
#define MACHINE_CPUS_MAX 256

/* The smallest that any kernel of ours starts in. */
#define MACHINE_MEMORY_MIN (32ull << 20)

struct machine_config {
	unsigned cpus;
	uint64_t memory; /* bytes */
	bool shared;     /* memory in a memfd, for other processes */
	/* Takes what the guest writes to its serial port, from any thread. */
	void (*console)(void *owner, const void *text, size_t len);
	void *owner;
};

enum machine_end {
	MACHINE_RUNS,
	MACHINE_POWERED_OFF,
	MACHINE_RESET, /* by ACPI, the keyboard controller's or PCI's
			* port */
	MACHINE_TRIPLE_FAULT,
	MACHINE_FAILED, /* KVM gave up: text says why */
};

struct virtio_pci;

struct machine {
	struct kvm kvm;
	struct gmem mem;
	struct bus ports, memory;
	struct pci pci;
	struct ioapic ioapic;
	struct acpi acpi;
	struct serial *serial;
	void (*console)(void *owner, const void *text, size_t len);
	void *console_owner;
	struct vcpu *cpus;
	unsigned cpu_count;
	struct virtio_pci *transports[PCI_DEVICES_MAX];
	unsigned transport_count;
	int end_fd;           /* an eventfd */
	pthread_mutex_t lock; /* guards what follows */
	enum machine_end end; /* the first reason counts */
	char text[128];
};

int machine_create(
    struct machine *, const struct machine_config *, struct err *);
int machine_probe(struct machine *, struct err *);
int machine_add(struct machine *, struct virtio_device *, struct err *);
int machine_start(struct machine *, const struct entry *, struct err *);

/* Stops all vCPUs and waits for them. May be called twice. */
void machine_stop(struct machine *);

/* Stops and frees all but the devices, which are the caller's. Takes a
 * half-made machine. */
void machine_release(struct machine *);

#endif
