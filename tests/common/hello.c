/* SPDX-License-Identifier: MIT */
/* hello.c - the frame of the agreement, byte for byte, and what is none */
#include "common/hello.h"

#include "tests/tap.h"

int
main(void)
{
	static const uint8_t from[6] = {2, 0, 0, 0, 0, 9};
	static const uint8_t want[HELLO_LEN] = {0x01, 0x80, 0xc2, 0, 0, 0x0e, 2,
	    0, 0, 0, 0, 9, 0x88, 0xb5, 'v', 'k', 's', 'w', 1, 3, 0, 0, 0, 0, 0,
	    0x2a};
	uint8_t frame[HELLO_LEN + 1] = {0};
	struct writer w = writer_of(frame, sizeof(frame));
	uint32_t offloads;

	hello_put(&w, HELLO_CONFIRM, from, 0x2a);
	ok(writer_len(&w) == HELLO_LEN && memcmp(frame, want, HELLO_LEN) == 0,
	    "as vk-switch(5) has it");
	is_int(hello_parse(frame, HELLO_LEN, &offloads), HELLO_CONFIRM, "read");
	is_int(offloads, 0x2a, "its offloads");
	for (size_t len = 0; len < HELLO_LEN; len++)
		if (hello_parse(frame, len, &offloads) != -1)
			ok(false, "cut at %zu", len);
	is_int(hello_parse(frame, HELLO_LEN + 1, &offloads), -1, "too long");
	for (size_t at = 0; at < 20; at++) {
		int kind, expect = at >= 6 && at < 12 ? HELLO_CONFIRM
				   : at >= 18         ? HELLO_OTHER
						      : -1;

		frame[at] ^= 0x40;
		kind = hello_parse(frame, HELLO_LEN, &offloads);
		frame[at] ^= 0x40;
		is_int(kind, expect, "byte %zu is another", at);
	}
	return tap_done();
}
