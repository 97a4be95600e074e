/* SPDX-License-Identifier: MIT */
/* dhcp.c - each message of RFC 2131 by itself, and what it is answered with */
#include "cmd/vk-switch/dhcp.h"

#include "tests/cmd/vk-switch/wire.h"
#include "tests/tap.h"

#include <time.h>

static int vm;
static uint32_t transaction;

/* What a client says; all zero is left out. */
struct said {
	enum dhcp_type type;
	const char *client, *wish, *server; /* addresses */
	bool broadcast, rapid;
};

/* What it was told; type 0: nothing. */
struct told {
	enum dhcp_type type;
	struct addr yours, server, to;
	uint32_t time_s, mask;
	bool rapid;
};

static void
put_address(struct writer *w, uint8_t option, const char *text)
{
	struct addr a;

	if (!text)
		return;
	addr_parse(text, &a);
	put_be(w, option, 1);
	put_be(w, 4, 1);
	put_bytes(w, a.b + 12, 4);
}

static void
say(const struct said *s)
{
	uint8_t message[300], frame[512];
	struct writer w = writer_of(message, sizeof(message));
	struct header h = {.to_mac = all_macs};
	struct addr client;

	addr_parse(s->client ? s->client : "0.0.0.0", &client);
	h.from = client;
	addr_parse(s->client ? "10.76.0.1" : "255.255.255.255", &h.to);
	if (s->client)
		h.to_mac = lan.config.gateway_mac;
	put_be(&w, 0x01010600, 4);
	put_be(&w, ++transaction, 4);
	put_be(&w, s->broadcast ? 0x8000 : 0, 4);
	put_bytes(&w, client.b + 12, 4);
	put_zeros(&w, 12);
	put_bytes(&w, vm_mac.b, 6);
	put_zeros(&w, 10 + 192);
	put_be(&w, 0x63825363, 4);
	put_be(&w, 0x3501, 2);
	put_be(&w, s->type, 1);
	put_address(&w, 50, s->wish);
	put_address(&w, 54, s->server);
	if (s->rapid)
		put_be(&w, 0x5000, 2);
	put_be(&w, 0xff, 1);
	put_zeros(&w, w.left);
	wire_send(vm, frame,
	    wire_udp(
		frame, sizeof(frame), h, 68, 67, message, sizeof(message)));
}

static void
take_options(struct told *t, struct cursor c)
{
	while (c.left > 0) {
		uint8_t code = get_u8(&c);
		struct cursor value;
		uint8_t len;

		if (code == 255)
			return;
		if (code == 0)
			continue;
		len = get_u8(&c);
		value = cursor_of(get_bytes(&c, len), len);
		if (c.bad)
			return;
		if (code == 53)
			t->type = get_u8(&value);
		else if (code == 54 && value.left == 4)
			t->server = addr_of4(value.at);
		else if (code == 51)
			t->time_s = get_be32(&value);
		else if (code == 1)
			t->mask = get_be32(&value);
		else if (code == 80)
			t->rapid = true;
	}
}

/* The answer to what was said last. */
static struct told
hear(void)
{
	struct told t = {.type = 0};
	uint8_t frame[2048];
	ssize_t n;

	while ((n = wire_take(vm, frame, sizeof(frame))) >= 0) {
		struct packet p = {.len = 0};
		struct udp_datagram u;
		struct cursor c;
		const uint8_t *yours;

		if (packet_ethernet(&p, frame, (size_t)n) < 0 ||
		    p.type != TYPE_IP4 || packet_ip(&p) < 0 ||
		    packet_udp(&p, &u) < 0 || u.to != 68)
			continue;
		c = cursor_of(u.data, u.len);
		get_bytes(&c, 4);
		if (get_be32(&c) != transaction)
			continue;
		get_bytes(&c, 8);
		yours = get_bytes(&c, 4);
		if (!yours)
			continue;
		t.yours = addr_of4(yours);
		t.to = p.to;
		get_bytes(&c, 8 + 16 + 192 + 4);
		take_options(&t, c);
	}
	return t;
}

static struct told
ask(struct said s)
{
	say(&s);
	return hear();
}

