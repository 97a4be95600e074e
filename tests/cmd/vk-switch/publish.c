/* SPDX-License-Identifier: MIT */
/* publish.c - clients of published ports, as the VM sees them */
#include "cmd/vk-switch/publish.h"

#include "tests/cmd/vk-switch/wire.h"
#include "tests/tap.h"

#include <netinet/in.h>
#include <sys/syscall.h>

static int vm;
static struct addr vm4;
static struct sockaddr_in published = {.sin_family = AF_INET};

static bool
publish_once(int type, const char *to)
{
	socklen_t len = sizeof(published);
	int fd = socket(AF_INET, type, 0);
	struct err e = ERR_INIT;
	char text[64];

	/* A port that is free, or was a moment ago. */
	published.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	published.sin_port = 0;
	if (bind(fd, (struct sockaddr *)&published, len) < 0 ||
	    getsockname(fd, (struct sockaddr *)&published, &len) < 0)
		exit(1);
	close(fd);
	snprintf(text, sizeof(text), "%u:%s", ntohs(published.sin_port), to);
	if (publish_open_all(&lan, &e) == 0 && publish_add(&lan, text, &e) == 0)
		return true;
	printf("# %s\n", e.text);
	return false;
}

static void
publish(int type, const char *to)
{
	for (int tries = 0; !publish_once(type, to); tries++)
		if (tries == 10)
			exit(1);
}

static void
to_far(uint16_t port, const char *text)
{
	uint8_t frame[256];
	struct header h = {.to_mac = lan.config.gateway_mac,
	    .from = vm4,
	    .to = lan.config.gateway4};

	wire_send(vm, frame,
	    wire_udp(frame, sizeof(frame), h, 5000, port, text, strlen(text)));
}

static int
client(int type)
{
	int fd = socket(AF_INET, type | SOCK_NONBLOCK, 0);

	if (connect(fd, (struct sockaddr *)&published, sizeof(published)) < 0 &&
	    errno != EINPROGRESS)
		exit(1);
	return fd;
}

static void
say(int fd, const char *text)
{
	if (send(fd, text, strlen(text), 0) < 0)
		exit(1);
}

/* Who says something before the next socket is connected; -1: nobody. */
static int interrupts = -1;

/* In the place of the library's. */
int
connect(int fd, const struct sockaddr *to, socklen_t len)
{
	if (interrupts >= 0)
		say(interrupts, "me too");
	interrupts = -1;
	return (int)syscall(SYS_connect, fd, to, len);
}

/* The port that the next datagram comes from, if it is this; 0. */
static uint16_t
heard(const char *text)
{
	uint8_t frame[2048];
	ssize_t n = -1;

	for (int turn = 0; turn < 10 && n < 0; turn++)
		n = wire_take(vm, frame, sizeof(frame));
	if (n != (ssize_t)(ETH_LEN + 20 + 8 + strlen(text)) ||
	    memcmp(frame + ETH_LEN + 28, text, strlen(text)) != 0)
		return 0;
	return (uint16_t)(frame[ETH_LEN + 20] << 8 | frame[ETH_LEN + 21]);
}

static void
datagrams(void)
{
	char answer[16];
	uint16_t first, second;
	int one, two;

	publish(SOCK_DGRAM, "5000/udp");
	one = client(SOCK_DGRAM);
	two = client(SOCK_DGRAM);
	say(one, "a");
	say(one, "b");
	say(two, "c");
	say(one, "d");
	first = heard("a");
	ok(first != 0, "the VM gets a client's first datagram");
	is_int(heard("b"), first, "and what came with it, as the same's");
	second = heard("c");
	ok(second != 0 && second != first, "another client is another");
	is_int(heard("d"), first, "also between its datagrams");
	to_far(first, "answer");
	is_int(
	    recv(one, answer, sizeof(answer), 0), 6, "who asked is answered");
	is_int(recv(two, answer, sizeof(answer), 0), -1, "nobody else");
	say(one, "e");
	is_int(heard("e"), first, "and goes on");
	is_int(lan.flows.used, 2, "two flows");
	close(one);
	close(two);
}

static void
at_once(void)
{
	int one = client(SOCK_DGRAM), other = client(SOCK_DGRAM);
	uint16_t first, second;

	interrupts = other;
	say(one, "me");
	first = heard("me");
	second = heard("me too");
	ok(first != 0 && second != 0 && first != second,
	    "one that comes while another gets its socket");
	say(other, "again");
	is_int(heard("again"), second, "has its own");
	close(one);
	close(other);
}

/* As the first of a client's. */
static void
large(void)
{
	static char text[4000];
	uint8_t frame[2048];
	int fit = client(SOCK_DGRAM), larger = client(SOCK_DGRAM);
	unsigned count = 0;

	memset(text, 'x', 1472);
	say(fit, text);
	ok(heard(text) != 0, "a datagram that fills a frame");
	memset(text, 'x', sizeof(text) - 1);
	say(larger, text);
	for (int turn = 0; turn < 10; turn++)
		while (wire_take(vm, frame, sizeof(frame)) > 0)
			count++;
	is_int(count, 3, "one that takes three");
	close(fit);
	close(larger);
}

/* The next segment to the VM, within seconds: has it these flags? */
static bool
segment(uint8_t flags, struct tcp_segment *t)
{
	static uint8_t frame[2048];
	struct packet p = {.len = 0};
	ssize_t n = -1;

	for (int turn = 0; turn < 300 && n < 0; turn++) {
		n = wire_take(vm, frame, sizeof(frame));
		if (n < 0)
			lan_turn(&lan, 10);
	}
	return n > 0 && packet_ethernet(&p, frame, (size_t)n) == 0 &&
	       packet_ip(&p) == 0 && p.proto == PROTO_TCP &&
	       packet_tcp(&p, t) == 0 && t->flags == flags;
}

static void
answer(uint8_t flags, uint16_t port, uint32_t seq, uint32_t ack)
{
	uint8_t frame[128];
	struct tcp_made t = {.from = vm4,
	    .to = lan.config.gateway4,
	    .from_port = 5001,
	    .to_port = port,
	    .seq = seq,
	    .ack = ack,
	    .flags = flags,
	    .window = 1000};

	wire_send(vm, frame, wire_tcp(frame, sizeof(frame), &t));
}

/* The VM has a connection between the same ends, of which the host knows
 * nothing any more: it waits after its end, or is older than the switch. */
static void
meets_an_old_connection(void)
{
	struct tcp_segment t = {.flags = 0}, again = {.flags = 0};
	int fd;

	publish(SOCK_STREAM, "5001");
	fd = client(SOCK_STREAM);
	ok(segment(TCP_SYN, &t), "a client's SYN");
	answer(TCP_ACK, t.from, 777, t.seq - 1000);
	ok(segment(TCP_RST, &again) && again.seq == t.seq - 1000,
	    "an ACK of something else is denied: there is no such connection");
	ok(segment(TCP_SYN, &again) && again.seq == t.seq, "and asked again");
	answer(TCP_SYN | TCP_ACK, t.from, 778, t.seq + 1);
	ok(segment(TCP_ACK, &again) && again.ack == 779, "the VM accepts");
	say(fd, "hello");
	ok(segment(TCP_ACK | TCP_PSH, &again) && again.len == 5,
	    "and gets what the client says");
	close(fd);
}

int
main(void)
{
	wire_lan();
	vm = wire_port();
	addr_parse("10.76.0.23", &vm4);
	to_far(9, "here I am");
	wire_drain(vm);
	datagrams();
	at_once();
	large();
	meets_an_old_connection();
	lan_release(&lan);
	return tap_done();
}
