/* SPDX-License-Identifier: MIT */
/* dns_stream.c - DNS over TCP: many queries at once, servers that are silent */
#include "cmd/vk-switch/dns_stream.h"

#include "tests/cmd/vk-switch/wire.h"
#include "tests/tap.h"

#include <netinet/in.h>

#define QUERY_LEN 34
#define QUERIES   40

static const struct station station;
static int silent, server;

/* The VM's end of a stream on which so many queries were sent at once. */
static int
asks(unsigned count)
{
	uint8_t out[QUERIES * QUERY_LEN];
	struct writer w = writer_of(out, sizeof(out));
	int fd = dns_stream_open(&lan, &station);

	for (unsigned i = 0; i < count; i++) {
		put_be(&w, QUERY_LEN - 2, 2);
		put_be(&w, (uint64_t)i << 48 | 0x010000010000, 8);
		put_be(&w, 0, 4);
		put_bytes(&w, "\6stream\7example", 16);
		put_be(&w, 0x00010001, 4);
	}
	wire_write(fd, out, writer_len(&w));
	return fd;
}

/* A connection to that server, waited for. */
static int
asked(int fd)
{
	int one = -1;

	for (int turn = 0; turn < 1000 && one < 0; turn++) {
		lan_turn(&lan, 10);
		one = accept(fd, NULL, NULL);
	}
	return one;
}

/* Answers the one query on a connection. */
static bool
answer(int fd)
{
	uint8_t message[512];
	ssize_t n = fd < 0 ? -1 : 0;

	for (int turn = 0; turn < 1000 && n == 0; turn++) {
		lan_turn(&lan, 10);
		n = recv(fd, message, sizeof(message), MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			n = 0;
	}
	if (n <= 4)
		return false;
	message[4] |= 0x80;
	message[5] = 0x80;
	n = write(fd, message, (size_t)n);
	close(fd);
	return n > 0;
}

/* The number of answers that come; so many should, and some turns are for more
 * than that. */
static unsigned
answers(int fd, unsigned count)
{
	uint8_t in[(QUERIES + 1) * QUERY_LEN];
	size_t have = 0;
	int more = 10;

	for (int turn = 0; turn < 5000 && more > 0; turn++) {
		ssize_t n;

		lan_turn(&lan, 1);
		n = recv(fd, in + have, sizeof(in) - have, MSG_DONTWAIT);
		have += n > 0 ? (size_t)n : 0;
		more -= have >= (size_t)count * QUERY_LEN;
	}
	return (unsigned)(have / QUERY_LEN);
}

int
main(void)
{
	unsigned served = 0;
	int vm, fd;

	wire_lan();
	lan.policies[0].allow_rest = true;
	close(wire_port());
	silent = wire_server(SOCK_STREAM);
	server = wire_server(SOCK_STREAM);

	vm = asks(1);
	fd = asked(silent);
	ok(fd >= 0, "the first server is asked");
	lan.loop.now_ms += DNS_STREAM_PATIENCE_MS;
	dns_streams_expire(&lan);
	ok(answer(asked(server)), "it says nothing: the second is");
	is_int(answers(vm, 1), 1, "and answers");
	close(fd);
	close(vm);

	lan.resolver.first = 1;
	vm = asks(QUERIES);
	while (served < QUERIES && answer(asked(server)))
		served++;
	is_int(served, QUERIES, "of many queries at once each is asked");
	is_int(answers(vm, QUERIES), QUERIES, "and answered");
	close(vm);

	vm = asks(2);
	shutdown(vm, SHUT_WR);
	ok(answer(asked(server)) && answer(asked(server)),
	    "who asks no more is still asked for");
	is_int(answers(vm, 2), 2, "and answered");
	is_int(recv(vm, &served, 1, 0), 0, "and then left");
	close(vm);

	vm = asks(QUERIES);
	fd = asked(server);
	close(vm);
	lan_turn(&lan, 10);
	lan_turn(&lan, 10);
	for (unsigned i = 0; i < DNS_STREAMS_MAX; i++)
		served -= lan.dns_streams[i].fd >= 0;
	is_int(served, QUERIES, "whoever leaves is not waited for");
	close(fd);
	lan_release(&lan);
	return tap_done();
}