static const char *
text(const struct addr *a)
{
	static char buffer[4][ADDR_TEXT_MAX];
	static int i;

	return addr_text(a, buffer[i++ % 4]);
}

static void
gets_an_address(char *got)
{
	struct told t = ask((struct said){.type = DHCP_DISCOVER});

	is_int(t.type, DHCP_OFFER, "DISCOVER: an offer");
	is_str(text(&t.server), "10.76.0.1", "of the gateway");
	snprintf(got, ADDR_TEXT_MAX, "%s", text(&t.yours));
	is_str(text(&t.to), got, "sent to the address itself");
	is_int(t.mask, 0xffffff00, "with the mask");
	t = ask((struct said){.type = DHCP_DISCOVER, .broadcast = true});
	is_str(text(&t.to), "255.255.255.255", "or to all, where it is asked");
	t = ask((struct said){
	    .type = DHCP_REQUEST, .wish = got, .server = "10.76.0.99"});
	is_int(t.type, 0, "REQUEST to another server: silence");
	t = ask((struct said){
	    .type = DHCP_REQUEST, .wish = got, .server = "10.76.0.1"});
	is_int(t.type, DHCP_ACK, "REQUEST: acknowledged");
	is_str(text(&t.yours), got, "what was offered");
	is_int(t.time_s, LEASE_TIME_S, "for its time");
}

static void
keeps_it(const char *got)
{
	struct told t = ask((struct said){.type = DHCP_REQUEST, .client = got});

	is_int(t.type, DHCP_ACK, "renewing");
	is_str(text(&t.to), got, "answered where it was asked from");
	t = ask((struct said){.type = DHCP_REQUEST, .wish = got});
	is_int(t.type, DHCP_ACK, "after a restart");
	t = ask((struct said){.type = DHCP_REQUEST, .wish = "192.168.9.9"});
	is_int(t.type, DHCP_NAK, "an address of another network: NAK");
	is_str(text(&t.to), "255.255.255.255", "to all");
	is_int(t.time_s, 0, "with no lease");
	t = ask((struct said){.type = DHCP_REQUEST, .wish = "10.76.0.1"});
	is_int(t.type, DHCP_NAK, "the gateway's: NAK");
	t = ask((struct said){.type = DHCP_REQUEST, .wish = "10.76.0.255"});
	is_int(t.type, DHCP_NAK, "that of all: NAK");
	t = ask((struct said){.type = DHCP_INFORM, .client = got});
	is_int(t.type, DHCP_ACK, "INFORM: acknowledged");
	is_str(text(&t.yours), "0.0.0.0", "with no address");
	is_int(t.time_s, 0, "nor a lease");
	is_int(t.mask, 0xffffff00, "but what else there is to know");
	is_str(text(&t.to), got, "sent to it");
}

static const struct lease *
lease_at(const char *address)
{
	struct addr a;

	addr_parse(address, &a);
	return lease_of_addr(&lan, &a);
}

static void
gives_it_back(const char *got)
{
	struct told t;

	ok(lease_at(got) != NULL, "the lease is held");
	is_int(ask((struct said){.type = DHCP_RELEASE, .client = got}).type, 0,
	    "RELEASE: nothing is said");
	ok(lease_at(got) == NULL, "and the lease is free");
	t = ask((struct said){.type = DHCP_DISCOVER});
	is_str(text(&t.yours), got, "who comes back gets the same");
	is_int(ask((struct said){.type = DHCP_DECLINE, .wish = got}).type, 0,
	    "DECLINE: nothing is said");
	is_int(lease_at(got)->state, LEASE_DECLINED, "and the address rests");
	t = ask((struct said){.type = DHCP_DISCOVER, .wish = got});
	is_int(t.type, DHCP_OFFER, "another is offered");
	ok(strcmp(text(&t.yours), got) != 0, "%s, not %s", text(&t.yours), got);
	is_int(ask((struct said){.type = DHCP_DECLINE, .wish = "10.76.0.200"})
		   .type,
	    0, "DECLINE of what is another's");
	ok(lease_at("10.76.0.200") == NULL, "changes nothing");
}

