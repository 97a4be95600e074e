/* SPDX-License-Identifier: MIT */
/*
 * hostile.c - frames that no honest VM sends: every truncation, every byte
 * changed, and TCP against its rules. Worth most under the sanitizers.
 */
#include "tests/cmd/vk-switch/wire.h"
#include "tests/tap.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>

static struct addr vm4, vm6, local6;
static int vm;

struct sample {
	const char *name;
	uint8_t frame[2048];
	size_t len;
};
static struct sample samples[16];
static size_t sample_count;

static struct sample *
sample_new(const char *name)
{
	struct sample *s = &samples[sample_count++];

	s->name = name;
	return s;
}

static void
add_icmp(const char *name, const struct addr *from, const struct addr *to,
    const void *body, size_t len)
{
	struct sample *s = sample_new(name);
	struct writer w = writer_of(s->frame, sizeof(s->frame));
	struct header h = {.to_mac = lan.config.gateway_mac,
	    .from_mac = vm_mac,
	    .from = *from,
	    .to = *to,
	    .proto = addr_is4(to) ? PROTO_ICMP : PROTO_ICMP6,
	    .hop_limit = 255};
	uint8_t *icmp;
	uint64_t sum = 0;
	uint16_t field;

	put_header(&w, &h, len);
	icmp = w.at;
	put_bytes(&w, body, len);
	if (!addr_is4(to))
		sum = csum_pseudo(from, to, PROTO_ICMP6, len);
	field = csum_fold(csum_add(sum, icmp, len));
	memcpy(icmp + 2, &field, 2);
	s->len = writer_len(&w);
}

static void
add_arp(void)
{
	struct sample *s = sample_new("ARP");
	struct writer w = writer_of(s->frame, sizeof(s->frame));

	put_bytes(&w, all_macs.b, 6);
	put_bytes(&w, vm_mac.b, 6);
	put_be(&w, TYPE_ARP, 2);
	put_be(&w, 0x000108000604, 6);
	put_be(&w, 1, 2);
	put_bytes(&w, vm_mac.b, 6);
	put_bytes(&w, vm4.b + 12, 4);
	put_zeros(&w, 6);
	put_bytes(&w, lan.config.gateway4.b + 12, 4);
	s->len = writer_len(&w);
}

static void
add_dhcp(void)
{
	struct sample *s = sample_new("DHCP");
	uint8_t message[300];
	struct writer w = writer_of(message, sizeof(message));
	struct header h = {.to_mac = all_macs};

	addr_parse("0.0.0.0", &h.from);
	addr_parse("255.255.255.255", &h.to);
	put_be(&w, 0x01010600, 4);
	put_be(&w, 0x1234, 4);
	put_zeros(&w, 20);
	put_bytes(&w, vm_mac.b, 6);
	put_zeros(&w, 10 + 192);
	put_be(&w, 0x63825363, 4);
	put_be(&w, 0x350101, 3);
	put_be(&w, 0x0c04, 2);
	put_bytes(&w, "host", 4);
	put_be(&w, 0x37047977ff, 5);
	put_be(&w, 0xff, 1);
	put_zeros(&w, w.left);
	s->len = wire_udp(
	    s->frame, sizeof(s->frame), h, 68, 67, message, sizeof(message));
}

static void
add_dns(const char *name, const void *message, size_t len)
{
	struct sample *s = sample_new(name);
	struct header h = {.to_mac = lan.config.gateway_mac,
	    .from = vm4,
	    .to = lan.config.gateway4};

	s->len =
	    wire_udp(s->frame, sizeof(s->frame), h, 4000, 53, message, len);
}

static void
add_fragment(void)
{
	struct sample *s = sample_new("fragment");
	struct writer w = writer_of(s->frame, sizeof(s->frame));
	struct header h = {.to_mac = lan.config.gateway_mac,
	    .from_mac = vm_mac,
	    .from = vm4,
	    .to = lan.config.gateway4,
	    .proto = PROTO_UDP,
	    .id = 7,
	    .may_fragment = true,
	    .fragment = 0x2000};

	put_header(&w, &h, 64);
	put_be(&w, 0x0fa0003500500000, 8);
	put_zeros(&w, 56);
	s->len = writer_len(&w);
}

