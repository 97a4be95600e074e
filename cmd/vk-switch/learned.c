/* SPDX-License-Identifier: MIT */
/* learned.c - which names an address was given for */
#include "cmd/vk-switch/learned.h"

#include "cmd/vk-switch/lan.h"

#include <stdio.h>
#include <strings.h>

/* Of tags that are compared together. */
#define BLOCK 16

/* Emptied for a VM that has come to the place of another. */
static struct learned_ring *
ring_of(struct lan *lan, const struct port *p)
{
	struct learned_ring *r = &lan->learned.rings[p->index];

	if (r->generation != p->generation) {
		r->generation = p->generation;
		r->next = 0;
		memset(r->tags, 0, sizeof(r->tags));
	}
	return r;
}

static uint32_t
tag_of(const struct addr *a)
{
	uint64_t halves[2];

	memcpy(halves, a->b, sizeof(halves));
	halves[1] ^= halves[0] * 0x9e3779b97f4a7c15u;
	return (uint32_t)(halves[1] * 0x9e3779b97f4a7c15u >> 32) | 1;
}

/* In a form that compilers turn into vector instructions. */
static bool
block_has(const uint32_t *tags, uint32_t tag)
{
	uint32_t found = 0;

	for (int i = 0; i < BLOCK; i++)
		found |= tags[i] == tag;
	return found;
}

/* The next entry for the address from *i on, which moves behind it; NULL: no
 * more. */
static struct learned *
next_entry(struct learned_ring *r, const struct addr *a, uint32_t *i)
{
	uint32_t tag = tag_of(a);

	while (*i < LEARNED_PER_PORT) {
		uint32_t n = *i;

		if (n % BLOCK == 0 && !block_has(r->tags + n, tag)) {
			*i += BLOCK;
			continue;
		}
		(*i)++;
		if (r->tags[n] == tag && addr_equal(&r->entries[n].addr, a))
			return &r->entries[n];
	}
	return NULL;
}

/* Where a name of the address is to be kept. */
static struct learned *
place_for(struct learned_ring *r, const struct addr *a, const char *name)
{
	struct learned *l, *oldest = NULL;
	uint32_t i = 0, count = 0;

	while ((l = next_entry(r, a, &i))) {
		if (strcasecmp(l->name, name) == 0)
			return l;
		if (!oldest || l->until_ms < oldest->until_ms)
			oldest = l;
		count++;
	}
	if (count >= LEARNED_NAMES_MAX)
		return oldest;
	i = r->next++ % LEARNED_PER_PORT;
	r->tags[i] = tag_of(a);
	return &r->entries[i];
}

void
learned_add(struct lan *lan, const struct port *port, const struct addr *a,
    const char *name, uint32_t ttl_s)
{
	struct learned *l = place_for(ring_of(lan, port), a, name);
	uint64_t ms = (uint64_t)ttl_s * 1000;

	if (ms < LEARNED_MIN_MS)
		ms = LEARNED_MIN_MS;
	if (ms > LEARNED_MAX_MS)
		ms = LEARNED_MAX_MS;
	l->addr = *a;
	l->until_ms = lan->loop.now_ms + ms;
	snprintf(l->name, sizeof(l->name), "%s", name);
}

bool
learned_matches(struct lan *lan, const struct port *port, const struct addr *a,
    const char *pattern)
{
	struct learned_ring *r = ring_of(lan, port);
	const struct learned *l;
	uint32_t i = 0;

	while ((l = next_entry(r, a, &i)))
		if (l->until_ms > lan->loop.now_ms &&
		    name_matches(pattern, l->name))
			return true;
	return false;
}

const char *
learned_name(struct lan *lan, const struct port *port, const struct addr *a)
{
	uint32_t i = 0;
	const struct learned *l = next_entry(ring_of(lan, port), a, &i);

	return l ? l->name : NULL;
}
