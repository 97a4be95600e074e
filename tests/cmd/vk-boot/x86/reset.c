/* SPDX-License-Identifier: MIT */
/* What a guest writes to reset itself, and what it does not. */
#include "cmd/vk-boot/x86/reset.h"

#include "tests/tap.h"

static unsigned pulls;

static void
pulled(void *owner)
{
	(void)owner;
	pulls++;
}

static struct reset reset = {.pulled = pulled};

/* How many of a byte's values pull at this offset. */
static unsigned
pulling(void (*access)(void *, uint64_t, uint8_t *, unsigned, bool),
    uint64_t offset)
{
	pulls = 0;
	for (unsigned value = 0; value < 256; value++) {
		uint8_t data = (uint8_t)value;

		access(&reset, offset, &data, 1, true);
	}
	return pulls;
}

int
main(void)
{
	uint8_t data[4] = {0xfe, 0xee, 0xee, 0xee};

	is_int(pulling(reset_keyboard_access, 4), 1,
	    "one command of the keyboard's controller");
	for (uint64_t offset = 0; offset < 4; offset++)
		is_int(pulling(reset_keyboard_access, offset), 0,
		    "data is no command");
	is_int(
	    pulling(reset_control_access, 0), 128, "one bit of the bridge's");

	pulls = 0;
	reset_keyboard_access(&reset, 4, data, 1, false);
	ok(data[0] == 0 && data[1] == 0xee, "nothing waits, ready for more");
	data[0] = 0xfe;
	reset_control_access(&reset, 0, data, 4, false);
	ok(data[0] == 0 && data[3] == 0, "however wide it is asked for");
	is_int(pulls, 0, "a read pulls nothing");
	return tap_done();
}
