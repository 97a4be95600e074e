/* SPDX-License-Identifier: MIT */
/*
 * A tap and a socket as ports beside each other: what large frames of the one,
 * with the header that it puts before them, become for the other. An input is
 * a byte that says what the socket has agreed to, then frames: to the tap as
 * they are, or (odd ones) from the socket. The tap is a pair of sockets that
 * give a frame a call as well.
 */
#include "common/hello.h"
#include "tests/fuzz/vk-switch/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static int
open_tap(void)
{
	int ends[2];
	struct port *p;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends) < 0)
		exit(1);
	p = port_open(&lan, ends[0], NULL);
	if (!p)
		exit(1);
	p->tap = p->greeted = true;
	p->in_headers = p->out_headers = true;
	p->features = OFFLOADS_ALL;
	return ends[1];
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool made;
	static uint8_t frame[32768];
	struct cursor c = cursor_of(data, size);
	uint8_t agreed = get_u8(&c);
	int tap, vm;
	size_t len;

	if (!made)
		wire_lan();
	made = true;
	lan.policies[0].count = 0; /* nothing is allowed */
	tap = open_tap();
	vm = wire_port();
	lan.ports[1].greeted = true;
	lan.ports[1].in_headers = lan.ports[1].out_headers = agreed & 0x80;
	lan.ports[1].features = agreed & OFFLOADS_ALL;
	for (bool from_tap = true; lan.ports[0].fd >= 0 && lan.ports[1].fd >= 0;
	     from_tap = !from_tap) {
		len = take_frame(&c, frame, sizeof(frame),
		    from_tap || lan.ports[1].in_headers ? VNET_LEN : 0);
		if (len == 0)
			break;
		if (!from_tap)
			wire_send(vm, frame, len);
		else if (write(tap, frame, len) < 0)
			break;
		lan_turn(&lan, 0);
		wire_drain(vm);
		wire_drain(tap);
	}
	port_close(&lan, &lan.ports[0], NULL);
	port_close(&lan, &lan.ports[1], NULL);
	close(tap);
	close(vm);
	lan.stop = false;
	return 0;
}