static void
add_tcp(const char *name, const struct addr *to, uint16_t port, uint8_t flags)
{
	struct sample *s = sample_new(name);
	struct tcp_made t = {.from = addr_is4(to) ? vm4 : vm6,
	    .to = *to,
	    .from_port = 4000,
	    .to_port = port,
	    .seq = 1,
	    .flags = flags,
	    .window = 1000};

	s->len = wire_tcp(s->frame, sizeof(s->frame), &t);
}

static void
make_samples(void)
{
	static const uint8_t query[] = "\0\1\1\0\0\1\0\0\0\0\0\1\3www\7example"
				       "\0\0\1\0\1\0\0\51\4\320\0\0\0\0\0";
	static const uint8_t loop[] = "\0\1\1\0\0\1\0\0\0\0\0\0\300\14\0\1\0\1";
	uint8_t echo[64] = {8}, echo6[64] = {128}, solicit[24] = {135},
		router[8] = {133}, advert[24] = {136};

	add_arp();
	add_dhcp();
	add_dns("DNS", query, sizeof(query) - 1);
	add_dns("DNS loop", loop, sizeof(loop) - 1);
	add_icmp("echo", &vm4, &lan.config.gateway4, echo, sizeof(echo));
	add_icmp("echo6", &vm6, &lan.config.gateway6, echo6, sizeof(echo6));
	memcpy(solicit + 8, lan.config.gateway6.b, 16);
	add_icmp("neighbour", &local6, &lan.config.gateway6, solicit,
	    sizeof(solicit));
	add_icmp("router", &local6, &lan.config.gateway_local, router,
	    sizeof(router));
	memcpy(advert + 8, lan.config.gateway6.b, 16);
	add_icmp("forged advertisement", &local6, &lan.config.gateway_local,
	    advert, sizeof(advert));
	add_fragment();
	add_tcp("SYN", &lan.config.gateway4, 53, TCP_SYN);
	add_tcp("SYN6", &lan.config.gateway6, 53, TCP_SYN);
	add_tcp("ACK", &lan.config.gateway4, 99, TCP_ACK);
}

/* Frames of lengths that cannot be end the port: a new one then. */
static void
send_any(const uint8_t *frame, size_t len)
{
	if (len < ETH_LEN)
		return;
	wire_send(vm, frame, len);
	wire_drain(vm);
	if (lan.ports[0].fd < 0) {
		close(vm);
		vm = wire_port();
	}
}

static void
mutilate(const struct sample *s)
{
	uint8_t frame[2048];
	static const uint8_t changes[] = {0x01, 0x80, 0xff};

	for (size_t len = 0; len <= s->len; len++)
		send_any(s->frame, len);
	for (size_t at = 0; at < s->len; at++)
		for (size_t i = 0; i < sizeof(changes); i++) {
			memcpy(frame, s->frame, s->len);
			frame[at] ^= changes[i];
			send_any(frame, s->len);
		}
	ok(lan.ports[0].fd >= 0, "%s: cut anywhere, any byte changed", s->name);
}

/* ---- fragments ---------------------------------------------------------- */

struct piece {
	uint16_t at, len;
	bool more;
};

/* An echo request to the gateway in pieces; is it answered? */
static bool
echo_in_pieces(const struct piece *pieces, size_t count)
{
	static uint32_t id = 100;
	uint8_t echo[128] = {8, 0}, frame[256], got[2048];
	uint16_t field;
	bool answered = false;

	for (size_t i = 8; i < sizeof(echo); i++)
		echo[i] = (uint8_t)i;
	field = csum_fold(csum_add(0, echo, sizeof(echo)));
	memcpy(echo + 2, &field, 2);
	wire_drain(vm);
	id++;
	for (size_t i = 0; i < count; i++) {
		struct writer w = writer_of(frame, sizeof(frame));
		struct header h = {.to_mac = lan.config.gateway_mac,
		    .from_mac = vm_mac,
		    .from = vm4,
		    .to = lan.config.gateway4,
		    .proto = PROTO_ICMP,
		    .id = (uint16_t)id,
		    .may_fragment = true,
		    .fragment = (uint16_t)(pieces[i].at / 8 |
					   (pieces[i].more ? 0x2000 : 0))};

		put_header(&w, &h, pieces[i].len);
		put_bytes(&w, echo + pieces[i].at, pieces[i].len);
		wire_send(vm, frame, writer_len(&w));
	}
	for (ssize_t n; (n = wire_take(vm, got, sizeof(got))) >= 0;)
		answered |= n == ETH_LEN + 20 + (ssize_t)sizeof(echo) &&
			    got[ETH_LEN + 20] == 0;
	return answered;
}

