/* SPDX-License-Identifier: MIT */
/*
 * wire.h - a switch within a test: a VM's end of a port, and frames for it
 *
 * Nothing leaves the machine: the policy denies all but 127.0.0.1, which is
 * open for the tests' own listeners, by a rule that no text could say.
 */
#ifndef VK_TESTS_SWITCH_WIRE_H
#define VK_TESTS_SWITCH_WIRE_H

#include "cmd/vk-switch/csum.h"
#include "cmd/vk-switch/lan.h"
#include "cmd/vk-switch/resolver.h"
#include "common/io.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct lan lan;
static const struct mac vm_mac = {{2, 0, 0, 0, 0, 0x17}};
static const struct mac all_macs = {{255, 255, 255, 255, 255, 255}};

__attribute__((unused)) static void
wire_lan(void)
{
	struct err e = ERR_INIT;
	struct policy *p = &lan.policies[0];

	lan_defaults(&lan);
	p->allow_rest = false;
	p->rules[p->count].allow = true;
	if (cidr_parse("127.0.0.1", &p->rules[p->count++].net) < 0 ||
	    lan_init(&lan, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		exit(1);
	}
}

/* A port; its other end is returned. */
__attribute__((unused)) static int
wire_port(void)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) < 0 ||
	    !port_open(&lan, ends[0], NULL))
		exit(1);
	return ends[1];
}

/* All of it; a switch that does not read for a moment gets that moment. */
__attribute__((unused)) static void
wire_write(int fd, const uint8_t *at, size_t len)
{
	for (int waits = 0; len > 0;) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && (errno != EAGAIN || waits++ == 1000))
			exit(1);
		if (n < 0) {
			lan_turn(&lan, 1);
			continue;
		}
		at += n;
		len -= (size_t)n;
	}
}

__attribute__((unused)) static void
wire_send(int fd, const void *frame, size_t len)
{
	uint8_t prefix[4];
	struct writer w = writer_of(prefix, 4);

	put_be(&w, len, 4);
	wire_write(fd, prefix, 4);
	wire_write(fd, frame, len);
	lan_turn(&lan, 0);
}

/* The next frame to the VM; -1: none. */
__attribute__((unused)) static ssize_t
wire_take(int fd, uint8_t *frame, size_t size)
{
	uint8_t prefix[4];
	struct cursor c = cursor_of(prefix, 4);
	size_t len;

	lan_turn(&lan, 0);
	if (recv(fd, prefix, 4, MSG_DONTWAIT) != 4)
		return -1;
	len = get_be32(&c);
	if (len > size || io_read(fd, frame, len) != (ssize_t)len)
		exit(1);
	return (ssize_t)len;
}

__attribute__((unused)) static void
wire_drain(int fd)
{
	char buffer[65536];

	lan_turn(&lan, 0);
	while (recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) > 0)
		;
}

struct tcp_made {
	struct addr from, to;
	uint16_t from_port, to_port;
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t window, urgent;
	const void *data;
	size_t len;
};

/* A TCP segment as a frame; returns its length. */
__attribute__((unused)) static size_t
wire_tcp(uint8_t *frame, size_t size, const struct tcp_made *t)
{
	struct writer w = writer_of(frame, size);
	struct header h = {.to_mac = lan.config.gateway_mac,
	    .from_mac = vm_mac,
	    .from = t->from,
	    .to = t->to,
	    .proto = PROTO_TCP};
	size_t len = 20 + t->len;
	uint8_t *tcp;
	uint16_t sum;

	put_header(&w, &h, len);
	tcp = w.at;
	put_be(&w, t->from_port, 2);
	put_be(&w, t->to_port, 2);
	put_be(&w, t->seq, 4);
	put_be(&w, t->ack, 4);
	put_be(&w, 0x50, 1);
	put_be(&w, t->flags, 1);
	put_be(&w, t->window, 2);
	put_be(&w, 0, 2);
	put_be(&w, t->urgent, 2);
	put_bytes(&w, t->data, t->len);
	sum = csum_fold(
	    csum_add(csum_pseudo(&t->from, &t->to, PROTO_TCP, len), tcp, len));
	memcpy(tcp + 16, &sum, 2);
	return writer_len(&w);
}

/* The same for UDP. */
__attribute__((unused)) static size_t
wire_udp(uint8_t *frame, size_t size, struct header h, uint16_t from,
    uint16_t to, const void *data, size_t len)
{
	struct writer w = writer_of(frame, size);
	uint8_t *udp;
	uint16_t sum;

	h.from_mac = vm_mac;
	h.proto = PROTO_UDP;
	put_header(&w, &h, len + 8);
	udp = w.at;
	put_be(&w, from, 2);
	put_be(&w, to, 2);
	put_be(&w, len + 8, 2);
	put_be(&w, 0, 2);
	put_bytes(&w, data, len);
	sum = csum_fold(csum_add(
	    csum_pseudo(&h.from, &h.to, PROTO_UDP, len + 8), udp, len + 8));
	memcpy(udp + 6, &sum, 2);
	return writer_len(&w);
}

/* A server of the host on loopback, which the switch is told of. */
__attribute__((unused)) static int
wire_server(int type)
{
	struct sockaddr_in in = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);
	struct err e = ERR_INIT;
	char text[32];
	int fd = socket(AF_INET, type | SOCK_NONBLOCK, 0);

	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 64) < 0) ||
	    getsockname(fd, (struct sockaddr *)&in, &len) < 0)
		exit(1);
	snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(in.sin_port));
	if (resolver_add_server(&lan, text, &e) < 0)
		exit(1);
	return fd;
}

#endif
