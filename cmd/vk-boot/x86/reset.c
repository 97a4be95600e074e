/* SPDX-License-Identifier: MIT */
/* reset.c - the ports by which a PC resets itself */
#include "cmd/vk-boot/x86/reset.h"

#include "cmd/vk-boot/bus.h"

/* The keyboard's controller: its command port, and the command that pulls the
 * line. */
#define KEYBOARD_COMMAND 4
#define KEYBOARD_RESET   0xfe

/* The bridge's control: bit 2 pulls. */
#define CONTROL_PULL 0x04

static void
access_port(const struct reset *reset, uint8_t *data, unsigned len, bool write,
    bool pulls)
{
	if (!write)
		bus_answer(data, len, 0);
	else if (pulls)
		reset->pulled(reset->owner);
}

void
reset_keyboard_access(
    void *reset, uint64_t offset, uint8_t *data, unsigned len, bool write)
{
	access_port(reset, data, len, write,
	    offset == KEYBOARD_COMMAND && data[0] == KEYBOARD_RESET);
}

void
reset_control_access(
    void *reset, uint64_t offset, uint8_t *data, unsigned len, bool write)
{
	(void)offset;
	access_port(reset, data, len, write, data[0] & CONTROL_PULL);
}