static void
fragments(void)
{
	static const struct piece whole[] = {{0, 64, true}, {64, 64, false}},
				  backwards[] = {{64, 64, false},
				      {0, 64, true}},
				  overlap[] = {{0, 72, true}, {64, 64, false}},
				  twice[] = {{0, 64, true}, {0, 64, true},
				      {64, 64, false}},
				  inside[] = {{0, 64, true}, {8, 16, true},
				      {64, 64, false}},
				  gap[] = {{0, 56, true}, {64, 64, false}},
				  ends[] = {{0, 64, true}, {64, 56, false},
				      {64, 64, false}},
				  odd[] = {{0, 60, true}, {64, 64, false}};
	struct piece none = {0, 8, true};

#define PIECES(p) p, sizeof(p) / sizeof(p[0])
	ok(echo_in_pieces(PIECES(whole)), "two fragments are one packet");
	ok(echo_in_pieces(PIECES(backwards)), "in any order");
	ok(!echo_in_pieces(PIECES(overlap)), "but not if they overlap");
	ok(!echo_in_pieces(PIECES(inside)), "nor one inside of another");
	ok(!echo_in_pieces(PIECES(gap)), "nor with a gap");
	ok(!echo_in_pieces(PIECES(ends)), "nor with two ends");
	ok(!echo_in_pieces(PIECES(odd)), "nor cut at no multiple of 8");
	/* RFC 5722 lets an exact copy be taken or not: it must not harm. */
	echo_in_pieces(PIECES(twice));
	for (int i = 0; i < 1000; i++)
		echo_in_pieces(&none, 1);
	ok(echo_in_pieces(PIECES(whole)),
	    "a thousand that never end are in nobody's way");
}

/* ---- TCP ---------------------------------------------------------------- */

static struct tcp_made ours;
static int listener, peer;

static int
listen_on_loopback(uint16_t *port)
{
	struct sockaddr_in in = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	bind(fd, (struct sockaddr *)&in, sizeof(in));
	listen(fd, 128);
	getsockname(fd, (struct sockaddr *)&in, &len);
	*port = ntohs(in.sin_port);
	return fd;
}

/* ---- options ------------------------------------------------------------ */

/* An echo to the gateway with IPv4 options and good sums; was it answered? */
static bool
echo_with_options(const void *options, size_t len)
{
	uint8_t frame[256], got[2048], echo[16] = {8};
	struct header h = {.to_mac = lan.config.gateway_mac,
	    .from_mac = vm_mac,
	    .from = vm4,
	    .to = lan.config.gateway4,
	    .proto = PROTO_ICMP};
	struct writer w = writer_of(frame, sizeof(frame));
	uint8_t *ip = frame + ETH_LEN;
	bool answered = false;
	uint16_t sum = csum_fold(csum_add(0, echo, sizeof(echo)));

	memcpy(echo + 2, &sum, 2);
	put_header(&w, &h, len + sizeof(echo));
	put_bytes(&w, options, len);
	put_bytes(&w, echo, sizeof(echo));
	ip[0] = (uint8_t)(0x40 | (20 + len) / 4);
	memset(ip + 10, 0, 2);
	sum = csum_fold(csum_add(0, ip, 20 + len));
	memcpy(ip + 10, &sum, 2);
	wire_drain(vm);
	wire_send(vm, frame, writer_len(&w));
	for (ssize_t n; (n = wire_take(vm, got, sizeof(got))) >= 0;)
		answered |= n > ETH_LEN + 20 && got[ETH_LEN + 9] == 1 &&
			    got[ETH_LEN + 20] == 0;
	return answered;
}

static void
ip_options(void)
{
	uint8_t all[40];

	ok(echo_with_options("\1\1\1\0", 4), "IPv4: no operation, end");
	ok(echo_with_options("\7\7\4\0\0\0\0\0", 8), "record route");
	ok(echo_with_options("\224\4\0\0", 4), "router alert");
	/* Lengths that lie: options are for others, and nobody reads them. */
	echo_with_options("\7\0\4\0", 4);
	echo_with_options("\7\1\4\0", 4);
	echo_with_options("\7\377\4\0", 4);
	for (int kind = 0; kind < 256; kind++) {
		memset(all, kind, sizeof(all));
		echo_with_options(all, sizeof(all));
	}
	ok(lan.ports[0].fd >= 0, "options of all kinds, with lengths that lie");
}

