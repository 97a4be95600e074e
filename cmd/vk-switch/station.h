/* SPDX-License-Identifier: MIT */
/*
 * station.h - who is on the LAN: MACs, the addresses they may use, names
 *
 * A station is a MAC on a port. It comes with the first frame and goes with
 * its port. An address belongs to the station that got it by DHCP, that it is
 * reserved for, or that used it first (as in RFC 6620): nobody else may send
 * from it, answer ARP or neighbour solicitations for it, or be given it.
 *
 * A MAC or a name that a socket was opened for (listener.h) is of who comes by
 * that socket, and of nobody else, whether he is here or not: published ports
 * and reserved addresses go by them.
 */
#ifndef VK_SWITCH_STATION_H
#define VK_SWITCH_STATION_H

#include "cmd/vk-switch/addr.h"

#include <stdbool.h>
#include <stdint.h>

/* PORTS_MAX * PORT_MACS_MAX */
#define STATIONS_MAX 512
/* IPv4, IPv6 link-local, stable and a week of temporary ones (RFC 8981). */
#define STATION_ADDRS_MAX 12
/* Unused for so long, an address may be taken by another. */
#define STATION_ADDR_IDLE_MS (60 * 1000)
#define STATION_NAME_MAX     64

struct station_addr {
	struct addr addr;
	uint64_t seen_ms;
};

struct station {
	bool used;
	struct mac mac;
	uint32_t port;
	uint32_t index; /* + 1, as others refer to it */
	uint64_t seen_ms;
	char name[STATION_NAME_MAX]; /* without domain; empty: none */
	struct station_addr addrs[STATION_ADDRS_MAX];
	uint32_t addr_count;
};

struct lan;
struct port;

/* reference: index + 1. NULL for 0 and what is gone. */
struct station *station_at(const struct lan *, uint32_t reference);

/* The sender of a frame; makes it if the port may have one more MAC. NULL:
 * the MAC is another's or one too many. */
struct station *station_of_sender(
    struct lan *, struct port *, const struct mac *);

/* NULL: nobody. */
struct station *station_by_mac(const struct lan *, const struct mac *);
struct station *station_by_addr(const struct lan *, const struct addr *);
/* Case does not count. */
struct station *station_by_name(const struct lan *, const char *name);

/* May this station send from the address? Makes it its own if it is free. */
bool station_claim(struct lan *, struct station *, const struct addr *);

/* Its IPv4 or routable IPv6 address, the latest used; NULL: none known. */
const struct addr *station_addr(
    const struct lan *, const struct station *, bool four);

/* Gives a name, if it is free for a station that came by that socket. */
void station_set_name(struct lan *, struct station *, const char *name);

void stations_of_port_forget(struct lan *, struct port *);

#endif
