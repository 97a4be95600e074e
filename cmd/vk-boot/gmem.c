/* SPDX-License-Identifier: MIT */
/* gmem.c - the guest's memory, as the host may touch it */
#include "cmd/vk-boot/gmem.h"

#include "common/scope.h"
#include "common/size.h"

#include <fcntl.h>
#include <linux/mman.h> /* MAP_HUGE_2MB */
#include <stdlib.h>
#include <sys/mman.h>

/* At that place, or anywhere (NULL). MAP_FAILED with errno. */
static void *
map(const struct gmem *mem, void *place, uint64_t len, int fd)
{
	int flags = fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
	void *at;

	flags |= mem->huge ? MAP_HUGETLB | MAP_HUGE_2MB : MAP_NORESERVE;
	flags |= place ? MAP_FIXED : 0;
	at = mmap(place, len, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (at == MAP_FAILED)
		return at;
	/* Huge pages where there are any; a guest's memory is none of a core
	 * dump's business. */
	madvise(at, len, MADV_HUGEPAGE);
	madvise(at, len, MADV_DONTDUMP);
	return at;
}

/* Has the host give all of it now. 0, -1 with errno. */
static int
fill(uint8_t *at, uint64_t len)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	int result;

	do
		result = madvise(at, len, MADV_POPULATE_WRITE);
	while (result < 0 && errno == EINTR);
	if (result == 0 || errno != EINVAL)
		return result;
	/* Before Linux 5.14. */
	for (uint64_t i = 0; i < len; i += page)
		*(volatile uint8_t *)(at + i) = 0;
	return 0;
}

static int
no_memory(const struct gmem *mem, uint64_t len, struct err *e)
{
	char text[SIZE_TEXT_MAX];

	if (!mem->huge)
		return err_errno(
		    e, EX_OSERR, "guest memory of %s", size_text(len, text));
	err_errno(e, EX_UNAVAILABLE, "--hugepages: %ju huge pages of 2M",
	    (uintmax_t)(len / GMEM_HUGE_PAGE));
	return err_hint(
	    e, "the host reserves them: sudo sysctl vm.nr_hugepages=N");
}

int
gmem_add(
    struct gmem *mem, uint64_t gpa, uint64_t len, int shared, struct err *e)
{
	struct gmem_region *r = &mem->regions[mem->count];
	cleanup_fd int fd = -1;
	void *at;

	if (mem->count == GMEM_REGIONS_MAX)
		return err_set(e, EX_SOFTWARE, "memory: too many regions");
	if (shared) {
		fd = memfd_create("vk-guest-memory", MFD_CLOEXEC);
		if (fd < 0 || ftruncate(fd, (off_t)len) < 0)
			return err_errno(e, EX_OSERR, "memory");
	}
	at = map(mem, NULL, len, fd);
	if (at == MAP_FAILED)
		return no_memory(mem, len, e);
	*r = (struct gmem_region){
	    .gpa = gpa,
	    .len = len,
	    .hva = at,
	    .fd = steal_fd(&fd),
	};
	mem->count++;
	return mem->filled && fill(at, len) < 0 ? no_memory(mem, len, e) : 0;
}

int
gmem_add_blocks(struct gmem *mem, uint64_t gpa, uint64_t len,
    uint64_t block_size, struct err *e)
{
	uint64_t count = len / block_size;
	struct gmem_blocks *blocks =
	    calloc(1, sizeof(*blocks) + count * sizeof(blocks->present[0]));

	if (!blocks)
		return err_errno(e, EX_OSERR, "memory");
	if (gmem_add(mem, gpa, len, 0, e) < 0) {
		free(blocks);
		return -1;
	}
	blocks->size = block_size;
	blocks->count = count;
	mem->regions[mem->count - 1].blocks = blocks;
	return 0;
}

bool
gmem_blocks_are(
    const struct gmem_region *r, uint64_t first, uint64_t count, bool present)
{
	for (uint64_t i = first; i < first + count; i++)
		if (atomic_load_explicit(&r->blocks->present[i],
			memory_order_relaxed) != present)
			return false;
	return true;
}

void
gmem_blocks_set(const struct gmem *mem, const struct gmem_region *r,
    uint64_t first, uint64_t count, bool present)
{
	for (uint64_t i = first; i < first + count; i++)
		atomic_store_explicit(
		    &r->blocks->present[i], present, memory_order_relaxed);
	if (!present)
		gmem_discard(mem, r->hva + first * r->blocks->size,
		    count * r->blocks->size);
}

