/* SPDX-License-Identifier: MIT */
/* fragment.c - IP fragments: put together from VMs, made for them */
#include "cmd/vk-switch/fragment.h"

#include "cmd/vk-switch/lan.h"

static bool
same(const struct fragment_place *f, const struct packet *p)
{
	return f->share.used && f->id == p->fragment_id &&
	       f->proto == p->proto && addr_equal(&f->from, &p->from) &&
	       addr_equal(&f->to, &p->to);
}

static struct fragment_place *
place_for(struct lan *lan, const struct port *port, const struct packet *p)
{
	const struct share_table t = {.places = lan->fragments,
	    .size = sizeof(struct fragment_place),
	    .count = FRAGMENTS_MAX,
	    .limit = FRAGMENTS_PER_PORT,
	    .renews = true};
	struct fragment_place *f;

	for (unsigned i = 0; i < FRAGMENTS_MAX; i++) {
		f = &lan->fragments[i];
		if (lan->loop.now_ms - f->share.since_ms > FRAGMENT_MS)
			f->share.used = false;
		if (same(f, p) && f->share.port == port->index)
			return f;
	}
	f = share_place(&t, port->index);
	if (!f)
		return NULL;
	f->share = (struct share){true, port->index, lan->loop.now_ms};
	f->from = p->from;
	f->to = p->to;
	f->id = p->fragment_id;
	f->proto = p->proto;
	f->total = f->have = f->count = 0;
	return f;
}

/* Returns false where the datagram is void. A piece that came before is no
 * overlap. */
static bool
add_piece(struct fragment_place *f, const struct packet *p)
{
	uint32_t at = p->fragment_at, end;

	if (p->body_len == 0 || p->body_len > sizeof(f->body) - at)
		return false;
	end = at + (uint32_t)p->body_len;
	if (p->more_fragments && p->body_len % 8)
		return false;
	for (uint32_t i = 0; i < f->count; i++) {
		const struct fragment_piece *o = &f->pieces[i];

		if (o->at == at && o->end == end)
			return true;
		if (at < o->end && o->at < end)
			return false;
	}
	if (f->count == FRAGMENT_PIECES || (f->total && end > f->total))
		return false;
	if (!p->more_fragments) {
		if (f->total)
			return false;
		for (uint32_t i = 0; i < f->count; i++)
			if (f->pieces[i].end > end)
				return false;
		f->total = end;
	}
	f->pieces[f->count++] = (struct fragment_piece){at, end};
	f->have += end - at;
	memcpy(f->body + at, p->body, p->body_len);
	if (at == 0)
		f->hop_limit = p->hop_limit;
	return true;
}

bool
fragment_input(struct lan *lan, struct port *port, struct packet *p)
{
	struct fragment_place *f = place_for(lan, port, p);

	if (!f)
		return false;
	if (!add_piece(f, p)) {
		f->share.used = false;
		port->count.malformed++;
		return false;
	}
	if (!f->total || f->have != f->total)
		return false;
	f->share.used = false;
	p->body = f->body;
	p->body_len = f->total;
	p->hop_limit = f->hop_limit;
	p->offload = (struct offload){.gso = GSO_NONE};
	return true;
}

void
fragments_of_port_forget(struct lan *lan, const struct port *port)
{
	for (unsigned i = 0; i < FRAGMENTS_MAX; i++)
		if (lan->fragments[i].share.port == port->index)
			lan->fragments[i].share.used = false;
}

/* One piece in a frame of its own. */
static void
send_piece(struct lan *lan, struct port *port, const struct fragment_source *s,
    size_t at, size_t len)
{
	uint8_t frame[ETH_LEN + 65535];
	struct writer w = writer_of(frame, sizeof(frame));
	struct header h = s->header;
	bool more = at + len < s->len;

	if (addr_is4(&h.to)) {
		h.id = (uint16_t)lan->fragment_id;
		h.may_fragment = true;
		h.fragment = (uint16_t)(at / 8 | (more ? 0x2000 : 0));
		put_header(&w, &h, len);
	} else {
		h.proto = 44;
		put_header(&w, &h, len + 8);
		put_be(&w, s->header.proto, 1);
		put_be(&w, 0, 1);
		put_be(&w, at | more, 2);
		put_be(&w, lan->fragment_id, 4);
	}
	put_bytes(&w, s->body + at, len);
	if (!w.bad)
		port_send(lan, port, frame, writer_len(&w), NULL);
}

void
fragment_send(
    struct lan *lan, struct port *port, const struct fragment_source *s)
{
	size_t most = lan->config.mtu - header_len(&s->header.to) + ETH_LEN;
	size_t len;

	if (!addr_is4(&s->header.to))
		most -= 8;
	most -= most % 8;
	lan->fragment_id++;
	for (size_t at = 0; at < s->len; at += len) {
		len = s->len - at < most ? s->len - at : most;
		send_piece(lan, port, s, at, len);
	}
}
