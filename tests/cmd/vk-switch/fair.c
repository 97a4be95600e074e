/* SPDX-License-Identifier: MIT */
/* fair.c - downloads of one VM, each of which could fill its port alone */
#include "tests/cmd/vk-switch/wire.h"
#include "tests/tap.h"

#include <netinet/in.h>

#define FLOWS 4
/* What the VM reads at once. */
#define PIECE (64 << 10)
/* As large as the kernel lets them be where nobody has set anything. */
#define SOCKET_BUFFER (208 << 10)

struct download {
	int far;
	uint16_t port;
	uint32_t seq; /* next expected */
	bool news;
	uint64_t bytes;
};

static const int buffer = SOCKET_BUFFER, received = 4 << 20;
static int vm, listener;
static struct addr vm4, loopback;
static uint16_t far_port;
static struct download downloads[FLOWS];

static void
listen_on_loopback(void)
{
	struct sockaddr_in in = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);

	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&in, sizeof(in)) < 0 ||
	    listen(listener, FLOWS) < 0 ||
	    getsockname(listener, (struct sockaddr *)&in, &len) < 0)
		exit(1);
	far_port = ntohs(in.sin_port);
}

static void
say(const struct download *d, uint8_t flags, uint32_t seq)
{
	uint8_t frame[128];
	struct tcp_made t = {.from = vm4,
	    .to = loopback,
	    .from_port = d->port,
	    .to_port = far_port,
	    .seq = seq,
	    .ack = d->seq,
	    .flags = flags,
	    .window = 65535};

	wire_send(vm, frame, wire_tcp(frame, sizeof(frame), &t));
}

static void
take(const uint8_t *frame, size_t len)
{
	struct packet p = {.len = 0};
	struct tcp_segment t;

	if (packet_ethernet(&p, frame, len) < 0 || p.type != TYPE_IP4 ||
	    packet_ip(&p) < 0 || packet_tcp(&p, &t) < 0)
		return;
	for (int i = 0; i < FLOWS; i++) {
		struct download *d = &downloads[i];

		if (t.to != d->port)
			continue;
		if (t.flags & TCP_SYN)
			d->seq = t.seq + 1;
		else if (t.seq == d->seq) {
			d->seq += (uint32_t)t.len;
			d->bytes += t.len;
		}
		d->news = true;
	}
}

/* Reads a piece, and acknowledges what is in it. */
static void
hear(void)
{
	static uint8_t in[PIECE + 65536 + 64];
	static size_t have;
	ssize_t n = recv(vm, in + have, PIECE, MSG_DONTWAIT);
	struct cursor c;

	have += n > 0 ? (size_t)n : 0;
	c = cursor_of(in, have);
	for (;;) {
		struct cursor whole = c;
		size_t len = get_be32(&whole);
		const uint8_t *frame = get_bytes(&whole, len);

		if (!frame)
			break;
		take(frame, len);
		c = whole;
	}
	memmove(in, c.at, c.left);
	have = c.left;
	for (int i = 0; i < FLOWS; i++)
		if (downloads[i].news) {
			downloads[i].news = false;
			say(&downloads[i], TCP_ACK, 1);
		}
}

/* With a window that nothing fills: 8 MiB. */
static void
start(struct download *d, uint16_t port)
{
	struct flow_key k = {.proto = PROTO_TCP,
	    .vm = vm4,
	    .far = loopback,
	    .vm_port = port,
	    .far_port = far_port};
	struct flow *f;

	d->port = port;
	say(d, TCP_SYN, 0);
	d->far = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	f = flow_find(&lan, &k);
	f->tcp.scale = 7;
	setsockopt(f->fd, SOL_SOCKET, SO_RCVBUF, &received, sizeof(received));
	while (!d->seq) {
		lan_turn(&lan, 1);
		hear();
	}
}

int
main(void)
{
	static const uint8_t data[1 << 20];
	uint64_t least = UINT64_MAX, most = 0;

	wire_lan();
	vm = wire_port();
	setsockopt(
	    lan.ports[0].fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	addr_parse("10.76.0.23", &vm4);
	addr_parse("127.0.0.1", &loopback);
	listen_on_loopback();
	for (uint16_t i = 0; i < FLOWS; i++)
		start(&downloads[i], (uint16_t)(4000 + i));
	for (int turn = 0; turn < 3000; turn++) {
		for (int i = 0; i < FLOWS; i++)
			while (send(downloads[i].far, data, sizeof(data),
				   MSG_NOSIGNAL) > 0)
				;
		lan_turn(&lan, 0);
		hear();
	}
	for (int i = 0; i < FLOWS; i++) {
		uint64_t bytes = downloads[i].bytes;

		least = bytes < least ? bytes : least;
		most = bytes > most ? bytes : most;
	}
	ok(least > most / 2,
	    "each has its share of the port (%llu to %llu KiB)",
	    (unsigned long long)least >> 10, (unsigned long long)most >> 10);
	lan_release(&lan);
	return tap_done();
}
