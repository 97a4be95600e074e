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
 * one runs, so that it needs no lock. What may come and go is blocks of a
 * region that was made for that (virtio/mem.h): one thread says so, and a
 * device that was handed a pointer before finds a block that is gone empty, as
 * the mapping stays.
 */
#ifndef VK_BOOT_GMEM_H
#define VK_BOOT_GMEM_H

#include "common/err.h"
#include "common/filter.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory below and above the PCI hole; vhost-user masters hand in up to 8. */
#define GMEM_REGIONS_MAX 8

/* The blocks of a region: whether each is the guest's to use. */
struct gmem_blocks {
	uint64_t size; /* bytes of each, a power of two */
	uint64_t count;
	/* Bytes from the region's start that its processors get at, present
	 * or not; never less than before. */
	_Atomic(uint64_t) reach;
	atomic_bool present[];
};

struct gmem_region {
	uint64_t gpa;
	uint64_t len;
	uint8_t *hva;
	int fd;                     /* memfd behind it, -1: anonymous */
	uint64_t offset;            /* of the region in fd */
	struct gmem_blocks *blocks; /* NULL: all of it is there, always */
};

struct gmem {
	struct gmem_region regions[GMEM_REGIONS_MAX];
	unsigned count;
	/* Before regions are added: of the host's reserved huge pages; all of
	 * it is there from the start. */
	bool huge, filled;
};

/* Of which the reserved ones are taken; regions are multiples of it. */
#define GMEM_HUGE_PAGE (2ull << 20)

/*
 * Maps len bytes of anonymous, lazily populated memory for gpa and adds it.
 * With shared set it lies in a memfd that other processes can map. Returns 0,
 * -1 with err: EX_UNAVAILABLE where the host has not so many huge pages.
 */
int gmem_add(
    struct gmem *, uint64_t gpa, uint64_t len, int shared, struct err *);

/* As gmem_add, anonymous, for a region of whole blocks of which none is there
 * yet. */
int gmem_add_blocks(struct gmem *, uint64_t gpa, uint64_t len,
    uint64_t block_size, struct err *);

/* Whether all these blocks are there, or none is. They are blocks of the
 * region. */
bool gmem_blocks_are(
    const struct gmem_region *, uint64_t first, uint64_t count, bool present);
/* The region of blocks; NULL: there is none. */
const struct gmem_region *gmem_pluggable(const struct gmem *);
/* Makes it so. What goes is given back to the host. */
void gmem_blocks_set(const struct gmem *, const struct gmem_region *,
    uint64_t first, uint64_t count, bool present);

/* Unmaps everything. May be called twice. */
void gmem_release(struct gmem *);

/* Borrows [gpa, gpa + len), NULL unless all of it is in one region
 * and there. */
void *gmem_at(const struct gmem *, uint64_t gpa, uint64_t len);

/* Gives whole pages inside [hva, hva + len), which lies in one region, back to
 * the host; they read as zero afterwards. Huge pages stay. Returns the bytes
 * given back. */
uint64_t gmem_discard(const struct gmem *, void *hva, uint64_t len);

/*
 * Whether the host is to make huge pages of this, which begins and ends with a
 * page, where it can and has them: so it is at first. Where little is written
 * here and there, each touch would take one, and the time to clear it. What
 * there is of it already stays as it is.
 */
void gmem_pages(const struct gmem *, uint64_t gpa, uint64_t len, bool huge);

/* All of it is zero, as when it was made; none is shared, and the guest does
 * not run. 0, -1 with err. */
int gmem_clear(const struct gmem *, struct err *);

/* What gmem_resident asks of the host (filter.h). */
extern const struct filter_call gmem_calls[];

/* How much of it takes the host's memory now, in bytes. */
uint64_t gmem_resident(const struct gmem *);

#endif