/* As one does that wants others to have none. */
static void
declines_all(void)
{
	unsigned resting = 0;

	for (int i = 0; i < 20; i++) {
		struct told t = ask((struct said){.type = DHCP_DISCOVER});
		char offered[ADDR_TEXT_MAX];

		snprintf(offered, sizeof(offered), "%s", text(&t.yours));
		ask((struct said){.type = DHCP_DECLINE, .wish = offered});
		ok(lease_at(offered) != NULL, "%s rests", offered);
	}
	for (int i = 0; i < LEASES_MAX; i++)
		resting += lan.leases.leases[i].state == LEASE_DECLINED &&
			   lan.leases.leases[i].until > time(NULL);
	is_int(resting, DECLINED_MAX, "but not all that a VM declines");
}

static void
is_quick(void)
{
	struct told t =
	    ask((struct said){.type = DHCP_DISCOVER, .rapid = true});

	is_int(t.type, DHCP_ACK, "rapid commit: no offer before");
	ok(t.rapid && t.time_s == LEASE_TIME_S, "and it is said so");
	is_int(lease_at(text(&t.yours))->state, LEASE_BOUND, "bound at once");
}

/* What a client says that it is called, as it is taken. */
static const char *
taken_name(const char *name)
{
	static struct dhcp_message m;
	uint8_t message[300];
	struct writer w = writer_of(message, sizeof(message));

	put_be(&w, 0x01010600, 4);
	put_zeros(&w, 24);
	put_bytes(&w, vm_mac.b, 6);
	put_zeros(&w, 10 + 192);
	put_be(&w, 0x63825363, 4);
	put_be(&w, 0x350101, 3);
	put_be(&w, 12, 1);
	put_be(&w, strlen(name), 1);
	put_bytes(&w, name, strlen(name));
	put_be(&w, 0xff, 1);
	return dhcp_parse(message, writer_len(&w), &m) < 0 ? NULL : m.name;
}

static void
has_a_name(void)
{
	is_str(taken_name("Web.example.org"), "web", "a name: its first label");
	is_str(taken_name("a b"), "", "no label, no name");
	is_str(taken_name("WPAD"), "", "nor where programs look for a proxy");
	is_str(taken_name("isatap.lan"), "", "or a tunnel");
	is_str(taken_name("localhost"), "", "or themselves");
	is_str(taken_name("wpad2"), "wpad2", "others are like all");
}

static void
bound(unsigned place, uint8_t who, const char *at, int64_t until)
{
	struct lease *l = &lan.leases.leases[place];

	*l = (struct lease){.state = LEASE_BOUND,
	    .has_mac = true,
	    .mac = {{2, 0, 0, 0, 1, who}},
	    .until = until};
	addr_parse(at, &l->addr);
}

/* A VM made anew takes over the address of its name, also if its MAC had
 * another before, which others have now. */
static void
inherits(void)
{
	struct station web = {.mac = {{2, 0, 0, 0, 1, 2}}, .name = "web"};
	int64_t later = time(NULL) + 1000;
	struct addr a;

	bound(LEASES_MAX - 3, 1, "10.76.0.201", later);
	memcpy(lan.leases.leases[LEASES_MAX - 3].name, "web", 4);
	bound(LEASES_MAX - 2, 2, "10.76.0.202", 0);
	bound(LEASES_MAX - 1, 3, "10.76.0.202", later);
	ok(lease_choose(&lan, &web, NULL, &a), "an address");
	is_str(text(&a), "10.76.0.201", "that of its name");
	lease_bind(&lan, &web, &a, LEASE_BOUND, LEASE_TIME_S);
	ok(lease_may_use(&lan, &web.mac, &a), "and it may use it");
}

int
main(void)
{
	char got[ADDR_TEXT_MAX];

	wire_lan();
	vm = wire_port();
	gets_an_address(got);
	keeps_it(got);
	gives_it_back(got);
	declines_all();
	is_quick();
	inherits();
	has_a_name();
	is_int(ask((struct said){.type = DHCP_OFFER}).type, 0,
	    "what a server says is no request");
	lan_release(&lan);
	return tap_done();
}
