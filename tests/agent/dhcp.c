/* SPDX-License-Identifier: MIT */
/* dhcp.c - answers to DHCP, good and bad (RFC 2131, RFC 2132) */
#include "agent/dhcp.h"

#include "common/cursor.h"
#include "tests/tap.h"

#include <arpa/inet.h>

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

int
main(void)
{
	test_good();
	test_bad();
	return tap_done();
}
