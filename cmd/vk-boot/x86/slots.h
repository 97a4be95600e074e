/* SPDX-License-Identifier: MIT */
/*
 * slots.h - places on the PCI bus whose device may come and go
 *
 * By ACPI, not by PCI Express's own hot plug: Debian's kernels and ours have
 * the driver for either (HOTPLUG_PCI_ACPI) built in, and ACPI needs neither a
 * bridge for each slot nor the waiting of seconds that goes with its buttons
 * and lamps. The tables name each slot (_SUN, _EJ0); what happens in it is
 * told by an interrupt of the generic event device, whose method reads two
 * registers and notifies the slots named there; what the guest gives up it
 * writes into a third:
 *
 *	0  a bit a slot: a device is there   (read, then they are 0)
 *	4  a bit a slot: give the device up  (the same)
 *	8  a bit a slot: it is given up      (written)
 */
#ifndef VK_BOOT_X86_SLOTS_H
#define VK_BOOT_X86_SLOTS_H

#include "cmd/vk-boot/x86/ioapic.h"

#include "common/cursor.h"

#include <stdatomic.h>

/* The last places of the bus, so that all others come first. */
#define SLOTS      8
#define SLOT_FIRST 24

#define SLOTS_PORTS 12 /* at PORT_SLOTS */

struct slots {
	struct ioapic *ioapic;
	int given_fd; /* an eventfd: some were given up */
	atomic_uint added, wanted, given;
};

/* Writes the registers and the method that looks at them ("SLOT"), in the scope
 * of the system bus; and the slots, in that of the PCI bus. */
void slots_method(struct writer *);
void slots_devices(struct writer *);

/* A bus range's access. */
void slots_access(
    void *slots, uint64_t offset, uint8_t *data, unsigned len, bool write);

/* Nothing has been told, devices stay; the guest does not run. */
void slots_reset(struct slots *);

/* Tells the guest: a device is in the slot; it is wanted back. Any thread. */
void slots_added(struct slots *, unsigned slot);
void slots_wanted(struct slots *, unsigned slot);

/* Which were given up since the last time, a bit a slot. */
uint32_t slots_given(struct slots *);

#endif
