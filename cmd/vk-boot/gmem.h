/* SPDX-License-Identifier: MIT */
/*
 * gmem.h - the guest's memory, as the host may touch it
 *
 * A guest-physical address from the guest is a claim. gmem_at is the only way
 * from one (gpa) to a pointer (hva), always with a length, and it answers only
 * where the whole range lies in one region. What lies there may change at any
 * moment: the guest runs on. Read once, decide on the copy.
 *
 * The table is filled before the first device starts and never changes while
 * one runs, so that it needs no lock.
 */
#ifndef VK_BOOT_GMEM_H
#define VK_BOOT_GMEM_H

#include "common/err.h"
#include "common/filter.h"

#include <stddef.h>
#include <stdint.h>

/* Memory below and above the PCI hole; vhost-user masters hand in up to 8. */
#define GMEM_REGIONS_MAX 8

struct gmem_region {
	uint64_t gpa;
	uint64_t len;
	uint8_t *hva;
	int fd;          /* memfd behind it, -1: anonymous */
	uint64_t offset; /* of the region in fd */
};

struct gmem {
	struct gmem_region regions[GMEM_REGIONS_MAX];
	unsigned count;
};

/*
 * Maps len bytes of anonymous, lazily populated memory for gpa and adds it.
 * With shared set it lies in a memfd that other processes can map. Returns 0,
 * -1 with err.
 */
int gmem_add(
    struct gmem *, uint64_t gpa, uint64_t len, int shared, struct err *);

/* Unmaps everything. May be called twice. */
void gmem_release(struct gmem *);

/* Borrows [gpa, gpa + len), NULL unless all of it is in one region. */
void *gmem_at(const struct gmem *, uint64_t gpa, uint64_t len);

/* Gives whole pages inside [hva, hva + len), which lies in one region, back to
 * the host; they read as zero afterwards. Returns the bytes given back. */
uint64_t gmem_discard(const struct gmem *, void *hva, uint64_t len);

/* What gmem_resident asks of the host (filter.h). */
extern const struct filter_call gmem_calls[];

/* How much of it takes the host's memory now, in bytes. */
uint64_t gmem_resident(const struct gmem *);

#endif
