/* SPDX-License-Identifier: MIT */
/* share.c - a few VMs that take what there is leave others their part */
#include "cmd/vk-switch/share.h"

#include "tests/cmd/vk-switch/wire.h"
#include "tests/tap.h"

#define PLACES  16
#define GREEDY  4
#define MODEST  GREEDY
#define QUERIES (QUERIES_PER_PORT + 4)

struct place {
	struct share share;
	int what;
};
static struct place places[PLACES];
static struct share_table table = {.places = places,
    .size = sizeof(places[0]),
    .count = PLACES,
    .limit = PLACES / 2};
static uint64_t now_ms;

static unsigned
has(uint32_t port)
{
	unsigned count = 0;

	for (int i = 0; i < PLACES; i++)
		count += places[i].share.used && places[i].share.port == port;
	return count;
}

/* Returns false where there is none. */
static bool
takes(uint32_t port)
{
	struct place *p = share_place(&table, port);

	if (p)
		p->share = (struct share){true, port, ++now_ms};
	return p;
}

static void
few_places(void)
{
	unsigned taken = 0;

	for (int i = 0; i < PLACES; i++)
		taken += takes(1);
	is_int(taken, PLACES / 2, "one VM has at most its part");
	for (int i = 0; i < PLACES; i++)
		takes(2);
	is_int(has(1) + has(2), PLACES, "two have all");
	ok(takes(3), "a third gets one nevertheless");
	ok(has(1) + has(2) == PLACES - 1, "of theirs");
	for (int i = 0; i < 1000; i++)
		taken += takes((uint32_t)(1 + i % 3));
	ok(has(1) >= 5 && has(2) >= 5 && has(3) >= 5,
	    "all that want more get to the same (%u, %u, %u)", has(1), has(2),
	    has(3));
	ok(taken < 100, "and take no more from each other then (%u)", taken);
	table.renews = true;
	table.limit = 4;
	ok(takes(1) && has(1) >= 5 && share_place(&table, 1),
	    "at its limit one loses its own oldest, where that is wanted");
}

/* ---- queries of VMs to a server that says nothing ----------------------- */

static int vms[GREEDY + 1], server;

static void
ask(unsigned vm, unsigned number)
{
	uint8_t frame[256], message[64];
	struct writer w = writer_of(message, sizeof(message));
	struct header h = {
	    .to_mac = lan.config.gateway_mac, .to = lan.config.gateway4};
	uint8_t four[4] = {10, 76, 0, (uint8_t)(20 + vm)};
	char label[32];
	int n = snprintf(label, sizeof(label), "n%u-%u", vm, number);
	size_t len;

	h.from = addr_of4(four);
	put_be(&w, (uint64_t)number << 48 | 0x010000010000, 8);
	put_be(&w, 0, 4);
	put_be(&w, (unsigned)n, 1);
	put_bytes(&w, label, (size_t)n);
	put_bytes(&w, "\7example", 9);
	put_be(&w, 0x00010001, 4);
	len = wire_udp(
	    frame, sizeof(frame), h, 4000, 53, message, writer_len(&w));
	frame[11] = (uint8_t)(0x20 + vm); /* each has a MAC of its own */
	wire_send(vms[vm], frame, len);
}

static void
queries(void)
{
	unsigned asked = 0;

	lan.policies[0].allow_rest = true; /* names */
	server = wire_server(SOCK_DGRAM);
	for (unsigned i = 0; i <= GREEDY; i++)
		vms[i] = wire_port();
	for (unsigned i = 0; i < GREEDY; i++)
		for (unsigned n = 0; n < QUERIES; n++)
			ask(i, n);
	for (unsigned i = 0; i < QUERIES_MAX; i++)
		asked += lan.resolver.queries[i].fd >= 0;
	is_int(
	    asked, QUERIES_MAX, "%d VMs ask for all that can be asked", GREEDY);
	while (recv(server, &asked, sizeof(asked), 0) > 0)
		;
	ask(MODEST, 0);
	ok(recv(server, &asked, sizeof(asked), 0) > 0,
	    "the question of another goes on all the same");
}

int
main(void)
{
	wire_lan();
	few_places();
	queries();
	lan_release(&lan);
	return tap_done();
}
