/* SPDX-License-Identifier: MIT */
/* dhcp.c - answers to DHCP, good and bad (RFC 2131, RFC 2132), and what a
 * client makes of them, on the loopback of a network of its own */
#include "agent/dhcp.h"

#include "agent/netlink.h"
#include "common/cursor.h"
#include "tests/tap.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

static const uint8_t mac[6] = {2, 0, 0, 1, 2, 3};
static uint8_t packet[1024];

/* The part that is always there. Options follow. */
static struct writer
begin(void)
{
	struct writer w = writer_of(packet, sizeof(packet));

	memset(packet, 0, sizeof(packet));
	put_be(&w, 0x02010600, 4); /* a reply, on Ethernet */
	put_be(&w, 77, 4);         /* the transaction */
	put_zeros(&w, 8);
	put_be(&w, 0x0a000032, 4); /* 10.0.0.50 */
	put_zeros(&w, 8);
	put_bytes(&w, mac, 6);
	put_zeros(&w, 10 + 192);
	put_be(&w, 0x63825363, 4);
	return w;
}

static void
option(struct writer *w, unsigned code, const void *value, size_t len)
{
	put_be(w, code, 1);
	put_be(w, len, 1);
	put_bytes(w, value, len);
}

static int
parse(struct dhcp_lease *l, const struct writer *w)
{
	return dhcp_parse(l, packet, writer_len(w), 77, mac);
}

static void
test_good(void)
{
	struct dhcp_lease l;
	struct writer w = begin();

	option(&w, 53, "\5", 1);
	option(&w, 1, "\377\377\360\0", 4);
	option(&w, 3, "\12\0\0\1", 4);
	option(&w, 6, "\12\0\0\2\12\0\0\3\12\0\0\4\12\0\0\5\12\0\0\6", 20);
	put_be(&w, 0, 1); /* padding */
	option(&w, 51, "\0\0\16\20", 4);
	option(&w, 26, "\5\170", 2);
	option(&w, 15, "example.org", 11);
	option(&w, 200, "unknown", 7);
	put_be(&w, 255, 1);
	is_int(parse(&l, &w), 0, "an acknowledgement");
	is_int(l.type, 5, "of that type");
	is_int(ntohl(l.address), 0x0a000032, "address");
	is_int(l.prefix, 20, "mask");
	is_int(ntohl(l.router), 0x0a000001, "router");
	is_int(l.dns_count, DHCP_SERVERS_MAX, "as many name servers as held");
	is_int(l.seconds, 3600, "lease");
	is_int(l.mtu, 1400, "MTU");
	is_str(l.domain, "example.org", "domain");
}

static void
test_bad(void)
{
	struct dhcp_lease l;
	struct writer w = begin();
	size_t whole;
	unsigned wrong = 0;

	is_int(parse(&l, &w), -1, "no type: no answer");
	w = begin();
	option(&w, 53, "\11", 1);
	is_int(parse(&l, &w), -1, "a type that is none");
	w = begin();
	option(&w, 53, "\2", 1);
	option(&w, 51, "\0\0\0\0", 4);
	ok(parse(&l, &w) == 0 && l.seconds > 0, "a lease of no time is longer");
	packet[0] = 1;
	is_int(parse(&l, &w), -1, "a question");
	packet[0] = 2;
	packet[7]++;
	is_int(parse(&l, &w), -1, "another's transaction");
	packet[7]--;
	packet[28]++;
	is_int(parse(&l, &w), -1, "another's address");
	packet[28]--;
	packet[239]++;
	is_int(parse(&l, &w), -1, "another cookie");
	packet[239]--;
	w = begin();
	option(&w, 53, "\2", 1);
	put_be(&w, 3, 1);
	put_be(&w, 200, 1); /* longer than the packet */
	is_int(parse(&l, &w), -1, "an option that goes beyond the end");
	w = begin();
	option(&w, 53, "\2", 1);
	option(&w, 3, "\12", 1);
	option(&w, 26, "", 0);
	is_int(parse(&l, &w), 0, "options that are too short");
	is_int(l.router, 0, "count as missing");
	whole = writer_len(&w);
	for (size_t len = 0; len < 240; len++)
		wrong += dhcp_parse(&l, packet, len, 77, mac) == 0;
	ok(wrong == 0 && whole > 240, "cut anywhere: no answer");
}

/* ---- a client ----------------------------------------------------------- */

/* Turns of the loop that an answer on the loopback may take: 20 s. */
#define TURNS   200
#define TURN_MS 100

static struct agent agent;
static int server = -1;

/* What the client says next: its type, and where it says that it is. 0: it is
 * silent. */
