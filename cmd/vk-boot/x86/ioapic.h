/* SPDX-License-Identifier: MIT */
/*
 * ioapic.h - I/O APIC (Intel 82093AA), as messages to the local APICs
 *
 * Only the serial port and the ACPI event device have pins, both edge
 * triggered (so the tables say), which is all that is done here: a rising edge
 * on an unmasked pin sends its message. A guest that sets a pin to level
 * triggered gets an edge all the same.
 */
#ifndef VK_BOOT_X86_IOAPIC_H
#define VK_BOOT_X86_IOAPIC_H

#include "cmd/vk-boot/kvm.h"
#include "cmd/vk-boot/x86/layout.h"

#define IOAPIC_SIZE 0x20 /* the two registers that Linux uses */

struct ioapic {
	struct kvm *kvm;
	pthread_mutex_t lock;
	uint8_t select;
	uint64_t pins[IOAPIC_PINS]; /* redirection entries */
	uint32_t levels;            /* a bit a pin */
	uint32_t pending;           /* edges that came while masked */
};

void ioapic_init(struct ioapic *, struct kvm *);

/* As it was first; the guest does not run. */
void ioapic_reset(struct ioapic *);

/* A bus range's access. */
void ioapic_access(
    void *ioapic, uint64_t offset, uint8_t *data, unsigned len, bool write);

/* Sets a pin's level, from any thread. */
void ioapic_set(struct ioapic *, unsigned pin, bool level);

#endif
