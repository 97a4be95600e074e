/* SPDX-License-Identifier: MIT */
/* dns.c - DNS messages (RFC 1035, RFC 6891), taken apart and put together */
#include "cmd/vk-switch/dns.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#define FLAG_RESPONSE  0x8000
#define FLAG_AUTHORITY 0x0400
#define FLAG_TRUNCATED 0x0200
#define FLAG_RECURSION 0x0100
#define FLAG_AVAILABLE 0x0080
#define FLAG_CHECKING  0x0010

#define EDNS_DNSSEC 0x8000

#define CLASS_IN 1

/* A name has 127 labels at most, so no honest one has more jumps. */
#define JUMPS_MAX 64
/* Records of an answer that are looked at; a 64 KiB one has fewer. */
#define RECORDS_MAX 4096

/* ---- names -------------------------------------------------------------- */

static bool
add_label(struct dns_name *n, const uint8_t *label, uint8_t len)
{
	size_t at = strlen(n->text);

	if (n->wire_len + len + 2u > DNS_NAME_MAX)
		return false;
	n->wire[n->wire_len++] = len;
	memcpy(n->wire + n->wire_len, label, len);
	n->wire_len = (uint8_t)(n->wire_len + len);
	if (at)
		n->text[at++] = '.';
	for (uint8_t i = 0; i < len; i++)
		n->text[at++] =
		    isalnum(label[i]) || label[i] == '-' || label[i] == '_'
			? (char)label[i]
			: '?';
	n->text[at] = '\0';
	return true;
}

int
dns_get_name(
    struct cursor *c, const uint8_t *message, size_t len, struct dns_name *n)
{
	struct cursor at = *c;
	size_t limit = (size_t)(c->at - message);
	bool jumped = false;

	n->wire_len = 0;
	n->text[0] = '\0';
	for (int jumps = 0; jumps <= JUMPS_MAX;) {
		uint8_t size = get_u8(&at);
		const uint8_t *label;
		size_t to;

		if ((size & 0xc0) == 0xc0) {
			to = (size_t)(size & 0x3f) << 8 | get_u8(&at);
			if (!jumped)
				*c = at;
			jumped = true;
			jumps++;
			if (at.bad || to >= limit)
				break; /* forwards, or a loop */
			limit = to;
			at = cursor_of(message + to, len - to);
			continue;
		}
		label = get_bytes(&at, size);
		if (size > 63 || !label)
			break;
		if (size == 0) {
			n->wire[n->wire_len++] = 0;
			if (!jumped)
				*c = at;
			return 0;
		}
		if (!add_label(n, label, size))
			break;
	}
	c->bad = true;
	return -1;
}

int
dns_name_of(const char *text, struct dns_name *n)
{
	n->wire_len = 0;
	n->text[0] = '\0';
	while (*text) {
		size_t len = strcspn(text, ".");

		if (len == 0 || len > 63 ||
		    !add_label(n, (const uint8_t *)text, (uint8_t)len))
			return -1;
		text += len + (text[len] == '.');
	}
	n->wire[n->wire_len++] = 0;
	return 0;
}

bool
dns_name_equal(const struct dns_name *a, const struct dns_name *b)
{
	if (a->wire_len != b->wire_len)
		return false;
	for (uint8_t i = 0; i < a->wire_len; i++)
		if (tolower(a->wire[i]) != tolower(b->wire[i]))
			return false;
	return true;
}

/* ---- queries ------------------------------------------------------------ */

/* RFC 6891, 6.1: at most one, owned by the root. */
static int
parse_opt(struct cursor *c, struct dns_query *q)
{
	uint8_t root = get_u8(c);
	uint16_t type = get_be16(c), size = get_be16(c);
	uint32_t ttl = get_be32(c);
	uint16_t len = get_be16(c);

	if (root != 0 || type != DNS_OPT || !get_bytes(c, len))
		return -1;
	q->edns = true;
	q->dnssec = ttl & EDNS_DNSSEC;
	q->size = size < 512 ? 512 : size > DNS_UDP_MAX ? DNS_UDP_MAX : size;
	return 0;
}

int
dns_parse_query(
    const void *data, size_t len, struct dns_query *q, enum dns_code *code)
{
	struct cursor c = cursor_of(data, len);
	uint16_t flags, questions, answers, authorities, additional;

	*q = (struct dns_query){.id = get_be16(&c), .size = 512};
	flags = get_be16(&c);
	questions = get_be16(&c);
	answers = get_be16(&c);
	authorities = get_be16(&c);
	additional = get_be16(&c);
	if (c.bad || flags & FLAG_RESPONSE)
		return -1;
	q->opcode = flags >> 11 & 15;
	q->recursion = flags & FLAG_RECURSION;
	q->checking_disabled = flags & FLAG_CHECKING;
	*code = q->opcode ? DNS_NOTIMP : DNS_FORMERR;
	if (q->opcode || questions != 1 || answers || authorities)
		return 0;
	if (dns_get_name(&c, data, len, &q->name) < 0) {
		q->name.wire_len = 0;
		return 0;
	}
	q->type = get_be16(&c);
	q->class = get_be16(&c);
	if (c.bad || additional > 1) {
		q->name.wire_len = c.bad ? 0 : q->name.wire_len;
		return 0;
	}
	if (additional && parse_opt(&c, q) < 0)
		return 0;
	*code = q->class == CLASS_IN ? DNS_NOERROR : DNS_NOTIMP;
	return 0;
}

