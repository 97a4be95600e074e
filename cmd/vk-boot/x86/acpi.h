/* SPDX-License-Identifier: MIT */
/*
 * acpi.h - hardware-reduced ACPI: the tables, and what they point at
 * (ACPI 6.4, 4.1)
 *
 * What the guest learns here: its processors (MADT), PCI (MCFG, and the root
 * bridge's windows), a serial port, a power button, how to switch itself off
 * and how to reset. There is no PM timer, no PIC, no PIT, no CMOS.
 */
#ifndef VK_BOOT_X86_ACPI_H
#define VK_BOOT_X86_ACPI_H

#include "cmd/vk-boot/gmem.h"
#include "cmd/vk-boot/x86/ioapic.h"

#include <stdbool.h>

/* What the guest asked for through the registers. */
enum acpi_request {
	ACPI_POWER_OFF,
	ACPI_RESET,
};

struct acpi {
	struct ioapic *ioapic;
	void (*request)(void *owner, enum acpi_request);
	void *owner;
};

#define ACPI_PORTS 4 /* at PORT_ACPI */

/* Writes the tables for that many processors at ACPI_START; with slots, devices
 * can come and go (slots.h). 0, -1 with err. */
int acpi_tables(const struct gmem *, unsigned cpus, bool slots, struct err *);

/* A bus range's access, for the registers at PORT_ACPI. */
void acpi_access(
    void *acpi, uint64_t offset, uint8_t *data, unsigned len, bool write);

/* Presses the power button, from any thread. */
void acpi_power_button(struct acpi *);

#endif
