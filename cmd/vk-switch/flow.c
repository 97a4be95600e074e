/* SPDX-License-Identifier: MIT */
/* flow.c - the table of conversations between VMs and the world */
#include "cmd/vk-switch/flow.h"

#include "cmd/vk-switch/lan.h"
#include "cmd/vk-switch/ping.h"
#include "cmd/vk-switch/tcp.h"
#include "cmd/vk-switch/tcp_out.h"
#include "cmd/vk-switch/udp.h"
#include "common/scope.h"

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>

static watch_handler flow_event;

static struct flow *
at(const struct lan *lan, uint32_t reference)
{
	return reference ? &lan->flows.flows[reference - 1] : NULL;
}

uint32_t
flow_index(const struct lan *lan, const struct flow *f)
{
	return (uint32_t)(f - lan->flows.flows);
}

static uint32_t
reference_of(const struct lan *lan, const struct flow *f)
{
	return flow_index(lan, f) + 1;
}

int
flows_init(struct lan *lan, uint32_t size, struct err *e)
{
	struct flow_table *t = &lan->flows;
	uint32_t buckets = 1024;

	while (buckets < size)
		buckets *= 2;
	t->flows = mmap(NULL, size * sizeof(*t->flows), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	t->buckets =
	    mmap(NULL, buckets * sizeof(*t->buckets), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->flows == MAP_FAILED || t->buckets == MAP_FAILED)
		return err_errno(e, EX_OSERR, "memory for %u flows", size);
	if (getrandom(t->key, sizeof(t->key), 0) != sizeof(t->key))
		return err_errno(e, EX_OSERR, "getrandom");
	t->size = size;
	t->bucket_mask = buckets - 1;
	t->wheel_ms = lan->loop.now_ms;
	lan->loop.handlers[WATCH_FLOW] = flow_event;
	return 0;
}

void
flows_release(struct lan *lan)
{
	struct flow_table *t = &lan->flows;

	if (!t->size)
		return;
	for (uint32_t i = 0; i < PORTS_MAX; i++)
		flows_of_port_close(lan, &lan->ports[i]);
	munmap(t->flows, t->size * sizeof(*t->flows));
	munmap(t->buckets, (t->bucket_mask + 1) * sizeof(*t->buckets));
	*t = (struct flow_table){.size = 0};
}

/* ---- the hash ----------------------------------------------------------- */

/* SipHash-1-3's round (Aumasson and Bernstein); enough for a table. */
#define ROTATE(x, n) ((x) << (n) | (x) >> (64 - (n)))
static void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = ROTATE(v[1], 13) ^ v[0];
	v[0] = ROTATE(v[0], 32);
	v[2] += v[3];
	v[3] = ROTATE(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = ROTATE(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = ROTATE(v[1], 17) ^ v[2];
	v[2] = ROTATE(v[2], 32);
}

uint64_t
flow_hash(const struct lan *lan, const struct flow_key *k)
{
	const struct flow_table *t = &lan->flows;
	uint64_t words[5],
	    v[4] = {t->key[0] ^ 0x736f6d6570736575,
		t->key[1] ^ 0x646f72616e646f6d, t->key[0] ^ 0x6c7967656e657261,
		t->key[1] ^ 0x7465646279746573};

	memcpy(words, k->vm.b, 16);
	memcpy(words + 2, k->far.b, 16);
	words[4] =
	    (uint64_t)k->vm_port << 32 | (uint64_t)k->far_port << 8 | k->proto;
	for (int i = 0; i < 5; i++) {
		v[3] ^= words[i];
		sip_round(v);
		v[0] ^= words[i];
	}
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct flow_key
flow_key_of(const struct flow *f)
{
	return (struct flow_key){.proto = f->proto,
	    .vm = f->vm,
	    .far = f->far,
	    .vm_port = f->vm_port,
	    .far_port = f->far_port};
}

static uint32_t *
bucket_of(struct lan *lan, const struct flow_key *k)
{
	struct flow_table *t = &lan->flows;

	return &t->buckets[flow_hash(lan, k) & t->bucket_mask];
}

static bool
matches(const struct flow *f, const struct flow_key *k)
{
	return f->vm_port == k->vm_port && f->far_port == k->far_port &&
	       f->proto == k->proto && addr_equal(&f->far, &k->far) &&
	       addr_equal(&f->vm, &k->vm);
}

struct flow *
flow_find(struct lan *lan, const struct flow_key *k)
{
	struct flow *f = at(lan, lan->flows.found);

	if (f && matches(f, k))
		return f;
	f = at(lan, *bucket_of(lan, k));
	while (f && !matches(f, k))
		f = at(lan, f->hash_next);
	lan->flows.found = f ? reference_of(lan, f) : 0;
	return f;
}

struct flow *
flow_of(struct lan *lan, const struct station *s, const struct flow_key *k)
{
	struct flow *f = flow_find(lan, k);

	if (!f || f->port == s->port)
		return f;
	if (f->proto == PROTO_TCP)
		tcp_reset(lan, f);
	flow_free(lan, f);
	return NULL;
}

static void
unhash(struct lan *lan, struct flow *f)
{
	struct flow_key k = flow_key_of(f);
	uint32_t *link = bucket_of(lan, &k);

	while (*link && *link != reference_of(lan, f))
		link = &lan->flows.flows[*link - 1].hash_next;
	*link = f->hash_next;
}

/* ---- lists by last use -------------------------------------------------- */

static struct flow_queue *
queue_of(struct lan *lan, const struct flow *f)
{
	return &lan->queues[f->port][f->list];
}

static void
list_remove(struct lan *lan, struct flow *f)
{
	struct flow_queue *q = queue_of(lan, f);
	struct flow *before = at(lan, f->list_before);
	struct flow *after = at(lan, f->list_after);

	*(before ? &before->list_after : &q->first) = f->list_after;
	*(after ? &after->list_before : &q->last) = f->list_before;
	q->count--;
}

static void
list_append(struct lan *lan, struct flow *f, enum flow_list list)
{
	struct flow_queue *q;
	struct flow *last;

	f->list = list;
	q = queue_of(lan, f);
	last = at(lan, q->last);
	f->list_before = q->last;
	f->list_after = 0;
	*(last ? &last->list_after : &q->first) = reference_of(lan, f);
	q->last = reference_of(lan, f);
	q->count++;
}

void
flow_used(struct lan *lan, struct flow *f, enum flow_list list)
{
	f->used_ms = lan->loop.now_ms;
	if (f->list == list && f->list_after == 0)
		return;
	list_remove(lan, f);
	list_append(lan, f, list);
}

/* ---- coming and going --------------------------------------------------- */

void
flow_evict(struct lan *lan, struct flow *f)
{
	lan->flows.evicted++;
	if (f->proto == PROTO_TCP)
		tcp_reset(lan, f);
	flow_free(lan, f);
}

bool
flow_make_place(struct lan *lan, const struct port *asking)
{
	static const uint8_t order[] = {
	    FLOWS_DATAGRAM_NEW, FLOWS_DATAGRAM, FLOWS_HALF_OPEN, FLOWS_OPEN};
	const struct port *victim = asking;

	for (uint32_t i = 0; i < lan->port_top; i++)
		if (!victim || lan->ports[i].flows > victim->flows)
			victim = &lan->ports[i];
	for (size_t i = 0; victim && i < sizeof(order); i++) {
		struct flow_queue *q = &lan->queues[victim->index][order[i]];

		/* Against oneself no connection in use is lost. */
		if (victim == asking && order[i] == FLOWS_OPEN)
			return false;
		if (q->first) {
			flow_evict(lan, at(lan, q->first));
			return true;
		}
	}
	return false;
}

/* A place from the free list, or one never used. */
static struct flow *
take_place(struct lan *lan)
{
	struct flow_table *t = &lan->flows;
	struct flow *f;

	if (t->free) {
		f = at(lan, t->free);
		t->free = f->hash_next;
	} else if (t->top < t->size) {
		f = &t->flows[t->top++];
	} else {
		return NULL;
	}
	t->used++;
	return f;
}

bool
flow_may_open(struct lan *lan, struct port *port)
{
	if (lan->queues[port->index][FLOWS_HALF_OPEN].count < HALF_OPEN_MAX)
		return true;
	if (lan->loop.now_ms - port->exchanged_ms >= HALF_OPEN_EVERY_MS) {
		port->exchanged_ms = lan->loop.now_ms;
		return true;
	}
	lan->flows.refused++;
	port->refusals++;
	return false;
}

struct flow *
flow_new(struct lan *lan, const struct flow_key *k, const struct station *s,
    enum flow_list list, int fd)
{
	struct port *port = &lan->ports[s->port];
	struct flow_queue *half = &lan->queues[s->port][FLOWS_HALF_OPEN];
	uint32_t *bucket, generation;
	struct flow *f;

	if (list == FLOWS_HALF_OPEN && half->first &&
	    half->count >= HALF_OPEN_MAX)
		flow_evict(lan, at(lan, half->first));
	f = take_place(lan);
	if (!f && flow_make_place(lan, port))
		f = take_place(lan);
	if (!f) {
		lan->flows.refused++;
		fd_close(&fd);
		return NULL;
	}
	generation = f->generation;
	*f = (struct flow){.fd = fd,
	    .proto = k->proto,
	    .vm = k->vm,
	    .far = k->far,
	    .vm_port = k->vm_port,
	    .far_port = k->far_port,
	    .port = s->port,
	    .vm_mac = s->mac,
	    .generation = generation + 1,
	    .used_ms = lan->loop.now_ms};
	bucket = bucket_of(lan, k);
	f->hash_next = *bucket;
	*bucket = reference_of(lan, f);
	list_append(lan, f, list);
	port->flows++;
	lan->flows.total++;
	return f;
}

static void
wheel_remove(struct lan *lan, struct flow *f)
{
	struct flow *before = at(lan, f->wheel_before);
	struct flow *after = at(lan, f->wheel_next);

	if (!f->wheel_slot)
		return;
	if (before)
		before->wheel_next = f->wheel_next;
	else
		lan->flows.wheel[f->wheel_slot - 1] = f->wheel_next;
	if (after)
		after->wheel_before = f->wheel_before;
	f->wheel_slot = 0;
	lan->flows.armed--;
}

/* What is still linked from a list of this turn is given back when that is
 * walked. */
static void
give_place(struct lan *lan, struct flow *f)
{
	if (f->dirty || f->waiting)
		return;
	f->hash_next = lan->flows.free;
	lan->flows.free = reference_of(lan, f);
}

void
flow_free(struct lan *lan, struct flow *f)
{
	struct flow_table *t = &lan->flows;

	if (t->found == reference_of(lan, f))
		t->found = 0;
	unhash(lan, f);
	list_remove(lan, f);
	wheel_remove(lan, f);
	if (f->proto == PROTO_TCP)
		tcp_forget(lan, f);
	else
		udp_forget(lan, f);
	fd_close(&f->fd);
	f->generation++;
	lan->ports[f->port].flows--;
	t->used--;
	give_place(lan, f);
}

void
flow_touch(struct lan *lan, struct flow *f)
{
	if (f->dirty)
		return;
	f->dirty = true;
	f->dirty_next = lan->flows.dirty;
	lan->flows.dirty = reference_of(lan, f);
}

void
flows_settle(struct lan *lan)
{
	udp_send_batch(lan);
	tcp_send_batch(lan);
	while (lan->flows.dirty) {
		struct flow *f = at(lan, lan->flows.dirty);

		lan->flows.dirty = f->dirty_next;
		f->dirty = false;
		if (f->fd < 0)
			give_place(lan, f);
		else
			tcp_settle(lan, f);
	}
}

void
flow_wait(struct lan *lan, struct flow *f)
{
	struct port *p = &lan->ports[f->port];

	if (f->waiting)
		return;
	f->waiting = true;
	f->waiting_next = 0;
	*(p->waiting ? &at(lan, p->waiting_last)->waiting_next : &p->waiting) =
	    reference_of(lan, f);
	p->waiting_last = reference_of(lan, f);
}

/* Each once, for as long as there is room; whoever waits again does so behind
 * those that had no turn yet. */
void
flows_of_port_resume(struct lan *lan, struct port *p)
{
	uint32_t last = p->waiting_last, reference = 0;
	struct flow *f;

	while (reference != last && (f = at(lan, p->waiting)) &&
	       (f->fd < 0 || !tcp_port_is_full(lan, f))) {
		reference = p->waiting;
		p->waiting = f->waiting_next;
		f->waiting = false;
		if (f->fd < 0)
			give_place(lan, f);
		else
			tcp_settle(lan, f);
	}
	flows_settle(lan);
}

void
flows_of_port_close(struct lan *lan, struct port *p)
{
	for (int list = 0; list < FLOW_LISTS; list++) {
		struct flow_queue *q = &lan->queues[p->index][list];

		while (q->first) {
			struct flow *f = at(lan, q->first);

			if (f->proto == PROTO_TCP)
				tcp_abort_socket(f);
			flow_free(lan, f);
		}
	}
	flows_of_port_resume(lan, p);
}

/* ---- time --------------------------------------------------------------- */

static void
wheel_insert(struct lan *lan, struct flow *f)
{
	struct flow_table *t = &lan->flows;
	uint64_t when = f->deadline_ms;
	uint64_t horizon = t->wheel_ms + (WHEEL_SLOTS - 1) * WHEEL_SLOT_MS;
	uint32_t slot;

	if (when < t->wheel_ms + WHEEL_SLOT_MS)
		when = t->wheel_ms + WHEEL_SLOT_MS;
	if (when > horizon)
		when = horizon;
	slot = (uint32_t)(when / WHEEL_SLOT_MS % WHEEL_SLOTS);
	f->wheel_slot = (uint16_t)(slot + 1);
	f->wheel_due_ms = when;
	f->wheel_before = 0;
	f->wheel_next = t->wheel[slot];
	if (f->wheel_next)
		at(lan, f->wheel_next)->wheel_before = reference_of(lan, f);
	t->wheel[slot] = reference_of(lan, f);
	t->armed++;
}

void
flow_timer(struct lan *lan, struct flow *f, uint64_t after_ms)
{
	uint64_t when = after_ms ? lan->loop.now_ms + after_ms : 0;
	bool sooner = when && f->wheel_slot && when < f->wheel_due_ms;

	f->deadline_ms = when;
	if (sooner)
		wheel_remove(lan, f);
	if (when && !f->wheel_slot)
		wheel_insert(lan, f);
}

static void
wheel_slot_due(struct lan *lan, uint32_t slot)
{
	uint32_t reference = lan->flows.wheel[slot];

	while (reference) {
		struct flow *f = at(lan, reference);

		wheel_remove(lan, f);
		if (f->deadline_ms > lan->loop.now_ms) {
			wheel_insert(lan, f);
		} else if (f->deadline_ms) {
			f->deadline_ms = 0;
			tcp_timeout(lan, f);
		}
		/* Whatever went or came: what is left in the slot is due, and
		 * what was put in now lies in a later one. */
		reference = lan->flows.wheel[slot];
	}
}

void
flows_turn_wheel(struct lan *lan)
{
	struct flow_table *t = &lan->flows;
	uint64_t now = lan->loop.now_ms;

	if (now - t->wheel_ms > WHEEL_SLOTS * WHEEL_SLOT_MS)
		t->wheel_ms = now - WHEEL_SLOTS * WHEEL_SLOT_MS;
	while (t->wheel_ms + WHEEL_SLOT_MS <= now) {
		t->wheel_ms += WHEEL_SLOT_MS;
		wheel_slot_due(
		    lan, (uint32_t)(t->wheel_ms / WHEEL_SLOT_MS % WHEEL_SLOTS));
	}
}

static void
expire_list(struct lan *lan, struct flow_queue *q, uint64_t idle_ms)
{
	struct flow *f;

	while ((f = at(lan, q->first)) &&
	       lan->loop.now_ms - f->used_ms >= idle_ms) {
		if (f->proto == PROTO_TCP)
			tcp_reset(lan, f);
		flow_free(lan, f);
	}
}

void
flows_expire(struct lan *lan)
{
	for (uint32_t i = 0; i < lan->port_top; i++) {
		struct flow_queue *q = lan->queues[i];

		expire_list(lan, &q[FLOWS_DATAGRAM_NEW], UDP_NEW_IDLE_MS);
		expire_list(lan, &q[FLOWS_DATAGRAM], UDP_IDLE_MS);
		expire_list(lan, &q[FLOWS_OPEN], TCP_IDLE_MS);
	}
}

static void
flow_event(struct lan *lan, const struct watch *w, uint32_t events)
{
	struct flow *f = &lan->flows.flows[w->index];

	if (f->fd < 0 || (f->generation & 0xffffff) != w->generation)
		return;
	if (f->proto == PROTO_TCP)
		tcp_event(lan, f, events);
	else if (f->proto == PROTO_UDP)
		udp_event(lan, f, events);
	else
		ping_event(lan, f, events);
}