static void
put_question(struct writer *w, const struct dns_query *q)
{
	put_bytes(w, q->name.wire, q->name.wire_len);
	put_be(w, q->type, 2);
	put_be(w, q->class, 2);
}

static void
put_opt(struct writer *w, const struct dns_query *q)
{
	put_be(w, 0, 1);
	put_be(w, DNS_OPT, 2);
	put_be(w, DNS_UDP_MAX, 2);
	put_be(w, q->dnssec ? EDNS_DNSSEC : 0, 4);
	put_be(w, 0, 2);
}

size_t
dns_put_query(
    uint8_t *into, size_t size, const struct dns_query *q, uint16_t id)
{
	struct writer w = writer_of(into, size);

	put_be(&w, id, 2);
	put_be(
	    &w, FLAG_RECURSION | (q->checking_disabled ? FLAG_CHECKING : 0), 2);
	put_be(&w, 1, 2);
	put_be(&w, 0, 4);
	put_be(&w, q->edns, 2);
	put_question(&w, q);
	if (q->edns)
		put_opt(&w, q);
	return w.bad ? 0 : writer_len(&w);
}

/* ---- answers of our own ------------------------------------------------- */

static void
put_record(struct writer *w, uint16_t type, uint32_t ttl_s, const void *data,
    size_t len)
{
	put_be(w, 0xc000 | DNS_HEADER, 2); /* the question's name */
	put_be(w, type, 2);
	put_be(w, CLASS_IN, 2);
	put_be(w, ttl_s, 4);
	put_be(w, len, 2);
	put_bytes(w, data, len);
}

size_t
dns_put_answer(uint8_t *into, size_t size, const struct dns_query *q,
    const struct dns_answer *a)
{
	struct writer w = writer_of(into, size);
	struct dns_name pointer;
	bool has_pointer = a->pointer && dns_name_of(a->pointer, &pointer) == 0;

	put_be(&w, q->id, 2);
	put_be(&w,
	    FLAG_RESPONSE | FLAG_AVAILABLE | (uint32_t)q->opcode << 11 |
		(q->recursion ? FLAG_RECURSION : 0) |
		(a->truncated ? FLAG_TRUNCATED : 0) | a->code,
	    2);
	put_be(&w, q->name.wire_len > 0, 2);
	put_be(&w, a->addr_count + has_pointer, 2);
	put_be(&w, 0, 2);
	put_be(&w, q->edns, 2);
	if (q->name.wire_len)
		put_question(&w, q);
	for (size_t i = 0; i < a->addr_count; i++) {
		bool four = addr_is4(&a->addrs[i]);

		put_record(&w, four ? DNS_A : DNS_AAAA, a->ttl_s,
		    a->addrs[i].b + (four ? 12 : 0), four ? 4 : 16);
	}
	if (has_pointer)
		put_record(
		    &w, DNS_PTR, a->ttl_s, pointer.wire, pointer.wire_len);
	if (q->edns)
		put_opt(&w, q);
	return w.bad ? 0 : writer_len(&w);
}

/* ---- answers of servers ------------------------------------------------- */

void
dns_set_id(uint8_t *message, uint16_t id)
{
	message[0] = (uint8_t)(id >> 8);
	message[1] = (uint8_t)id;
}

void
dns_set_question(uint8_t *message, size_t len, const struct dns_query *q)
{
	if (len < (size_t)DNS_HEADER + q->name.wire_len)
		return;
	for (uint8_t i = 0; i < q->name.wire_len; i++)
		if (tolower(message[DNS_HEADER + i]) !=
		    tolower(q->name.wire[i]))
			return; /* it is written otherwise */
	memcpy(message + DNS_HEADER, q->name.wire, q->name.wire_len);
}

uint16_t
dns_id(const uint8_t *message)
{
	return (uint16_t)(message[0] << 8 | message[1]);
}

struct record {
	struct dns_name owner;
	uint16_t type, class;
	uint32_t ttl_s;
	uint8_t *ttl_at;
	struct cursor data;
};

