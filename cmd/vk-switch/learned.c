/* SPDX-License-Identifier: MIT */
/* learned.c - which names an address was given for */
#include "cmd/vk-switch/learned.h"

#include "cmd/vk-switch/lan.h"

#include <stdio.h>
#include <strings.h>

static bool
of_port(const struct learned *l, const struct port *p)
{
	return l->port == p->index && l->generation == p->generation;
}

void
learned_add(struct lan *lan, const struct port *port, const struct addr *a,
    const char *name, uint32_t ttl_s)
{
	struct learned_table *t = &lan->learned;
	struct learned *l = NULL;
	uint64_t ms = (uint64_t)ttl_s * 1000;

	if (ms < LEARNED_MIN_MS)
		ms = LEARNED_MIN_MS;
	if (ms > LEARNED_MAX_MS)
		ms = LEARNED_MAX_MS;
	for (uint32_t i = 0; i < LEARNED_SIZE && !l; i++) {
		struct learned *o = &t->entries[i];

		if (o->until_ms && of_port(o, port) &&
		    addr_equal(&o->addr, a) && strcasecmp(o->name, name) == 0)
			l = o;
	}
	if (!l)
		l = &t->entries[t->next++ % LEARNED_SIZE];
	l->addr = *a;
	l->port = port->index;
	l->generation = port->generation;
	l->until_ms = lan->loop.now_ms + ms;
	snprintf(l->name, sizeof(l->name), "%s", name);
}

bool
learned_matches(struct lan *lan, const struct port *port, const struct addr *a,
    const char *pattern)
{
	for (uint32_t i = 0; i < LEARNED_SIZE; i++) {
		const struct learned *l = &lan->learned.entries[i];

		if (l->until_ms > lan->loop.now_ms && of_port(l, port) &&
		    addr_equal(&l->addr, a) && name_matches(pattern, l->name))
			return true;
	}
	return false;
}

const char *
learned_name(const struct lan *lan, const struct addr *a)
{
	for (uint32_t i = 0; i < LEARNED_SIZE; i++) {
		const struct learned *l = &lan->learned.entries[i];

		if (l->until_ms && addr_equal(&l->addr, a))
			return l->name;
	}
	return NULL;
}
