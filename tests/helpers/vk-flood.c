/* SPDX-License-Identifier: MIT */
/*
 * vk-flood.c - a VM that opens very many connections
 *
 *	vk-flood syn|open SOCKET ADDR[+N] PORT COUNT
 *
 * Speaks to a switch's socket by itself, as 10.76.0.66 behind the gateway of
 * vk-switch's defaults. "syn" sends COUNT SYNs and answers nothing; "open"
 * opens COUNT connections, to N addresses from ADDR on, and prints "open N"
 * when they stand. Both then wait for the end of their input and leave.
 */
#include "common/cursor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FRAME_LEN (14 + 20 + 20)
/* SYNs without an answer; vk-switch lets a VM have 1024. */
#define WAITING_MAX 256
#define COUNT_MAX   (1 << 20)
#define SYN         0x02
#define ACK         0x10

static const uint8_t gateway_mac[6] = {2, 0x76, 0x6b, 0, 0, 1};
static const uint8_t own_mac[6] = {2, 0, 0, 0, 0, 0x66};
static const uint32_t own_addr = 0x0a4c0042;
static uint32_t first_addr, addr_count = 1;
static uint16_t far_port;
static int sock;

struct segment {
	uint32_t far, seq, ack;
	uint16_t port;
	uint8_t flags;
};

static uint16_t
sum(const uint8_t *at, size_t len, uint32_t more)
{
	for (size_t i = 0; i < len; i += 2)
		more += (uint32_t)at[i] << 8 | at[i + 1];
	while (more >> 16)
		more = (more & 0xffff) + (more >> 16);
	return (uint16_t)~more;
}

static void
put_sum(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static int
send_segment(const struct segment *s)
{
	uint8_t frame[4 + FRAME_LEN];
	struct writer w = writer_of(frame, sizeof(frame));
	uint8_t *ip = frame + 18, *tcp = ip + 20;

	put_be(&w, FRAME_LEN, 4);
	put_bytes(&w, gateway_mac, 6);
	put_bytes(&w, own_mac, 6);
	put_be(&w, 0x0800, 2);
	put_be(&w, 0x45000028, 4);
	put_be(&w, 0x00004000, 4);
	put_be(&w, 0x40060000, 4);
	put_be(&w, own_addr, 4);
	put_be(&w, s->far, 4);
	put_be(&w, s->port, 2);
	put_be(&w, far_port, 2);
	put_be(&w, s->seq, 4);
	put_be(&w, s->ack, 4);
	put_be(&w, 0x5000u | s->flags, 2);
	put_be(&w, 0xffff, 2);
	put_be(&w, 0, 4);
	put_sum(ip + 10, sum(ip, 20, 0));
	put_sum(tcp + 16, sum(tcp, 20,
			      (own_addr >> 16) + (own_addr & 0xffff) +
				  (s->far >> 16) + (s->far & 0xffff) + 6 + 20));
	return send(sock, frame, sizeof(frame), MSG_NOSIGNAL) ==
		       (ssize_t)sizeof(frame)
		   ? 0
		   : -1;
}

/* The n-th connection: ports first, then addresses. */
static struct segment
syn_of(uint32_t n)
{
	return (struct segment){.far = first_addr + n % addr_count,
	    .port = (uint16_t)(1024 + n / addr_count % 64000),
	    .seq = 1000,
	    .flags = SYN};
}

static uint32_t
number_of(const struct segment *s)
{
	return (s->port - 1024u) * addr_count + s->far - first_addr;
}

/* One frame of the switch; a SYN-ACK is acknowledged. True for the first of a
 * connection: a slow machine sends some again. */
static bool
answer(struct cursor f)
{
	static bool stands[COUNT_MAX];
	struct segment s = {.seq = 1001, .flags = ACK};
	uint32_t seq, number;
	uint16_t type;
	uint8_t flags;

	get_bytes(&f, 12);
	type = get_be16(&f);
	get_bytes(&f, 12);
	s.far = get_be32(&f);
	get_bytes(&f, 4);
	get_be16(&f);
	s.port = get_be16(&f);
	seq = get_be32(&f);
	get_bytes(&f, 5);
	flags = get_u8(&f);
	if (f.bad || type != 0x0800 || flags != (SYN | ACK))
		return false;
	s.ack = seq + 1;
	number = number_of(&s);
	if (send_segment(&s) < 0 || number >= COUNT_MAX || stands[number])
		return false;
	return stands[number] = true;
}

/* What is there; -1 at its end. *opened counts up. */
static int
take(bool wait, bool answering, uint32_t *opened)
{
	static uint8_t in[1 << 18];
	static size_t have;
	ssize_t n =
	    recv(sock, in + have, sizeof(in) - have, wait ? 0 : MSG_DONTWAIT);
	struct cursor c;

	if (n <= 0)
		return n < 0 && errno == EAGAIN ? 0 : -1;
	have += (size_t)n;
	c = cursor_of(in, have);
	while (c.left >= 4) {
		struct cursor next = c;
		size_t len = get_be32(&next);
		const uint8_t *frame = get_bytes(&next, len);

		if (!frame)
			break;
		if (answering && answer(cursor_of(frame, len)))
			++*opened;
		c = next;
	}
	memmove(in, c.at, c.left);
	have = c.left;
	return 0;
}

static int
run(bool open, uint32_t count)
{
	uint32_t sent = 0, opened = 0;

	while (sent < count || (open && opened < count)) {
		bool full =
		    sent == count || (open && sent - opened >= WAITING_MAX);

		if (!full) {
			struct segment s = syn_of(sent++);

			if (send_segment(&s) < 0)
				return -1;
		}
		if (take(full, open, &opened) < 0)
			return -1;
	}
	printf("%s %u\n", open ? "open" : "sent", count);
	fflush(stdout);
	for (;;) {
		struct pollfd p[2] = {{.fd = sock, .events = POLLIN},
		    {.fd = 0, .events = POLLIN}};
		char byte;

		if (poll(p, 2, -1) < 0 ||
		    (p[0].revents && take(false, false, &opened) < 0) ||
		    (p[1].revents && read(0, &byte, 1) <= 0))
			return 0;
	}
}

int
main(int argc, char **argv)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct in_addr in;
	char *plus = argc == 6 ? strchr(argv[3], '+') : NULL;

	if (plus) {
		*plus = '\0';
		addr_count = (uint32_t)strtoul(plus + 1, NULL, 10);
	}
	if (argc != 6 || inet_pton(AF_INET, argv[3], &in) != 1 ||
	    addr_count == 0) {
		fprintf(stderr, "usage: vk-flood syn|open SOCKET ADDR[+N] "
				"PORT COUNT\n");
		return 64;
	}
	first_addr = ntohl(in.s_addr);
	far_port = (uint16_t)strtoul(argv[4], NULL, 10);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", argv[2]);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(sock, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    run(strcmp(argv[1], "open") == 0,
		(uint32_t)strtoul(argv[5], NULL, 10)) < 0) {
		perror("vk-flood");
		return 1;
	}
	return 0;
}
