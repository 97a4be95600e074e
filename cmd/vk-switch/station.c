/* SPDX-License-Identifier: MIT */
/* station.c - who is on the LAN: MACs, the addresses they may use, names */
#include "cmd/vk-switch/station.h"

#include "cmd/vk-switch/gateway.h"
#include "cmd/vk-switch/lan.h"

#include <stdio.h>
#include <strings.h>

struct station *
station_at(const struct lan *lan, uint32_t reference)
{
	struct station *s;

	if (reference == 0 || reference > STATIONS_MAX)
		return NULL;
	s = (struct station *)&lan->stations[reference - 1];
	return s->used ? s : NULL;
}

/* A cache of MAC to station, checked by each who uses it. */
static uint32_t *
mac_cache(const struct lan *lan, const struct mac *m)
{
	uint32_t h = (uint32_t)(m->b[5] | m->b[4] << 8 | m->b[3] << 16);

	h *= 0x9e3779b1u;
	return (uint32_t *)&lan->mac_cache[h >> 24];
}

struct station *
station_by_mac(const struct lan *lan, const struct mac *mac)
{
	uint32_t *cached = mac_cache(lan, mac);
	struct station *s = station_at(lan, *cached);

	if (s && mac_equal(&s->mac, mac))
		return s;
	for (uint32_t i = 1; i <= lan->station_top; i++) {
		s = station_at(lan, i);
		if (s && mac_equal(&s->mac, mac)) {
			*cached = i;
			return s;
		}
	}
	return NULL;
}

/* May one who came by this socket have that MAC? If a socket demands it, it
 * is for that socket alone, also while nobody is there. */
static bool
mac_is_for(
    const struct lan *lan, const struct listener *l, const struct mac *mac)
{
	if (l && l->has_mac)
		return mac_equal(&l->mac, mac);
	for (uint32_t i = 0; i < lan->listener_count; i++)
		if (lan->listeners[i].has_mac &&
		    mac_equal(&lan->listeners[i].mac, mac))
			return false;
	return true;
}

/* The same of a name. */
static bool
name_is_for(const struct lan *lan, const struct listener *l, const char *name)
{
	if (l && l->name[0])
		return strcasecmp(l->name, name) == 0;
	for (uint32_t i = 0; i < lan->listener_count; i++)
		if (strcasecmp(lan->listeners[i].name, name) == 0)
			return false;
	return true;
}

static struct station *
station_new(struct lan *lan, struct port *port, const struct mac *mac)
{
	const struct listener *l = port->listener;
	uint32_t slot = 0, i;

	if (!mac_is_for(lan, l, mac))
		return NULL;
	while (slot < PORT_MACS_MAX && port->stations[slot])
		slot++;
	if (slot == PORT_MACS_MAX || slot >= lan->config.macs_per_port)
		return NULL;
	for (i = 0; i < STATIONS_MAX && lan->stations[i].used; i++)
		;
	if (i == STATIONS_MAX)
		return NULL;
	lan->stations[i] = (struct station){
	    .used = true, .mac = *mac, .port = port->index, .index = i + 1};
	if (lan->station_top < i + 1)
		lan->station_top = i + 1;
	port->stations[slot] = i + 1;
	if (l && l->name[0])
		station_set_name(lan, &lan->stations[i], l->name);
	else
		lease_name_of(lan, mac, &lan->stations[i]);
	return &lan->stations[i];
}

struct station *
station_of_sender(struct lan *lan, struct port *port, const struct mac *mac)
{
	struct station *s;

	for (int i = 0; i < PORT_MACS_MAX; i++) {
		s = station_at(lan, port->stations[i]);
		if (s && mac_equal(&s->mac, mac)) {
			s->seen_ms = lan->loop.now_ms;
			return s;
		}
	}
	if (mac_is_group(mac) || mac_equal(mac, &lan->config.gateway_mac))
		return NULL;
	if (station_by_mac(lan, mac))
		return NULL;
	s = station_new(lan, port, mac);
	if (s)
		s->seen_ms = lan->loop.now_ms;
	return s;
}

