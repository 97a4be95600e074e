/* SPDX-License-Identifier: MIT */
/* station.c - whose a MAC and a name are, with sockets for certain VMs */
#include "cmd/vk-switch/station.h"

#include "tests/cmd/vk-switch/wire.h"
#include "tests/tap.h"

static const struct mac kept = {{2, 0, 0, 0, 0, 0x99}},
			strangers = {{2, 0, 0, 0, 0, 1}},
			webs = {{2, 0, 0, 0, 0, 2}},
			seconds = {{2, 0, 0, 0, 0, 3}};
static struct addr reserved;

/* A VM comes by that socket. */
static struct port *
comes_by(uint32_t listener)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) < 0)
		exit(1);
	return port_open(&lan, ends[0], &lan.listeners[listener]);
}

static bool
is_given_reserved(const struct station *s)
{
	struct addr a;

	return lease_choose(&lan, s, NULL, &a) && addr_equal(&a, &reserved);
}

int
main(void)
{
	struct port *stranger, *web, *db;
	struct station *s;
	struct err e = ERR_INIT;

	wire_lan();
	lan.config.macs_per_port = 2;
	addr_parse("10.76.0.9", &reserved);
	if (listener_add(&lan, "any", &e) < 0 ||
	    listener_add(&lan, "web,name=web,ip=10.76.0.9", &e) < 0 ||
	    listener_add(&lan, "db,mac=02:00:00:00:00:99", &e) < 0 ||
	    lease_reserve(&lan, "web=10.76.0.9", &e) < 0)
		exit(1);

	stranger = comes_by(0);
	s = station_of_sender(&lan, stranger, &strangers);
	ok(s != NULL, "a VM on a socket for any");
	station_set_name(&lan, s, "web");
	is_str(s->name, "", "does not get the name that a socket is for");
	station_set_name(&lan, s, "WEB");
	is_str(s->name, "", "in no other case either");
	ok(!is_given_reserved(s), "nor the address that is kept for it");
	ok(!station_claim(&lan, s, &reserved), "nor may it take that");
	station_set_name(&lan, s, "other");
	is_str(s->name, "other", "but one that is nobody's");
	ok(!station_of_sender(&lan, stranger, &kept),
	    "nor has it the MAC of another socket");

	web = comes_by(1);
	s = station_of_sender(&lan, web, &webs);
	is_str(
	    s ? s->name : NULL, "web", "who comes by that socket has the name");
	ok(s && is_given_reserved(s), "and the address");
	ok(s && station_claim(&lan, s, &reserved), "and may use it");
	db = comes_by(2);
	ok(!station_of_sender(&lan, db, &seconds) &&
		station_of_sender(&lan, db, &kept),
	    "and the other that MAC, and no other");
	lan_release(&lan);
	return tap_done();
}