/* A SYN with these options and a good sum; the size of our segments to it. */
static int
mss_after(const void *options, size_t len, uint8_t words)
{
	uint8_t frame[256];
	struct tcp_made t = {.from = vm4,
	    .to = lan.config.gateway4,
	    .from_port = 4001,
	    .to_port = 53,
	    .flags = TCP_SYN,
	    .data = options,
	    .len = len};
	size_t size = wire_tcp(frame, sizeof(frame), &t);
	uint8_t *tcp = frame + ETH_LEN + 20;
	struct packet p = {.len = 0};
	struct tcp_segment s;
	uint16_t sum;

	tcp[12] = (uint8_t)(words << 4);
	memset(tcp + 16, 0, 2);
	sum = csum_fold(csum_add(
	    csum_pseudo(&t.from, &t.to, PROTO_TCP, 20 + len), tcp, 20 + len));
	memcpy(tcp + 16, &sum, 2);
	send_any(frame, size);
	if (packet_ethernet(&p, frame, size) < 0 || packet_ip(&p) < 0 ||
	    packet_tcp(&p, &s) < 0)
		return -1;
	return s.mss;
}

static void
tcp_options(void)
{
	uint8_t all[40];

	is_int(mss_after("\2\4\4\0", 4, 6), 1024, "TCP: a segment size");
	is_int(mss_after("\375\4ab\2\4\4\0", 8, 7), 1024,
	    "behind an option that nobody knows");
	is_int(mss_after("\0\0\0\0\2\4\4\0", 8, 7), 0, "not behind the end");
	is_int(mss_after("\375\0ab\2\4\4\0", 8, 7), 0, "nor a length of 0");
	is_int(mss_after("\375\1ab\2\4\4\0", 8, 7), 0, "or 1");
	is_int(mss_after("\375\377\2\4\4\0", 6, 6), 0, "or more than is there");
	is_int(mss_after("\2\3\4\0", 4, 6), 0, "one of another length is none");
	is_int(mss_after("\2\4\4", 3, 6), -1, "options past the packet's end");
	is_int(mss_after("", 0, 4), -1, "a header shorter than one");
	for (int kind = 0; kind < 256; kind++)
		for (int len = 0; len < 256; len += 3) {
			memset(all, kind, sizeof(all));
			all[1] = (uint8_t)len;
			mss_after(all, sizeof(all), 15);
		}
	ok(lan.ports[0].fd >= 0, "options of all kinds and lengths");
}

/* How long is waited for what is not to come, and for what is. */
enum { NEVER_TURNS = 20, SOON_TURNS = 2000, TURN_MS = 5 };

/* Sends and gives the flags of the answer; -1: none. Takes its numbers. */
static int
say_for(int turns, uint8_t flags, const void *data, size_t len)
{
	uint8_t frame[2048], got[65536];
	struct packet p = {.len = 0};
	struct tcp_segment t;
	ssize_t n;

	ours.flags = flags;
	ours.data = data;
	ours.len = len;
	wire_drain(vm);
	wire_send(vm, frame, wire_tcp(frame, sizeof(frame), &ours));
	for (int quiet = 0; quiet < turns;) {
		lan_turn(&lan, TURN_MS);
		n = wire_take(vm, got, sizeof(got));
		if (n < 0) {
			quiet++;
			continue;
		}
		packet_ethernet(&p, got, (size_t)n);
		if (packet_ip(&p) < 0 || packet_tcp(&p, &t) < 0)
			return -2;
		if (t.to != ours.from_port)
			continue; /* a flow of before is told something */
		if (t.flags & TCP_SYN)
			ours.ack = t.seq + 1;
		return t.flags;
	}
	return -1;
}

/* What may be answered, or not. */
static int
say(uint8_t flags, const void *data, size_t len)
{
	return say_for(NEVER_TURNS, flags, data, len);
}

/* What has an answer. */
static int
ask(uint8_t flags, const void *data, size_t len)
{
	return say_for(SOON_TURNS, flags, data, len);
}

