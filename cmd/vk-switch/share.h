/* SPDX-License-Identifier: MIT */
/*
 * share.h - a table of few places that VMs have to share
 *
 * One VM has at most the table's limit. That alone would let a few of them,
 * each at its limit, leave nothing to the others; so where all places are in
 * use, the VM with the most gives its oldest to one that has fewer by two or
 * more. Then no two can take one from each other without end, and who is told
 * that there is none is bounded in how often it makes work.
 *
 * struct share is the first member of what has a place.
 */
#ifndef VK_SWITCH_SHARE_H
#define VK_SWITCH_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct share {
	bool used;
	uint32_t port; /* index */
	uint64_t since_ms;
};

struct share_table {
	void *places;
	size_t size; /* of a place */
	uint32_t count, limit;
	bool renews; /* at its limit a VM loses its own oldest */
};

/* A place for that VM: free, or in use (share.used), which the caller is to
 * end. NULL: none. */
void *share_place(const struct share_table *, uint32_t port);

#endif
