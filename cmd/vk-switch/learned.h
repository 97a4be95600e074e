/* SPDX-License-Identifier: MIT */
/*
 * learned.h - which names an address was given for
 *
 * Filled only from DNS answers that passed through this switch on their way to
 * a VM, and only that VM may use them: what one VM asked for opens nothing for
 * another. Entries live as long as the answer, at least LEARNED_MIN_MS (a
 * program connects later than it asks) and at most LEARNED_MAX_MS. The table
 * is a ring; the oldest goes.
 */
#ifndef VK_SWITCH_LEARNED_H
#define VK_SWITCH_LEARNED_H

#include "cmd/vk-switch/addr.h"
#include "cmd/vk-switch/policy.h"

#define LEARNED_SIZE   4096
#define LEARNED_MIN_MS (60 * 1000)
#define LEARNED_MAX_MS (3600 * 1000)

struct learned {
	struct addr addr;
	uint64_t until_ms; /* 0: empty */
	uint32_t port, generation;
	char name[NAME_MAX_TEXT + 1];
};

struct learned_table {
	uint32_t next;
	struct learned entries[LEARNED_SIZE];
};

struct lan;
struct port;

void learned_add(struct lan *, const struct port *, const struct addr *,
    const char *name, uint32_t ttl_s);
bool learned_matches(struct lan *, const struct port *, const struct addr *,
    const char *pattern);
/* For the log: any name; NULL: none. */
const char *learned_name(const struct lan *, const struct addr *);

#endif