static void
tcp_opens(uint16_t port)
{
	ours = (struct tcp_made){.from = vm4,
	    .from_port = ours.from_port + 1,
	    .to_port = port,
	    .seq = 1000,
	    .window = 60000};
	if (ours.from_port < 5000)
		ours.from_port = 5000;
	addr_parse("127.0.0.1", &ours.to);
	is_int(ask(TCP_SYN, NULL, 0), TCP_SYN | TCP_ACK, "SYN is answered");
	ours.seq++;
	say(TCP_ACK, NULL, 0);
	peer = accept(listener, NULL, NULL);
	ok(peer >= 0, "the connection stands");
}

static size_t
peer_has(char *into, size_t size, int turns)
{
	struct pollfd p = {.fd = peer, .events = POLLIN};
	ssize_t n;

	poll(&p, 1, turns * TURN_MS);
	n = recv(peer, into, size, MSG_DONTWAIT);
	return n > 0 ? (size_t)n : 0;
}

/* Data that comes to the VM, which acknowledges none of it. */
static size_t
vm_gets(size_t want, int turns)
{
	uint8_t got[65536];
	size_t have = 0;

	for (int quiet = 0; quiet < turns && have < want;) {
		struct packet p = {.len = 0};
		struct tcp_segment t;
		ssize_t n;

		lan_turn(&lan, TURN_MS);
		n = wire_take(vm, got, sizeof(got));
		if (n < 0)
			quiet++;
		else if (packet_ethernet(&p, got, (size_t)n) == 0 &&
			 packet_ip(&p) == 0 && packet_tcp(&p, &t) == 0)
			have += t.len;
	}
	return have;
}

static void
tcp_rules(uint16_t port)
{
	char got[64];

	tcp_opens(port);
	say(TCP_ACK, "hello", 5);
	is_int(peer_has(got, sizeof(got), SOON_TURNS), 5, "data arrives");
	ours.seq += 3;
	say(TCP_ACK, "loWORLD", 7);
	is_int(peer_has(got, sizeof(got), SOON_TURNS), 5,
	    "of an overlap only what is new");
	ok(memcmp(got, "WORLD", 5) == 0, "and in its place");
	ours.seq += 100;
	is_int(ask(TCP_ACK, "later", 5), TCP_ACK, "a gap is answered at once");
	is_int(peer_has(got, sizeof(got), NEVER_TURNS), 0, "and waits");
	is_int(ask(TCP_RST, NULL, 0), TCP_ACK,
	    "RST elsewhere in the window is challenged (RFC 5961)");
	is_int(ask(TCP_SYN, NULL, 0), TCP_ACK, "SYN too");
	ours.seq -= 100 - 7;
	ours.urgent = 0xffff;
	say(TCP_ACK | 0x20, "urgent", 6);
	is_int(peer_has(got, sizeof(got), SOON_TURNS), 6,
	    "urgent data is in line");
	ours.urgent = 0;
	ours.seq += 6;
	ours.ack += 1 << 30;
	is_int(ask(TCP_ACK, NULL, 0), TCP_ACK,
	    "an ACK of what was not sent is answered");
	ours.ack -= 1 << 30;
	ours.seq--;
	is_int(ask(TCP_ACK, "t", 1), TCP_ACK, "a keepalive is answered");
	ours.seq++;
	ours.window = 0;
	say(TCP_ACK, NULL, 0);
	ok(write(peer, "to the VM", 9) == 9, "data for a window of 0");
	wire_drain(vm);
	is_int(vm_gets(1, NEVER_TURNS), 0, "stays here");
	ours.window = 60000;
	is_int(ask(TCP_ACK, NULL, 0), TCP_ACK | TCP_PSH,
	    "and comes when it opens");
	ours.ack += 9;
	is_int(ask(TCP_FIN | TCP_ACK, NULL, 0), TCP_ACK, "FIN is acknowledged");
	is_int(recv(peer, got, sizeof(got), 0), 0, "and is an end there");
	ours.seq++;
	ok(write(peer, "half", 4) == 4, "the other half goes on");
	is_int(ask(TCP_ACK, NULL, 0) & TCP_PSH, TCP_PSH, "and arrives");
	ours.ack += 4;
	is_int(say(TCP_RST, NULL, 0), -1, "RST at the right place ends it");
	is_int(ask(TCP_ACK, "x", 1), TCP_RST, "and nothing is left");
	close(peer);
}