static unsigned
hear(uint32_t *address)
{
	uint8_t said[1024];

	for (int i = 0; i < TURNS; i++) {
		ssize_t n = recv(server, said, sizeof(said), MSG_DONTWAIT);
		struct pollfd p = {.fd = server, .events = POLLIN};

		if (n > 242) {
			memcpy(packet + 4, said + 4, 4);
			memcpy(packet + 28, said + 28, 16);
			memcpy(address, said + 12, 4);
			*address = ntohl(*address);
			return said[242];
		}
		if (poll(&p, 1, 0) == 0)
			loop_turn(&agent.loop, TURN_MS);
	}
	return 0;
}

/* Answers what was heard last. */
static void
answer(unsigned type, uint32_t address)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
	    .sin_port = htons(68),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	uint8_t from[48], byte = (uint8_t)type;
	struct writer w;

	memcpy(from, packet, sizeof(from));
	w = begin();
	memcpy(packet + 4, from + 4, 4);
	memcpy(packet + 28, from + 28, 16);
	address = htonl(address);
	memcpy(packet + 16, &address, 4);
	option(&w, 53, &byte, 1);
	option(&w, 1, "\377\377\377\0", 4);
	option(&w, 51, "\0\0\16\20", 4);
	option(&w, 54, "\177\0\0\1", 4);
	put_be(&w, 255, 1);
	if (sendto(server, packet, writer_len(&w), 0, (struct sockaddr *)&to,
		sizeof(to)) < 0)
		perror("sendto");
}

/* The addresses that the interface has, beside its own. */
static const char *
addresses(void)
{
	static char text[256];
	struct ifaddrs *all = NULL;

	text[0] = '\0';
	if (getifaddrs(&all) < 0)
		return "?";
	for (struct ifaddrs *i = all; i; i = i->ifa_next) {
		struct sockaddr_in *a = (void *)i->ifa_addr;
		char one[INET_ADDRSTRLEN];

		if (!a || a->sin_family != AF_INET ||
		    ntohl(a->sin_addr.s_addr) == INADDR_LOOPBACK ||
		    !inet_ntop(AF_INET, &a->sin_addr, one, sizeof(one)))
			continue;
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s",
		    one);
	}
	freeifaddrs(all);
	return text;
}

/* Until that is what it has. */
static void
has(const char *wanted, const char *name)
{
	for (int i = 0; i < TURNS && strcmp(addresses(), wanted) != 0; i++)
		loop_turn(&agent.loop, TURN_MS);
	is_str(addresses(), wanted, "%s", name);
}

/* Its next timer's time has come. */
static void
time_passes(void)
{
	if (agent.loop.timers)
		agent.loop.timers->at_ms = 1;
}

static int
open_network(int *index)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(67)};
	struct netlink_link up = {.up = 1};

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return -1;
	*index = up.index = (int)if_nametoindex("lo");
	server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return *index == 0 || netlink_set_link(&up) < 0 || server < 0 ||
		       bind(server, (struct sockaddr *)&any, sizeof(any)) < 0 ||
		       loop_init(&agent.loop) < 0
		   ? -1
		   : 0;
}

static void
test_client(void)
{
	uint32_t at;
	int index;

	if (open_network(&index) < 0) {
		skip("no network of one's own can be had", "a client");
		return;
	}
	is_int(dhcp_start(&agent, index), 0, "a client starts");
	is_int(hear(&at), 1, "it asks who is there");
	answer(2, 0x0a000032);
	is_int(hear(&at), 3, "it takes the offer");
	answer(5, 0x0a000032);
	has("10.0.0.50", "it has the address");
	is_int(dhcp_waiting(), 0, "nobody waits for that any more");

	time_passes();
	is_int(hear(&at), 3, "it wants to keep it");
	is_int(at, 0x0a000032, "which it says");
	answer(6, 0);
	is_int(hear(&at), 1, "it is refused, and asks anew");
	has("", "and uses the address no more (RFC 2131, 4.4.5)");

	answer(2, 0x0a000033);
	is_int(hear(&at), 3, "the next offer");
	answer(5, 0x0a000033);
	has("10.0.0.51", "the next address");
	is_int(dhcp_waiting(), 0, "which nobody waited for");
	answer(6, 0); /* too late: it has its answer */
	time_passes();
	is_int(hear(&at), 3, "it keeps that, whatever comes unasked");
	is_int(at, 0x0a000033, "which it says");
	answer(5, 0x0a000034);
	has("10.0.0.52", "an extension with another address: that one alone");

	time_passes();
	is_int(hear(&at), 3, "its time is over again");
	answer(5, 0x7f000009);
	answer(5, 0x0a000034);
	loop_turn(&agent.loop, TURN_MS);
	has("10.0.0.52", "an address that no host can have is no answer");
}

int
main(void)
{
	test_good();
	test_bad();
	test_client();
	return tap_done();
}
