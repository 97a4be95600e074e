/* SPDX-License-Identifier: MIT */
/* flow.c - a table of flows that is full: who gives way, and who never does */
#include "cmd/vk-switch/flow.h"

#include "tests/cmd/vk-switch/wire.h"
#include "tests/tap.h"

#include <sys/epoll.h>
#include <sys/resource.h>

#define PLACES 128

static int greedy_vm, modest_vm;
static struct port *greedy, *modest;
static struct station stations[2];

static struct flow_key
key_of(uint8_t proto, uint16_t number)
{
	struct flow_key k = {.proto = proto, .vm_port = number, .far_port = 80};

	addr_parse("10.76.0.23", &k.vm);
	addr_parse("192.0.2.1", &k.far);
	return k;
}

/* A flow of that VM, last used now. */
static struct flow *
add(const struct port *p, uint8_t proto, enum flow_list list, uint16_t number)
{
	struct flow_key k = key_of(proto, number);
	struct flow *f = flow_new(
	    &lan, &k, &stations[p->index], list, epoll_create1(EPOLL_CLOEXEC));

	if (f && list == FLOWS_OPEN)
		f->tcp.phase = PHASE_OPEN;
	return f;
}

static bool
is_there(uint8_t proto, uint16_t number)
{
	struct flow_key k = key_of(proto, number);

	return flow_find(&lan, &k) != NULL;
}

static void
fill(void)
{
	/* 40 datagrams, 30 half-open, the rest open; one is the other VM's. */
	for (uint16_t i = 0; i < PLACES - 1; i++)
		if (i < 40)
			add(greedy, PROTO_UDP, FLOWS_DATAGRAM_NEW, i);
		else
			add(greedy, PROTO_TCP,
			    i < 70 ? FLOWS_HALF_OPEN : FLOWS_OPEN, i);
	add(modest, PROTO_TCP, FLOWS_OPEN, 1000);
	is_int(lan.flows.used, PLACES, "the table is full");
	is_int(lan.flows.evicted, 0, "and nothing had to go");
}

/* Each flow of the modest VM takes one of the greedy one's, worst first. */
static void
gives_way(void)
{
	for (uint16_t i = 0; i < 40; i++)
		add(modest, PROTO_TCP, FLOWS_OPEN, 2000 + i);
	ok(!is_there(PROTO_UDP, 0) && !is_there(PROTO_UDP, 39),
	    "the datagrams of the VM with the most go first");
	ok(is_there(PROTO_TCP, 40) && is_there(PROTO_TCP, 70),
	    "and no connection");
	ok(add(modest, PROTO_TCP, FLOWS_OPEN, 2040) != NULL &&
		!is_there(PROTO_TCP, 40) && is_there(PROTO_TCP, 41),
	    "then the oldest that is half open");
	for (uint16_t i = 0; i < 40; i++)
		add(modest, PROTO_TCP, FLOWS_OPEN, 3000 + i);
	is_int(lan.flows.used, PLACES, "the table stays as large as it is");
	ok(is_there(PROTO_TCP, 1000), "the first of the other is there still");
	ok(modest->flows >= PLACES / 2 - 1 && greedy->flows >= PLACES / 2 - 1,
	    "each ends with half of it (%u and %u)", modest->flows,
	    greedy->flows);
}

/* The longest idle of a list. */
static struct flow *
first_of(const struct port *p, enum flow_list list)
{
	return &lan.flows.flows[lan.queues[p->index][list].first - 1];
}

/* Who has the most cannot take from others, nor from its own connections. */
static void
has_its_share(void)
{
	uint64_t refused = lan.flows.refused;
	uint32_t others;

	while (greedy->flows <= modest->flows)
		flow_free(&lan, first_of(modest, FLOWS_OPEN));
	others = modest->flows;
	while (lan.flows.used < PLACES)
		add(greedy, PROTO_TCP, FLOWS_OPEN,
		    (uint16_t)(4000 + lan.flows.used));
	ok(add(greedy, PROTO_TCP, FLOWS_OPEN, 5000) != NULL,
	    "the VM with the most takes from what it has half open");
	while (lan.queues[greedy->index][FLOWS_HALF_OPEN].count)
		flow_used(&lan, first_of(greedy, FLOWS_HALF_OPEN), FLOWS_OPEN);
	ok(!add(greedy, PROTO_TCP, FLOWS_OPEN, 5001),
	    "but from no connection: that is refused");
	is_int(lan.flows.refused, refused + 1, "and counted");
	is_int(modest->flows, others, "the other keeps what it has");
}

static void
by_last_use(void)
{
	struct flow_key k = key_of(PROTO_TCP, 3000);
	struct flow *oldest;

	flows_of_port_close(&lan, greedy);
	flows_of_port_close(&lan, modest);
	is_int(lan.flows.used, 0, "a VM that goes takes its flows along");
	for (uint16_t i = 0; i < PLACES; i++)
		add(greedy, PROTO_TCP, FLOWS_OPEN, 3000 + i);
	oldest = flow_find(&lan, &k);
	flow_used(&lan, oldest, FLOWS_OPEN);
	add(modest, PROTO_TCP, FLOWS_OPEN, 1);
	ok(is_there(PROTO_TCP, 3000) && !is_there(PROTO_TCP, 3001),
	    "of connections the one that is idle for longest goes");
}

/* The default table in full, twice: what it takes, and that it takes no more.
 * The descriptors are none, for which there would be no room. */
static void
as_many_as_can_be(void)
{
	struct err e = ERR_INIT;
	struct rusage before, full, again;

	flows_release(&lan);
	ok(flows_init(&lan, FLOWS_DEFAULT, &e) == 0, "%d places",
	    FLOWS_DEFAULT);
	getrusage(RUSAGE_SELF, &before);
	for (uint32_t i = 0; i < FLOWS_DEFAULT; i++)
		flow_new(&lan, &(struct flow_key){.vm_port = (uint16_t)i},
		    &stations[0], FLOWS_OPEN, 1 << 30);
	getrusage(RUSAGE_SELF, &full);
	is_int(lan.flows.used, FLOWS_DEFAULT, "all in use");
	ok(full.ru_maxrss - before.ru_maxrss <
		(long)(FLOWS_DEFAULT * (sizeof(struct flow) + 8) / 1024) + 1024,
	    "take %ld KiB", full.ru_maxrss - before.ru_maxrss);
	flows_of_port_close(&lan, greedy);
	is_int(lan.flows.used, 0, "all gone");
	for (uint32_t i = 0; i < FLOWS_DEFAULT; i++)
		flow_new(&lan, &(struct flow_key){.far_port = (uint16_t)i},
		    &stations[0], FLOWS_OPEN, 1 << 30);
	getrusage(RUSAGE_SELF, &again);
	ok(again.ru_maxrss - full.ru_maxrss < 256, "and again in the same");
}

int
main(void)
{
	struct err e = ERR_INIT;

	lan_defaults(&lan);
	lan.config.flows = PLACES;
	if (lan_init(&lan, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	greedy_vm = wire_port();
	modest_vm = wire_port();
	greedy = &lan.ports[0];
	modest = &lan.ports[1];
	for (uint32_t i = 0; i < 2; i++)
		stations[i] = (struct station){.used = true, .port = i};
	fill();
	gives_way();
	has_its_share();
	by_last_use();
	as_many_as_can_be();
	lan_release(&lan);
	close(greedy_vm);
	close(modest_vm);
	return tap_done();
}
