/* SPDX-License-Identifier: MIT */
/* addr.c - Ethernet and IP addresses */
#include "cmd/vk-switch/addr.h"

#include "common/size.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

bool
addr_is_multicast(const struct addr *a)
{
	static const uint8_t all[4] = {255, 255, 255, 255};

	if (!addr_is4(a))
		return a->b[0] == 0xff;
	return (a->b[12] & 0xf0) == 0xe0 || memcmp(a->b + 12, all, 4) == 0;
}

bool
addr_is_link_local(const struct addr *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

bool
cidr_contains(const struct cidr *c, const struct addr *a)
{
	size_t whole = c->bits / 8;
	unsigned rest = c->bits % 8;
	uint8_t mask = (uint8_t)(0xff00 >> rest);

	if (addr_is4(&c->base) != addr_is4(a))
		return false;
	if (memcmp(c->base.b, a->b, whole) != 0)
		return false;
	return rest == 0 || ((c->base.b[whole] ^ a->b[whole]) & mask) == 0;
}

/*
 * Where an IPv4 address lies in an IPv6 one that has these bytes. How long a
 * prefix a network uses for NAT64 within 64:ff9b:1::/48 is its own affair (RFC
 * 8215), and what stands behind the address may be anything (RFC 6052, 2.2):
 * each form is possible there, and 0.0.0.0/8 means that it is another.
 */
static const struct {
	uint8_t start, len;
	uint8_t bytes[12];
	uint8_t at[4];
	uint8_t flip; /* how it is written */
	bool guess;
} inner_forms[] = {
    {0, 12, {0, 0x64, 0xff, 0x9b}, {12, 13, 14, 15}, 0, false}, /* RFC 6052 */
    {0, 6, {0, 0x64, 0xff, 0x9b, 0, 1}, {6, 7, 9, 10}, 0, true},
    {0, 6, {0, 0x64, 0xff, 0x9b, 0, 1}, {7, 9, 10, 11}, 0, true},
    {0, 6, {0, 0x64, 0xff, 0x9b, 0, 1}, {9, 10, 11, 12}, 0, true},
    {0, 6, {0, 0x64, 0xff, 0x9b, 0, 1}, {12, 13, 14, 15}, 0, true},
    {0, 2, {0x20, 0x02}, {2, 3, 4, 5}, 0, false},        /* 6to4: RFC 3056 */
    {0, 4, {0x20, 0x01}, {12, 13, 14, 15}, 0xff, false}, /* Teredo: RFC 4380 */
    {8, 4, {0, 0, 0x5e, 0xfe}, {12, 13, 14, 15}, 0, false}, /* ISATAP: */
    {8, 4, {2, 0, 0x5e, 0xfe}, {12, 13, 14, 15}, 0, false}, /* RFC 5214 */
};

size_t
addr_inner(const struct addr *a, struct addr inner[ADDR_INNER_MAX])
{
	size_t forms = sizeof(inner_forms) / sizeof(inner_forms[0]), count = 0;

	for (size_t i = 0; i < forms; i++) {
		uint8_t four[4];

		if (memcmp(a->b + inner_forms[i].start, inner_forms[i].bytes,
			inner_forms[i].len) != 0)
			continue;
		for (int n = 0; n < 4; n++)
			four[n] =
			    a->b[inner_forms[i].at[n]] ^ inner_forms[i].flip;
		if (four[0] != 0 || !inner_forms[i].guess)
			inner[count++] = addr_of4(four);
	}
	return count;
}

struct addr
cidr_at(const struct cidr *c, uint32_t n)
{
	struct addr a = c->base;

	for (int i = 15; i >= 0 && n; i--) {
		n += a.b[i];
		a.b[i] = (uint8_t)n;
		n >>= 8;
	}
	return a;
}

uint32_t
cidr_index(const struct cidr *c, const struct addr *a)
{
	uint32_t n = 0, base = 0;

	for (int i = 12; i < 16; i++) {
		n = n << 8 | a->b[i];
		base = base << 8 | c->base.b[i];
	}
	return n - base;
}

char *
addr_text(const struct addr *a, char *into)
{
	if (addr_is4(a))
		inet_ntop(AF_INET, a->b + 12, into, ADDR_TEXT_MAX);
	else
		inet_ntop(AF_INET6, a->b, into, ADDR_TEXT_MAX);
	return into;
}

char *
mac_text(const struct mac *m, char *into)
{
	snprintf(into, MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", m->b[0],
	    m->b[1], m->b[2], m->b[3], m->b[4], m->b[5]);
	return into;
}

int
addr_parse(const char *text, struct addr *a)
{
	uint8_t four[4];

	if (inet_pton(AF_INET, text, four) == 1) {
		*a = addr_of4(four);
		return 0;
	}
	return inet_pton(AF_INET6, text, a->b) == 1 ? 0 : -1;
}

int
mac_parse(const char *text, struct mac *m)
{
	unsigned b[6];
	char end;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2],
		&b[3], &b[4], &b[5], &end) != 6)
		return -1;
	for (int i = 0; i < 6; i++)
		m->b[i] = (uint8_t)b[i];
	return mac_is_group(m) ? -1 : 0;
}

int
cidr_parse(const char *text, struct cidr *c)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char head[ADDR_TEXT_MAX];
	unsigned extra;
	uint64_t bits;

	if (len >= sizeof(head))
		return -1;
	memcpy(head, text, len);
	head[len] = '\0';
	if (addr_parse(head, &c->base) < 0)
		return -1;
	extra = addr_is4(&c->base) ? 96 : 0;
	bits = 128 - extra;
	if (slash && number_parse(slash + 1, bits, &bits) < 0)
		return -1;
	c->bits = (unsigned)bits + extra;
	for (unsigned i = c->bits; i < 128; i++)
		c->base.b[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	return 0;
}

struct addr
addr_eui64(const struct addr *base, const struct mac *m)
{
	struct addr a = *base;

	memcpy(a.b + 8, m->b, 3);
	a.b[8] ^= 2;
	a.b[11] = 0xff;
	a.b[12] = 0xfe;
	memcpy(a.b + 13, m->b + 3, 3);
	return a;
}

socklen_t
addr_to_sock(const struct addr *a, uint16_t port, struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	if (addr_is4(a)) {
		struct sockaddr_in *in = (struct sockaddr_in *)ss;

		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, a->b + 12, 4);
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, a->b, 16);
	return sizeof(*in6);
}

int
addr_from_sock(
    const struct sockaddr_storage *ss, struct addr *a, uint16_t *port)
{
	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)ss;

		*a = addr_of4((const uint8_t *)&in->sin_addr);
		*port = ntohs(in->sin_port);
		return 0;
	}
	if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)ss;

		memcpy(a->b, &in6->sin6_addr, 16);
		*port = ntohs(in6->sin6_port);
		return 0;
	}
	return -1;
}
