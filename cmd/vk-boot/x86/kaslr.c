/* SPDX-License-Identifier: MIT */
/* kaslr.c - Linux at virtual addresses of its own in each boot (KASLR) */
#include "cmd/vk-boot/x86/kaslr.h"

#include "common/cursor.h"
#include "common/io.h"
#include "common/scope.h"
#include "common/size.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* arch/x86/include/asm/page_64_types.h: where physical address 0 of the
 * kernel's image is mapped, and how much of what follows may be it. */
#define IMAGE_MAP     0xffffffff80000000ull
#define IMAGE_MAP_LEN (1024 * MIB)
#define ALIGNMENT     (2 * MIB)

/* What is done at the places of a section. */
enum kind { ADD_64, SUBTRACT_32, ADD_32 };

struct extent { /* of the kernel's bytes, from its first to its last segment */
	uint64_t gpa, len;
};

static struct extent
extent_of(const struct kernel *kernel)
{
	uint64_t first = UINT64_MAX, end = 0;

	for (unsigned i = 0; i < kernel->segment_count; i++) {
		const struct kernel_segment *s = &kernel->segments[i];

		if (s->gpa < first)
			first = s->gpa;
		if (s->gpa + s->mem_size > end)
			end = s->gpa + s->mem_size;
	}
	return (struct extent){.gpa = first, .len = end - first};
}

uint64_t
kaslr_choose(const struct kernel *kernel)
{
	struct extent extent = extent_of(kernel);
	uint64_t end = extent.gpa + extent.len, random, steps;

	if (kernel->relocs.len == 0 || end > IMAGE_MAP_LEN ||
	    getrandom(&random, sizeof(random), 0) != sizeof(random))
		return 0;
	steps = (IMAGE_MAP_LEN - end) / ALIGNMENT;
	return steps == 0 ? 0 : (1 + random % steps) * ALIGNMENT;
}

/* ---- the table ---------------------------------------------------------- */

struct table {
	uint8_t *bytes;
	size_t len;
	unsigned sections; /* each begins with a zero word */
};

static enum kind
kind_of(const struct table *table, unsigned section)
{
	static const enum kind two[] = {ADD_64, ADD_32};
	static const enum kind three[] = {ADD_64, SUBTRACT_32, ADD_32};

	return table->sections == 2 ? two[section] : three[section];
}

/* A place's distance from the kernel's first byte; extent.len if it has not as
 * many bytes there. */
static uint64_t
place_of(uint32_t word, size_t width, const struct extent *extent)
{
	uint64_t gpa = (uint64_t)(int32_t)word - IMAGE_MAP;

	if (gpa < extent->gpa || extent->len < width ||
	    gpa - extent->gpa > extent->len - width)
		return extent->len;
	return gpa - extent->gpa;
}

/* Counts the sections; holds each place against the kernel's extent. Only the
 * first section's have 8 bytes. */
static int
check(struct table *table, const struct extent *extent, struct err *e)
{
	struct cursor c = cursor_of(table->bytes, table->len);

	while (c.left >= 4) {
		uint32_t word = get_le32(&c);
		size_t width = table->sections == 1 ? 8 : 4;

		if (word == 0)
			table->sections++;
		else if (table->sections == 0)
			break;
		else if (place_of(word, width, extent) == extent->len)
			return err_set(e, EX_DATAERR,
			    "relocations: 0x%x is not in the kernel", word);
	}
	if (c.left > 0 || table->sections < 2 || table->sections > 3)
		return err_set(e, EX_DATAERR, "relocations: damaged");
	return 0;
}

static void
add(uint8_t *at, enum kind kind, uint64_t offset)
{
	uint64_t wide;
	uint32_t narrow;

	if (kind == ADD_64) {
		memcpy(&wide, at, sizeof(wide));
		wide += offset;
		memcpy(at, &wide, sizeof(wide));
		return;
	}
	memcpy(&narrow, at, sizeof(narrow));
	narrow += (uint32_t)(kind == ADD_32 ? offset : -offset);
	memcpy(at, &narrow, sizeof(narrow));
}

static void
apply(const struct table *table, uint8_t *kernel, const struct extent *extent,
    uint64_t offset)
{
	struct cursor c = cursor_of(table->bytes, table->len);
	unsigned section = 0;
	enum kind kind = ADD_64;

	get_le32(&c); /* the first section's zero */
	while (c.left >= 4) {
		uint32_t word = get_le32(&c);

		if (word == 0)
			kind = kind_of(table, ++section);
		else
			add(kernel + place_of(word, 4, extent), kind, offset);
	}
}

int
kaslr_move(const struct kernel *kernel, const struct gmem *mem, uint64_t offset,
    struct err *e)
{
	struct extent extent = extent_of(kernel);
	struct table table = {.len = kernel->relocs.len};
	cleanup_free uint8_t *bytes = malloc(table.len);
	uint8_t *at = gmem_at(mem, extent.gpa, extent.len);

	table.bytes = bytes;
	if (!bytes)
		return err_errno(e, EX_OSERR, "relocations");
	if (!at)
		return err_set(e, EX_SOFTWARE, "relocations: no kernel there");
	if (io_pread(kernel->fd, bytes, table.len, kernel->relocs.offset) !=
	    (ssize_t)table.len)
		return err_set(e, EX_IOERR, "relocations: cannot be read");
	if (check(&table, &extent, e) < 0)
		return -1;
	apply(&table, at, &extent, offset);
	return 0;
}