const struct gmem_region *
gmem_pluggable(const struct gmem *mem)
{
	for (unsigned i = 0; i < mem->count; i++)
		if (mem->regions[i].blocks)
			return &mem->regions[i];
	return NULL;
}

/* Whether the guest may use [offset, offset + len) of the region. */
static bool
is_there(const struct gmem_region *r, uint64_t offset, uint64_t len)
{
	uint64_t first, last;

	if (!r->blocks || len == 0)
		return true;
	first = offset / r->blocks->size;
	last = (offset + len - 1) / r->blocks->size;
	return gmem_blocks_are(r, first, last - first + 1, true);
}

void
gmem_release(struct gmem *mem)
{
	for (unsigned i = 0; i < mem->count; i++) {
		munmap(mem->regions[i].hva, mem->regions[i].len);
		fd_close(&mem->regions[i].fd);
		free(mem->regions[i].blocks);
		mem->regions[i].blocks = NULL;
	}
	mem->count = 0;
}

void *
gmem_at(const struct gmem *mem, uint64_t gpa, uint64_t len)
{
	for (unsigned i = 0; i < mem->count; i++) {
		const struct gmem_region *r = &mem->regions[i];
		uint64_t offset = gpa - r->gpa;

		if (gpa >= r->gpa && offset <= r->len && len <= r->len - offset)
			return is_there(r, offset, len) ? r->hva + offset
							: NULL;
	}
	return NULL;
}

uint64_t
gmem_discard(const struct gmem *mem, void *hva, uint64_t len)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	for (unsigned i = 0; i < mem->count; i++) {
		const struct gmem_region *r = &mem->regions[i];
		uint64_t start = (uint64_t)((uint8_t *)hva - r->hva), end;
		int result;

		if ((uint8_t *)hva < r->hva || start > r->len ||
		    len > r->len - start)
			continue;
		end = (start + len) & ~(page - 1);
		start = (start + page - 1) & ~(page - 1);
		/* A reserved page that is given back loses its reservation
		 * (but with the newest hosts): others may take it, and the
		 * guest ends where it wants it again. */
		if (start >= end || mem->huge)
			return 0;
		/* Pages of a file are the file's: others may have it mapped. */
		if (r->fd >= 0)
			result = fallocate(r->fd,
			    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			    (off_t)(r->offset + start), (off_t)(end - start));
		else
			result =
			    madvise(r->hva + start, end - start, MADV_DONTNEED);
		return result == 0 ? end - start : 0;
	}
	return 0;
}

void
gmem_pages(const struct gmem *mem, uint64_t gpa, uint64_t len, bool huge)
{
	uintptr_t start = (uintptr_t)gmem_at(mem, gpa, len);
	uintptr_t end = start + len;

	if (start && huge) {
		start = (start + GMEM_HUGE_PAGE - 1) & ~(GMEM_HUGE_PAGE - 1);
		end &= ~(GMEM_HUGE_PAGE - 1);
	}
	if (start && start < end)
		madvise((void *)start, end - start,
		    huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

/* Anew in the same place; huge pages can be given back in no other way before
 * Linux 5.18. */
int
gmem_clear(const struct gmem *mem, struct err *e)
{
	for (unsigned i = 0; i < mem->count; i++) {
		const struct gmem_region *r = &mem->regions[i];

		if (map(mem, r->hva, r->len, r->fd) == MAP_FAILED ||
		    (mem->filled && fill(r->hva, r->len) < 0))
			return no_memory(mem, r->len, e);
	}
	return 0;
}

const struct filter_call gmem_calls[] = {
    CALL(mincore),
    CALLS_END,
};

uint64_t
gmem_resident(const struct gmem *mem)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	unsigned char in_core[4096];
	uint64_t pages = 0;

	for (unsigned i = 0; i < mem->count; i++) {
		const struct gmem_region *r = &mem->regions[i];
		uint64_t end = r->blocks ? r->blocks->reach : r->len;

		for (uint64_t at = 0; at < end; at += sizeof(in_core) * page) {
			uint64_t len = sizeof(in_core) * page;

			if (len > end - at)
				len = end - at;
			if (mincore(r->hva + at, len, in_core) < 0)
				continue;
			for (uint64_t n = 0; n < len / page; n++)
				pages += in_core[n] & 1;
		}
	}
	return pages * page;
}
