/* SPDX-License-Identifier: MIT */
/*
 * learned.h - which names an address was given for
 *
 * Filled only from DNS answers that passed through this switch on their way to
 * a VM, and only that VM may use them: what one VM asked for opens nothing for
 * another. Entries live as long as the answer, at least LEARNED_MIN_MS (a
 * program connects later than it asks) and at most LEARNED_MAX_MS.
 *
 * Each VM has a ring of its own, whose oldest goes: who asks for many names
 * makes the switch forget nobody's but its own. Beside the ring lie tags of its
 * addresses, so that looking for one, which each rule for a name does for each
 * new connection, reads 4 KiB and not 300.
 */
#ifndef VK_SWITCH_LEARNED_H
#define VK_SWITCH_LEARNED_H

#include "cmd/vk-switch/addr.h"
#include "cmd/vk-switch/policy.h"
#include "cmd/vk-switch/port.h"

/* Names with each of their addresses: a hundred of those that have most. */
#define LEARNED_PER_PORT 1024
/* Of one address; each costs time in each rule for a name. */
#define LEARNED_NAMES_MAX 64
#define LEARNED_MIN_MS    (60 * 1000)
#define LEARNED_MAX_MS    (3600 * 1000)

struct learned {
	struct addr addr;
	uint64_t until_ms;
	char name[NAME_MAX_TEXT + 1];
};

struct learned_ring {
	uint32_t generation; /* of the port that it is for */
	uint32_t next;
	uint32_t tags[LEARNED_PER_PORT]; /* 0: empty */
	struct learned entries[LEARNED_PER_PORT];
};

struct learned_table {
	struct learned_ring rings[PORTS_MAX];
};

struct lan;

void learned_add(struct lan *, const struct port *, const struct addr *,
    const char *name, uint32_t ttl_s);
bool learned_matches(struct lan *, const struct port *, const struct addr *,
    const char *pattern);
/* For the log: any name that this VM knows it by; NULL: none. */
const char *learned_name(
    struct lan *, const struct port *, const struct addr *);

#endif