/* A read of the host's socket stops at the urgent mark: what is behind it must
 * come all the same. */
static void
urgent_comes(uint16_t port)
{
	tcp_opens(port);
	wire_drain(vm);
	ok(write(peer, "before", 6) == 6 && send(peer, "!", 1, MSG_OOB) == 1 &&
		write(peer, "behind", 6) == 6,
	    "the far end has urgent data");
	is_int(vm_gets(13, SOON_TURNS), 13, "and all of it comes");
	ours.ack += 13;
	say(TCP_RST, NULL, 0);
	close(peer);
}

/* A VM whose connections are refused is not read for a moment; what it sends
 * waits, and then goes its way. */
static void
pauses(uint16_t port)
{
	uint8_t frame[128];
	struct tcp_made t = {.from = vm4, .flags = TCP_SYN, .to_port = port};
	uint64_t refused = lan.flows.refused, frames;
	unsigned sent = 0, turns = 0;

	addr_parse("127.0.0.1", &t.to);
	while (!lan.paused_ports && sent++ < 4 * HALF_OPEN_MAX) {
		t.from_port = (uint16_t)(10000 + sent);
		wire_send(vm, frame, wire_tcp(frame, sizeof(frame), &t));
	}
	ok(lan.paused_ports == 1, "a flood makes a pause");
	ok(lan.flows.refused > refused &&
		lan.flows.refused - refused <= REFUSALS_MAX,
	    "after few");
	frames = lan.ports[0].count.in_frames;
	t.from_port++;
	wire_send(vm, frame, wire_tcp(frame, sizeof(frame), &t));
	ok(lan.ports[0].count.in_frames == frames || !lan.paused_ports,
	    "in which nothing is read");
	while (lan.paused_ports && turns++ < 100)
		lan_turn(&lan, 1);
	lan_turn(&lan, 0);
	is_int(lan.paused_ports, 0, "and which ends by itself");
	is_int(lan.ports[0].count.in_frames, frames + 1,
	    "what was sent meanwhile goes its way");
	wire_drain(vm);
}

/* More half-open connections than are allowed, and one who wants to work. */
static void
syn_flood(uint16_t port)
{
	uint8_t frame[128];
	struct tcp_made t = {.from = vm4, .flags = TCP_SYN, .to_port = port};
	uint32_t most = 0;

	addr_parse("127.0.0.1", &t.to);
	for (uint32_t i = 0; i < 4000; i++) {
		t.from_port = (uint16_t)(10000 + i % 50000);
		wire_send(vm, frame, wire_tcp(frame, sizeof(frame), &t));
		if (i % 64 == 0)
			wire_drain(vm);
		if (lan.flows.used > most)
			most = lan.flows.used;
		for (int fd; (fd = accept(listener, NULL, NULL)) >= 0;)
			close(fd);
	}
	for (int fd; (fd = accept(listener, NULL, NULL)) >= 0;)
		close(fd);
	ok(most <= HALF_OPEN_MAX + 16, "half-open connections are bounded (%u)",
	    most);
	wire_drain(vm);
	ok(lan.flows.refused > 0, "the flood has to wait");
	do
		lan_turn(&lan, HALF_OPEN_EVERY_MS);
	while (lan.paused_ports || lan.loop.now_ms - lan.ports[0].exchanged_ms <
				       HALF_OPEN_EVERY_MS);
	tcp_opens(port);
	close(peer);
}

int
main(void)
{
	uint16_t port;
	struct rusage before, after;

	wire_lan();
	vm = wire_port();
	addr_parse("10.76.0.23", &vm4);
	vm6 = addr_eui64(&lan.config.net6.base, &vm_mac);
	addr_parse("fe80::17", &local6);
	listener = listen_on_loopback(&port);
	make_samples();
	for (size_t i = 0; i < sample_count; i++)
		mutilate(&samples[i]);
	fragments();
	ip_options();
	tcp_options();
	tcp_rules(port);
	tcp_rules(port);
	urgent_comes(port);
	getrusage(RUSAGE_SELF, &before);
	for (size_t i = 0; i < sample_count; i++)
		mutilate(&samples[i]);
	getrusage(RUSAGE_SELF, &after);
	ok(after.ru_maxrss - before.ru_maxrss < 1024, "memory stays");
	syn_flood(port);
	pauses(port);
	lan_release(&lan);
	return tap_done();
}