struct station *
station_by_addr(const struct lan *lan, const struct addr *a)
{
	for (uint32_t i = 1; i <= lan->station_top; i++) {
		struct station *s = station_at(lan, i);

		for (uint32_t n = 0; s && n < s->addr_count; n++)
			if (addr_equal(&s->addrs[n].addr, a))
				return s;
	}
	return NULL;
}

struct station *
station_by_name(const struct lan *lan, const char *name)
{
	for (uint32_t i = 1; i <= lan->station_top; i++) {
		struct station *s = station_at(lan, i);

		if (s && s->name[0] && strcasecmp(s->name, name) == 0)
			return s;
	}
	return NULL;
}

/* An address that a VM may have at all: of the LAN, and not the gateway's. */
static bool
addr_is_ours(const struct lan *lan, const struct addr *a)
{
	const struct lan_config *c = &lan->config;

	if (gateway_has(lan, a))
		return false;
	if (addr_is4(a)) {
		uint32_t n = cidr_index(&c->net4, a);
		uint32_t size = (uint32_t)1 << (128 - c->net4.bits);

		return cidr_contains(&c->net4, a) && n != 0 && n != size - 1;
	}
	return addr_is_link_local(a) || cidr_contains(&c->net6, a);
}

static void
addr_drop(struct station *s, uint32_t n)
{
	s->addrs[n] = s->addrs[--s->addr_count];
}

/* Frees the address at another station if that has left it alone. */
static bool
taken_by_other(struct lan *lan, const struct station *me, const struct addr *a)
{
	for (uint32_t i = 1; i <= lan->station_top; i++) {
		struct station *s = station_at(lan, i);

		for (uint32_t n = 0; s && s != me && n < s->addr_count; n++) {
			if (!addr_equal(&s->addrs[n].addr, a))
				continue;
			if (lan->loop.now_ms - s->addrs[n].seen_ms <
			    STATION_ADDR_IDLE_MS)
				return true;
			addr_drop(s, n);
			return false;
		}
	}
	return false;
}

bool
station_claim(struct lan *lan, struct station *s, const struct addr *a)
{
	uint32_t oldest = 0;

	for (uint32_t n = 0; n < s->addr_count; n++) {
		if (addr_equal(&s->addrs[n].addr, a)) {
			s->addrs[n].seen_ms = lan->loop.now_ms;
			return true;
		}
		if (s->addrs[n].seen_ms < s->addrs[oldest].seen_ms)
			oldest = n;
	}
	if (!addr_is_ours(lan, a) || !lease_may_use(lan, &s->mac, a) ||
	    taken_by_other(lan, s, a))
		return false;
	if (s->addr_count == STATION_ADDRS_MAX)
		addr_drop(s, oldest);
	s->addrs[s->addr_count++] =
	    (struct station_addr){.addr = *a, .seen_ms = lan->loop.now_ms};
	return true;
}

const struct addr *
station_addr(const struct lan *lan, const struct station *s, bool four)
{
	const struct station_addr *best = NULL;
	struct addr stable = addr_eui64(&lan->config.net6.base, &s->mac);

	for (uint32_t n = 0; n < s->addr_count; n++) {
		const struct station_addr *a = &s->addrs[n];

		if (addr_is4(&a->addr) != four || addr_is_link_local(&a->addr))
			continue;
		if (!four && addr_equal(&a->addr, &stable))
			return &a->addr;
		if (!best || a->seen_ms > best->seen_ms)
			best = a;
	}
	return best ? &best->addr : NULL;
}

void
station_set_name(struct lan *lan, struct station *s, const char *name)
{
	const struct listener *l = lan->ports[s->port].listener;

	if (name_is_for(lan, l, name) && !station_by_name(lan, name) &&
	    !name_is_host(lan, name))
		snprintf(s->name, sizeof(s->name), "%s", name);
}

void
stations_of_port_forget(struct lan *lan, struct port *port)
{
	for (int i = 0; i < PORT_MACS_MAX; i++) {
		struct station *s = station_at(lan, port->stations[i]);

		if (s)
			s->used = false;
		port->stations[i] = 0;
	}
}
