/* SPDX-License-Identifier: MIT */
/*
 * addr.h - Ethernet and IP addresses
 *
 * One type holds both families: an IPv4 address is kept v4-mapped
 * (::ffff:a.b.c.d), so that tables, flows and rules have one key and no rule
 * can hold for one family only. A v4-mapped address never stands in an IPv6
 * packet: packet.c refuses it (RFC 4291, 2.5.5.2 is for sockets only).
 */
#ifndef VK_SWITCH_ADDR_H
#define VK_SWITCH_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

struct mac {
	uint8_t b[6];
};

struct addr {
	uint8_t b[16];
};

/* bits counts from the left of the 16 bytes: 10.0.0.0/8 has 104. */
struct cidr {
	struct addr base;
	unsigned bits;
};

#define ADDR_TEXT_MAX 48
#define MAC_TEXT_MAX  18

static inline bool
mac_equal(const struct mac *a, const struct mac *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool
mac_is_group(const struct mac *m)
{
	return m->b[0] & 1;
}

static inline bool
addr_equal(const struct addr *a, const struct addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* From the four bytes of an IPv4 header, and back. */
static inline struct addr
addr_of4(const uint8_t *four)
{
	struct addr a = {.b = {[10] = 0xff, [11] = 0xff}};

	memcpy(a.b + 12, four, 4);
	return a;
}

static inline bool
addr_is4(const struct addr *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(a->b, mapped, sizeof(mapped)) == 0;
}

static inline bool
addr_is_zero(const struct addr *a)
{
	static const struct addr zero6;

	return addr_equal(a, &zero6) ||
	       (addr_is4(a) && memcmp(a->b + 12, zero6.b, 4) == 0);
}

bool addr_is_multicast(const struct addr *);  /* 224/4, ff00::/8, broadcast */
bool addr_is_link_local(const struct addr *); /* fe80::/10 only */

/* Never one of the other family: ::/0 is IPv6 alone. */
bool cidr_contains(const struct cidr *, const struct addr *);

/* The IPv4 addresses that an IPv6 one may stand for: a translator or a tunnel
 * of the host's network takes there what is sent to it. Returns how many. */
#define ADDR_INNER_MAX 5
size_t addr_inner(const struct addr *, struct addr inner[ADDR_INNER_MAX]);

/* The n-th address of a network: 10.0.0.0/24 and 5 give 10.0.0.5. */
struct addr cidr_at(const struct cidr *, uint32_t n);
/* The other way; only for what the network contains. */
uint32_t cidr_index(const struct cidr *, const struct addr *);

/* "10.0.0.1", "fd00::1" into into (ADDR_TEXT_MAX); returns into. */
char *addr_text(const struct addr *, char *into);
char *mac_text(const struct mac *, char *into);

/* Return 0, -1 for text that is nothing of the kind. A network's host bits
 * are cleared; an address alone is a network of one. */
int addr_parse(const char *text, struct addr *);
int mac_parse(const char *text, struct mac *);
int cidr_parse(const char *text, struct cidr *);

/* fe80::/64 with the EUI-64 of a MAC, RFC 4291 appendix A; any /64 base. */
struct addr addr_eui64(const struct addr *base, const struct mac *);

/* A socket address for address and port (host order); returns its length. */
socklen_t addr_to_sock(
    const struct addr *, uint16_t port, struct sockaddr_storage *);
/* The other way. Returns 0, -1 for another family. */
int addr_from_sock(
    const struct sockaddr_storage *, struct addr *, uint16_t *port);

#endif
