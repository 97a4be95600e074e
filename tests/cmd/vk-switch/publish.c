/* SPDX-License-Identifier: MIT */
/* publish.c - datagrams for a published port, as their clients sent them */
#include "cmd/vk-switch/publish.h"

#include "tests/cmd/vk-switch/wire.h"
#include "tests/tap.h"

#include <netinet/in.h>

static int vm;
static struct addr vm4;
static struct sockaddr_in published = {.sin_family = AF_INET};

static void
publish(void)
{
	socklen_t len = sizeof(published);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct err e = ERR_INIT;
	char text[64];

	/* A port that is free, or was a moment ago. */
	published.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&published, len) < 0 ||
	    getsockname(fd, (struct sockaddr *)&published, &len) < 0)
		exit(1);
	close(fd);
	snprintf(text, sizeof(text), "%u:5000/udp", ntohs(published.sin_port));
	if (publish_open_all(&lan, &e) < 0 || publish_add(&lan, text, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		exit(1);
	}
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
client(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	if (connect(fd, (struct sockaddr *)&published, sizeof(published)) < 0)
		exit(1);
	return fd;
}

static void
say(int fd, const char *text)
{
	if (send(fd, text, strlen(text), 0) < 0)
		exit(1);
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

int
main(void)
{
	char answer[16];
	uint16_t first, second;
	int one, two;

	wire_lan();
	vm = wire_port();
	addr_parse("10.76.0.23", &vm4);
	to_far(9, "here I am");
	wire_drain(vm);
	publish();
	one = client();
	two = client();
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
	lan_release(&lan);
	return tap_done();
}
