/* SPDX-License-Identifier: MIT */
/* udp.c - datagrams of a VM leave as they are, whatever is sent as one */
#include "tests/cmd/vk-switch/wire.h"
#include "tests/tap.h"

#include <netinet/in.h>

#define COUNT 200

static int vm, far;
static struct addr vm4, loopback;
static uint16_t port;

static void
listen_on_loopback(void)
{
	struct sockaddr_in in = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);
	int room = 1 << 20; /* for all that one turn may send */

	far = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	setsockopt(far, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (bind(far, (struct sockaddr *)&in, sizeof(in)) < 0 ||
	    getsockname(far, (struct sockaddr *)&in, &len) < 0)
		exit(1);
	port = ntohs(in.sin_port);
}

/* Each is filled with its number. */
static size_t
put_frame(uint8_t *at, size_t size, unsigned number, size_t len)
{
	static uint8_t data[65536];
	struct header h = {
	    .to_mac = lan.config.gateway_mac, .from = vm4, .to = loopback};
	struct writer w = writer_of(at, 4);
	size_t n;

	memset(data, (int)number, len);
	n = wire_udp(at + 4, size - 4, h, 4000, port, data, len);
	put_be(&w, n, 4);
	return 4 + n;
}

/* All of these lengths in one write, and what comes out at the other end. */
static void
carries(const char *name, const size_t *lens, unsigned count)
{
	static uint8_t frames[256 * 1024], got[65536];
	size_t have = 0;
	unsigned arrived = 0, wrong = 0;

	for (unsigned i = 0; i < count; i++)
		have +=
		    put_frame(frames + have, sizeof(frames) - have, i, lens[i]);
	if (write(vm, frames, have) != (ssize_t)have)
		exit(1);
	for (int turn = 0; turn < 20; turn++) {
		ssize_t n;

		lan_turn(&lan, 0);
		while ((n = recv(far, got, sizeof(got), 0)) >= 0) {
			if (arrived >= count || (size_t)n != lens[arrived] ||
			    (n && (got[0] != (uint8_t)arrived ||
				      got[n - 1] != (uint8_t)arrived)))
				wrong++;
			arrived++;
		}
	}
	is_int(arrived, count, "%s: all arrive", name);
	is_int(wrong, 0, "%s: as they were, in order", name);
}

/* A frame of that VM with a datagram in which is this letter; did it come? */
static bool
comes(int from, const struct mac *mac, char letter)
{
	struct header h = {
	    .to_mac = lan.config.gateway_mac, .from = vm4, .to = loopback};
	uint8_t frame[128];
	size_t len = wire_udp(frame, sizeof(frame), h, 4000, port, &letter, 1);
	char got = 0;

	memcpy(frame + 6, mac->b, 6);
	wire_send(from, frame, len);
	lan_turn(&lan, 0);
	return recv(far, &got, 1, 0) == 1 && got == letter;
}

/* An address that its VM has left alone may be another's, for which other rules
 * may hold. */
static void
changes_hands(void)
{
	static const struct mac other_mac = {{2, 0, 0, 0, 0, 0x18}};
	static struct listener narrow = {.name = "narrow", .policy = 1};
	int other = wire_port();

	lan.policies[1].used = true;
	lan.ports[1].listener = &narrow;
	ok(comes(vm, &vm_mac, 'a'), "a flow of one VM");
	ok(!comes(other, &other_mac, 'b'), "another may not use its address");
	lan.stations[0].addrs[0].seen_ms =
	    lan.loop.now_ms - STATION_ADDR_IDLE_MS;
	ok(!comes(other, &other_mac, 'c'),
	    "when it may, it may not use the flow");
	is_int(lan.ports[0].flows, 0, "which is no more");
}

int
main(void)
{
	static size_t lens[COUNT];

	wire_lan();
	vm = wire_port();
	addr_parse("10.76.0.23", &vm4);
	addr_parse("127.0.0.1", &loopback);
	listen_on_loopback();
	for (unsigned i = 0; i < COUNT; i++)
		lens[i] = 100;
	carries("one", lens, 1);
	carries("of one length", lens, COUNT);
	for (unsigned i = 0; i < 100; i++)
		lens[i] = 1472;
	carries("more than one packet can hold", lens, 100);
	lens[9] = 10;
	lens[20] = 1473;
	lens[21] = 0;
	lens[22] = 0;
	lens[40] = 1;
	carries("of other lengths between", lens, 100);
	for (unsigned i = 0; i < 50; i++)
		lens[i] = 1 + i * 7 % 50;
	carries("of all lengths", lens, 50);
	changes_hands();
	lan_release(&lan);
	return tap_done();
}
