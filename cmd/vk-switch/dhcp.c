/* SPDX-License-Identifier: MIT */
/* dhcp.c - DHCP (RFC 2131), the server's part */
#include "cmd/vk-switch/dhcp.h"

#include "cmd/vk-switch/lan.h"
#include "cmd/vk-switch/udp.h"

#include <ctype.h>

#define DHCP_COOKIE    0x63825363u
#define FLAG_BROADCAST 0x8000

/* RFC 2131, 2: what every client takes. */
#define MESSAGE_MAX 576

enum option {
	OPTION_MASK = 1,
	OPTION_ROUTER = 3,
	OPTION_DNS = 6,
	OPTION_HOST_NAME = 12,
	OPTION_DOMAIN = 15,
	OPTION_MTU = 26,
	OPTION_BROADCAST = 28,
	OPTION_WISH = 50,
	OPTION_TIME = 51,
	OPTION_TYPE = 53,
	OPTION_SERVER = 54,
	OPTION_PARAMETERS = 55,
	OPTION_RENEW = 58,
	OPTION_REBIND = 59,
	OPTION_RAPID_COMMIT = 80,
	OPTION_SEARCH = 119,
	OPTION_ROUTES = 121,
	OPTION_END = 255,
};

/* Programs ask for these by themselves, and believe what is there: how to reach
 * the world (CERT VU#598349), a tunnel (RFC 5214), this very machine. */
