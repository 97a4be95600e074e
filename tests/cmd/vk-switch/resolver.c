/* SPDX-License-Identifier: MIT */
/* resolver.c - which of the host's servers is asked, when one is dead */
#include "cmd/vk-switch/resolver.h"

#include "common/log.h"
#include "tests/cmd/vk-switch/wire.h"
#include "tests/tap.h"

#include <netinet/in.h>

static int vm, dead, good;
static uint16_t asked;

/* The VM asks for a name that nobody has asked for. */
static void
ask(void)
{
	uint8_t frame[256], message[64];
	struct writer w = writer_of(message, sizeof(message));
	struct header h = {
	    .to_mac = lan.config.gateway_mac, .to = lan.config.gateway4};
	char label[16];
	int n = snprintf(label, sizeof(label), "name%u", ++asked);

	addr_parse("10.76.0.23", &h.from);
	put_be(&w, (uint64_t)asked << 48 | 0x010000010000, 8);
	put_be(&w, 0, 4);
	put_be(&w, (unsigned)n, 1);
	put_bytes(&w, label, (size_t)n);
	put_bytes(&w, "\7example", 9);
	put_be(&w, 0x00010001, 4);
	wire_send(vm, frame,
	    wire_udp(
		frame, sizeof(frame), h, 4000, 53, message, writer_len(&w)));
}

/* How many queries came; each is answered, where that is wanted. */
static int
served(int fd, bool answer)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	uint8_t message[512];
	int count = 0;
	ssize_t n;

	while ((n = recvfrom(fd, message, sizeof(message), 0,
		    (struct sockaddr *)&from, &len)) > 0) {
		count++;
		message[2] |= 0x80;
		message[3] = 0x80;
		if (answer && sendto(fd, message, (size_t)n, 0,
				  (struct sockaddr *)&from, len) != n)
			exit(1);
	}
	return count;
}

static int
answers(void)
{
	uint8_t frame[2048];
	int count = 0;

	while (wire_take(vm, frame, sizeof(frame)) > 0)
		count++;
	return count;
}

static void
time_passes(void)
{
	lan.loop.now_ms += RETRY_MS;
	resolver_retry(&lan);
}

/* A kept answer, for a query with other letters in capitals. */
static void
is_kept(void)
{
	struct dns_query first = {.type = DNS_A, .class = 1}, second = first;
	struct addr a;
	struct dns_answer answer = {.addrs = &a, .addr_count = 1, .ttl_s = 300};
	uint8_t message[DNS_UDP_MAX];
	size_t len;

	addr_parse("192.0.2.1", &a);
	if (dns_name_of("www.example", &first.name) < 0 ||
	    dns_name_of("wWw.eXample", &second.name) < 0)
		exit(1);
	len = dns_put_answer(message, sizeof(message), &first, &answer);
	resolver_accept(&lan, &lan.ports[0], &first, message, len, true);
	is_int(resolver_answer(&lan, &lan.ports[0], &second, DNS_NOERROR,
		   message, sizeof(message)),
	    len, "an answer is kept");
	ok(memcmp(message + DNS_HEADER, second.name.wire,
	       second.name.wire_len) == 0,
	    "and has the name as it was asked for");
}

/* Lines on stderr while a VM asks for what is refused, again and again. */
static int
lines_of_refusals(void)
{
	struct dns_query q = {.type = DNS_A, .class = 1};
	uint8_t answer[DNS_UDP_MAX];
	char text[65536];
	int ends[2], before = dup(STDERR_FILENO), lines = 0;
	ssize_t n;

	if (before < 0 || pipe(ends) < 0 || dup2(ends[1], STDERR_FILENO) < 0 ||
	    dns_name_of("secret.example", &q.name) < 0)
		exit(1);
	log_verbose = true;
	for (int i = 0; i < 500; i++)
		resolver_answer(&lan, &lan.ports[0], &q, DNS_NOERROR, answer,
		    sizeof(answer));
	log_verbose = false;
	dup2(before, STDERR_FILENO);
	close(before);
	close(ends[1]);
	while ((n = read(ends[0], text, sizeof(text))) > 0)
		for (ssize_t i = 0; i < n; i++)
			lines += text[i] == '\n';
	close(ends[0]);
	return lines;
}

int
main(void)
{
	wire_lan();
	lan.policies[0].allow_rest = true; /* names */
	dead = wire_server(SOCK_DGRAM);
	good = wire_server(SOCK_DGRAM);
	vm = wire_port();
	/* Two at once: as a program does that asks for A and AAAA. */
	ask();
	ask();
	is_int(served(dead, false), 2, "the first server is asked");
	time_passes();
	is_int(served(good, true), 2, "it says nothing: the second is");
	is_int(answers(), 2, "and answers");
	ask();
	is_int(served(good, true), 1, "from then on that is the first");
	is_int(answers(), 1, "and answers");
	is_int(served(dead, false), 0, "the dead one is left alone");
	close(good);
	ask();
	lan_turn(&lan, 0);
	is_int(served(dead, true), 1, "until the other is gone");
	is_int(answers(), 1, "and it lives");
	is_kept();
	lan.policies[0].allow_rest = false;
	is_int(lines_of_refusals(), 1, "refused names fill no log");
	lan_release(&lan);
	return tap_done();
}
