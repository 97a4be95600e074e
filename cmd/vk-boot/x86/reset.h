/* SPDX-License-Identifier: MIT */
/*
 * reset.h - the ports by which a PC resets itself
 *
 * The keyboard's controller (8042), of which there is nothing but its line to
 * the processor's reset pin, and the reset control of PCI bridges. ACPI has a
 * register of its own (acpi.h). Reads say that nothing is under way.
 */
#ifndef VK_BOOT_X86_RESET_H
#define VK_BOOT_X86_RESET_H

#include <stdbool.h>
#include <stdint.h>

#define RESET_KEYBOARD_PORTS 5
#define RESET_CONTROL_PORTS  1

struct reset {
	void (*pulled)(void *owner); /* in the thread of a vCPU */
	void *owner;
};

/* For bus.h; the first argument is a struct reset. */
void reset_keyboard_access(
    void *, uint64_t offset, uint8_t *data, unsigned len, bool write);
void reset_control_access(
    void *, uint64_t offset, uint8_t *data, unsigned len, bool write);

#endif
