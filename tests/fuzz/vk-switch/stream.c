/* SPDX-License-Identifier: MIT */
/*
 * The whole switch behind a port. An input is frames, each behind its length
 * (16 bits; the top bit: sums are made right) and goes through the socket.
 * Nothing leaves the process but DNS over TCP at the gateway, by a socketpair.
 */
#include "tests/fuzz/vk-switch/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool made;
	static uint8_t frame[4096];
	struct cursor c = cursor_of(data, size);
	size_t len;
	int vm;

	if (!made)
		wire_lan();
	made = true;
	lan.policies[0].count = 0; /* nothing is allowed */
	vm = wire_port();
	while (lan.ports[0].fd >= 0 &&
	       (len = take_frame(&c, frame, sizeof(frame), 0)) > 0) {
		wire_send(vm, frame, len);
		wire_drain(vm);
	}
	port_close(&lan, &lan.ports[0], NULL);
	close(vm);
	return 0;
}