static bool
is_believed(const char *name)
{
	static const char *const names[] = {"wpad", "isatap", "localhost"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* A host name is a label: what else is in it is not taken (RFC 1123, 2.1). */
static void
take_name(struct dhcp_message *m, const uint8_t *value, size_t len)
{
	size_t n = 0;

	while (n < len && n < sizeof(m->name) - 1 && value[n] != '.' &&
	       value[n] != 0) {
		if (!isalnum(value[n]) && (value[n] != '-' || n == 0))
			break;
		m->name[n] = (char)tolower(value[n]);
		n++;
	}
	if (n < len && value[n] != '.' && value[n] != 0)
		n = 0;
	m->name[n] = '\0';
	if (is_believed(m->name))
		m->name[0] = '\0';
}

static void
take_option(
    struct dhcp_message *m, uint8_t code, const uint8_t *value, size_t len)
{
	if (code == OPTION_TYPE && len == 1)
		m->type = value[0];
	if (code == OPTION_WISH && len == 4) {
		m->has_wish = true;
		m->wish = addr_of4(value);
	}
	if (code == OPTION_SERVER && len == 4) {
		m->has_server = true;
		m->server = addr_of4(value);
	}
	if (code == OPTION_HOST_NAME)
		take_name(m, value, len);
	if (code == OPTION_RAPID_COMMIT)
		m->rapid_commit = true;
	for (size_t i = 0; code == OPTION_PARAMETERS && i < len; i++) {
		m->wants_routes |= value[i] == OPTION_ROUTES;
		m->wants_search |= value[i] == OPTION_SEARCH;
	}
}

int
dhcp_parse(const void *data, size_t len, struct dhcp_message *m)
{
	struct cursor c = cursor_of(data, len);
	uint8_t op = get_u8(&c), hardware = get_u8(&c), length = get_u8(&c);
	const uint8_t *client, *mac;

	*m = (struct dhcp_message){.type = 0};
	get_u8(&c); /* hops */
	m->transaction = get_be32(&c);
	get_be16(&c); /* seconds */
	m->flags = get_be16(&c);
	client = get_bytes(&c, 4);
	get_bytes(&c, 12);
	mac = get_bytes(&c, 16);
	get_bytes(&c, 64 + 128);
	if (get_be32(&c) != DHCP_COOKIE || c.bad || op != 1 || hardware != 1 ||
	    length != 6)
		return -1;
	m->client = addr_of4(client);
	memcpy(m->mac.b, mac, 6);
	while (c.left > 0) {
		uint8_t code = get_u8(&c), n;
		const uint8_t *value;

		if (code == 0)
			continue;
		if (code == OPTION_END)
			break;
		n = get_u8(&c);
		value = get_bytes(&c, n);
		if (!value)
			return -1;
		take_option(m, code, value, n);
	}
	return m->type ? 0 : -1;
}

/* ---- answers ------------------------------------------------------------ */

static void
put_option4(struct writer *w, enum option code, const struct addr *a)
{
	put_be(w, code, 1);
	put_be(w, 4, 1);
	put_bytes(w, a->b + 12, 4);
}

static void
put_option_number(
    struct writer *w, enum option code, uint64_t value, size_t width)
{
	put_be(w, code, 1);
	put_be(w, width, 1);
	put_be(w, value, width);
}

static void
put_option_text(struct writer *w, enum option code, const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > 255)
		return;
	put_be(w, code, 1);
	put_be(w, len, 1);
	put_bytes(w, text, len);
}

static void
put_network(struct lan *lan, struct writer *w, const struct dhcp_message *m)
{
	const struct lan_config *c = &lan->config;
	unsigned bits = c->net4.bits - 96;
	uint32_t size = (uint32_t)1 << (32 - bits);
	struct addr broadcast = cidr_at(&c->net4, size - 1);

	put_option_number(
	    w, OPTION_MASK, ~(uint64_t)(size - 1) & 0xffffffff, 4);
	put_option4(w, OPTION_ROUTER, &c->gateway4);
	put_option4(w, OPTION_DNS, &c->gateway4);
	put_option4(w, OPTION_BROADCAST, &broadcast);
	put_option_number(w, OPTION_MTU, c->mtu, 2);
	put_option_text(w, OPTION_DOMAIN, c->domain);
	if (m->wants_search) {
		size_t len = strlen(c->domain);

		put_be(w, OPTION_SEARCH, 1);
		put_be(w, len + 2, 1);
		put_be(w, len, 1);
		put_bytes(w, c->domain, len);
		put_be(w, 0, 1);
	}
	if (m->wants_routes) {
		/* Who asks for these ignores the router: the default route. */
		put_be(w, OPTION_ROUTES, 1);
		put_be(w, 5, 1);
		put_be(w, 0, 1);
		put_bytes(w, c->gateway4.b + 12, 4);
	}
}

struct answer {
	enum dhcp_type type;
	struct addr yours; /* all zero: none */
	bool lease;        /* with times */
};

static size_t
put_answer(struct lan *lan, uint8_t *into, const struct station *s,
    const struct dhcp_message *m, const struct answer *a)
{
	struct writer w = writer_of(into, MESSAGE_MAX);

	put_be(&w, 0x02010600, 4);
	put_be(&w, m->transaction, 4);
	put_be(&w, m->flags, 4); /* seconds are 0 */
	if (a->type == DHCP_NAK)
		put_zeros(&w, 4);
	else
		put_bytes(&w, m->client.b + 12, 4);
	put_bytes(&w, a->yours.b + 12, 4);
	put_zeros(&w, 8);
	put_bytes(&w, m->mac.b, 6);
	put_zeros(&w, 10 + 64 + 128);
	put_be(&w, DHCP_COOKIE, 4);
	put_option_number(&w, OPTION_TYPE, a->type, 1);
	put_option4(&w, OPTION_SERVER, &lan->config.gateway4);
	if (a->type != DHCP_NAK)
		put_network(lan, &w, m);
	if (a->lease) {
		put_option_number(&w, OPTION_TIME, LEASE_TIME_S, 4);
		put_option_number(&w, OPTION_RENEW, LEASE_TIME_S / 2, 4);
		put_option_number(&w, OPTION_REBIND, LEASE_TIME_S / 8 * 7, 4);
		put_option_text(&w, OPTION_HOST_NAME, s->name);
		if (m->type == DHCP_DISCOVER && m->rapid_commit)
			put_be(&w, OPTION_RAPID_COMMIT << 8, 2);
	}
	put_be(&w, OPTION_END, 1);
	/* RFC 951's minimum, which some clients hold us to. */
	if (writer_len(&w) < 300)
		put_zeros(&w, 300 - writer_len(&w));
	return w.bad ? 0 : writer_len(&w);
}

/* RFC 2131, 4.1: where an answer goes. */
static void
send_answer(struct lan *lan, struct port *port, const struct station *s,
    const struct dhcp_message *m, const struct answer *a)
{
	static const uint8_t all[4] = {255, 255, 255, 255};
	uint8_t message[MESSAGE_MAX];
	struct udp_reply r = {.from = lan->config.gateway4,
	    .from_port = 67,
	    .to_port = 68,
	    .to_mac = s->mac,
	    .data = message,
	    .len = put_answer(lan, message, s, m, a)};

	if (a->type != DHCP_NAK && !addr_is_zero(&m->client)) {
		r.to = m->client;
	} else if (a->type == DHCP_NAK || m->flags & FLAG_BROADCAST ||
		   addr_is_zero(&a->yours)) {
		r.to = addr_of4(all);
		memset(r.to_mac.b, 0xff, 6);
	} else {
		r.to = a->yours;
	}
	if (r.len)
		udp_reply(lan, port, &r);
}

/* ---- requests ----------------------------------------------------------- */

static void
discover(struct lan *lan, struct port *port, struct station *s,
    const struct dhcp_message *m)
{
	struct answer a = {
	    .type = m->rapid_commit ? DHCP_ACK : DHCP_OFFER, .lease = true};
	bool commit = m->rapid_commit;

	if (!lease_choose(lan, s, m->has_wish ? &m->wish : NULL, &a.yours))
		return;
	lease_bind(lan, s, &a.yours, commit ? LEASE_BOUND : LEASE_OFFERED,
	    commit ? LEASE_TIME_S : OFFER_TIME_S);
	if (commit)
		station_claim(lan, s, &a.yours);
	send_answer(lan, port, s, m, &a);
}

/* RFC 2131, 4.3.2: selecting names us and a wish; init-reboot a wish; renewing
 * and rebinding the client's own address. */
static void
request(struct lan *lan, struct port *port, struct station *s,
    const struct dhcp_message *m)
{
	struct answer a = {.type = DHCP_ACK, .lease = true};
	struct addr wanted = m->has_wish ? m->wish : m->client;

	if (m->has_server && !addr_equal(&m->server, &lan->config.gateway4))
		return; /* another server's offer was taken */
	if (addr_is_zero(&wanted))
		return;
	if (!lease_choose(lan, s, &wanted, &a.yours) ||
	    !addr_equal(&a.yours, &wanted)) {
		a = (struct answer){.type = DHCP_NAK};
		send_answer(lan, port, s, m, &a);
		return;
	}
	lease_bind(lan, s, &wanted, LEASE_BOUND, LEASE_TIME_S);
	station_claim(lan, s, &wanted);
	send_answer(lan, port, s, m, &a);
}

void
dhcp_input(struct lan *lan, struct port *port, struct station *s,
    const struct udp_datagram *u)
{
	struct answer inform = {.type = DHCP_ACK};
	struct dhcp_message m;

	if (dhcp_parse(u->data, u->len, &m) < 0 ||
	    !mac_equal(&m.mac, &s->mac)) {
		port->count.malformed++;
		return;
	}
	/* What the user called it stands. */
	if (m.name[0] && !(port->listener && port->listener->name[0]))
		station_set_name(lan, s, m.name);
	switch (m.type) {
	case DHCP_DISCOVER:
		discover(lan, port, s, &m);
		break;
	case DHCP_REQUEST:
		request(lan, port, s, &m);
		break;
	case DHCP_DECLINE:
		lease_decline(lan, &s->mac, &m.wish);
		break;
	case DHCP_RELEASE:
		lease_release(lan, &s->mac);
		break;
	case DHCP_INFORM:
		send_answer(lan, port, s, &m, &inform);
		break;
	default:
		break;
	}
}
