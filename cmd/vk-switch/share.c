/* SPDX-License-Identifier: MIT */
/* share.c - a table of few places that VMs have to share */
#include "cmd/vk-switch/share.h"

#include "cmd/vk-switch/port.h"

static struct share *
at(const struct share_table *t, uint32_t i)
{
	return (struct share *)((char *)t->places + i * t->size);
}

static struct share *
oldest_of(const struct share_table *t, uint32_t port)
{
	struct share *oldest = NULL;

	for (uint32_t i = 0; i < t->count; i++) {
		struct share *s = at(t, i);

		if (s->used && s->port == port &&
		    (!oldest || s->since_ms < oldest->since_ms))
			oldest = s;
	}
	return oldest;
}

void *
share_place(const struct share_table *t, uint32_t port)
{
	uint32_t counts[PORTS_MAX] = {0}, most = 0;
	struct share *empty = NULL;

	for (uint32_t i = 0; i < t->count; i++) {
		struct share *s = at(t, i);

		if (s->used)
			counts[s->port]++;
		else
			empty = s;
	}
	if (counts[port] >= t->limit)
		return t->renews ? oldest_of(t, port) : NULL;
	if (empty)
		return empty;
	for (uint32_t i = 1; i < PORTS_MAX; i++)
		if (counts[i] > counts[most])
			most = i;
	return counts[most] > counts[port] + 1 ? oldest_of(t, most) : NULL;
}