static int
get_record(struct cursor *c, uint8_t *message, size_t len, struct record *r)
{
	uint16_t size;
	const uint8_t *data;

	if (dns_get_name(c, message, len, &r->owner) < 0)
		return -1;
	r->type = get_be16(c);
	r->class = get_be16(c);
	r->ttl_at = message + (c->at - message);
	r->ttl_s = get_be32(c);
	size = get_be16(c);
	data = get_bytes(c, size);
	if (c->bad)
		return -1;
	r->data = cursor_of(data, size);
	return 0;
}

/* RFC 2181, 8: the top bit means zero. */
static void
age(struct record *r, uint32_t age_s)
{
	struct writer w = writer_of(r->ttl_at, 4);

	if (r->ttl_s & 0x80000000)
		r->ttl_s = 0;
	r->ttl_s = r->ttl_s > age_s ? r->ttl_s - age_s : 0;
	put_be(&w, r->ttl_s, 4);
}

/* Follows the chain of CNAMEs from the question on; what hangs on no link of
 * it is nothing that was asked for. */
static void
take_record(uint8_t *message, size_t len, const struct record *r,
    struct dns_name *current, struct dns_records *out)
{
	struct dns_name target;
	struct cursor data = r->data;

	if (r->class != CLASS_IN || !dns_name_equal(&r->owner, current))
		return;
	if (r->type == DNS_CNAME) {
		struct cursor c = data;

		c.left = (size_t)(message + len - c.at);
		if (dns_get_name(&c, message, len, &target) == 0)
			*current = target;
	} else if ((r->type == DNS_A && data.left == 4) ||
		   (r->type == DNS_AAAA && data.left == 16)) {
		struct addr *a = &out->addrs[out->addr_count];

		if (out->addr_count == 64) {
			out->complete = false;
			return;
		}
		if (data.left == 4)
			*a = addr_of4(data.at);
		else
			memcpy(a->b, data.at, 16);
		out->addr_count++;
	}
}

int
dns_walk_answer(uint8_t *message, size_t len, const struct dns_query *q,
    uint32_t age_s, struct dns_records *out)
{
	struct cursor c = cursor_of(message, len);
	struct dns_name name;
	uint16_t flags, questions, counts[3];
	unsigned total = 0;

	*out = (struct dns_records){.ttl_s = UINT32_MAX, .complete = true};
	get_be16(&c);
	flags = get_be16(&c);
	questions = get_be16(&c);
	for (int i = 0; i < 3; i++)
		counts[i] = get_be16(&c);
	if (c.bad || !(flags & FLAG_RESPONSE) || questions != 1 ||
	    dns_get_name(&c, message, len, &name) < 0 ||
	    !dns_name_equal(&name, &q->name) || get_be16(&c) != q->type ||
	    get_be16(&c) != q->class)
		return -1;
	out->code = flags & 15;
	out->truncated = flags & FLAG_TRUNCATED;
	for (int section = 0; section < 3; section++)
		for (unsigned i = 0; i < counts[section]; i++) {
			struct record r;

			if (total++ == RECORDS_MAX ||
			    get_record(&c, message, len, &r) < 0)
				return out->truncated ? 0 : -1;
			if (r.type == DNS_OPT)
				continue;
			age(&r, age_s);
			if (r.ttl_s < out->ttl_s)
				out->ttl_s = r.ttl_s;
			if (section == 0)
				take_record(message, len, &r, &name, out);
		}
	if (out->ttl_s == UINT32_MAX)
		out->ttl_s = 0;
	return 0;
}

/* ---- reverse names ------------------------------------------------------ */

static int
reverse4(const char *text, size_t len, struct addr *a)
{
	unsigned b[4];
	uint8_t four[4];
	char head[16], end;

	if (len >= sizeof(head))
		return -1;
	memcpy(head, text, len);
	head[len] = '\0';
	if (sscanf(head, "%3u.%3u.%3u.%3u%c", &b[3], &b[2], &b[1], &b[0],
		&end) != 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		if (b[i] > 255)
			return -1;
		four[i] = (uint8_t)b[i];
	}
	*a = addr_of4(four);
	return 0;
}

int
dns_reverse_addr(const char *text, struct addr *a)
{
	size_t len = strlen(text);

	if (len > 13 && strcasecmp(text + len - 13, ".in-addr.arpa") == 0)
		return reverse4(text, len - 13, a);
	if (len != 72 || strcasecmp(text + 63, ".ip6.arpa") != 0)
		return -1;
	for (int i = 0; i < 32; i++) {
		char digit[2] = {text[2 * i], '\0'};
		const char *hex = "0123456789abcdef", *at;

		digit[0] = (char)tolower((unsigned char)digit[0]);
		at = strchr(hex, digit[0]);
		if (!at || !digit[0] || (i < 31 && text[2 * i + 1] != '.'))
			return -1;
		if (i % 2 == 0)
			a->b[15 - i / 2] = (uint8_t)(at - hex);
		else
			a->b[15 - i / 2] |= (uint8_t)((at - hex) << 4);
	}
	return 0;
}
