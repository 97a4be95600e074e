/* SPDX-License-Identifier: MIT */
/* extent.c - the extent tree, walked again from its root */
#include "cmd/vk-mkext/extent.h"
#include "cmd/vk-mkext/space.h"
#include "common/cursor.h"
#include "tests/tap.h"

#include <stdlib.h>

#define FIRST 1000000

/* The blocks that were built, by their place from FIRST on. */
static uint8_t (*built)[BLOCK_SIZE];
static uint32_t built_count;

static int
keep(void *with, uint64_t at, uint8_t *block, struct err *e)
{
	(void)with, (void)e;
	memcpy(built[at - FIRST], block, BLOCK_SIZE);
	built_count++;
	return 0;
}

/* Checks that the leaves say the same as the runs; gives blocks covered. */
static const struct run *runs;
static uint32_t run_at, in_run;
static bool right;

static void
walk(const uint8_t *node, size_t size)
{
	struct cursor c = cursor_of(node, size);
	unsigned magic = get_le16(&c), entries = get_le16(&c);
	unsigned room = get_le16(&c), depth = get_le16(&c);

	get_le32(&c);
	right &= magic == 0xf30a && entries <= room;
	for (unsigned i = 0; i < entries; i++) {
		uint32_t logical = get_le32(&c);

		if (depth > 0) {
			uint64_t at = get_le32(&c);

			at |= (uint64_t)get_le16(&c) << 32;
			get_le16(&c);
			walk(built[at - FIRST], BLOCK_SIZE);
			continue;
		}
		uint32_t count = get_le16(&c);
		uint64_t at = (uint64_t)get_le16(&c) << 32;

		at |= get_le32(&c);
		right &= count > 0 && count <= 32768;
		right &= logical == runs[run_at].logical + in_run;
		right &= at == runs[run_at].physical + in_run;
		in_run += count;
		right &= in_run <= runs[run_at].count;
		if (in_run == runs[run_at].count) {
			run_at++;
			in_run = 0;
		}
	}
	right &= !c.bad;
}

static void
check(const struct run *r, uint32_t count, uint32_t blocks, const char *name)
{
	struct extent_sink sink = {.block = keep};
	struct err e = ERR_INIT;
	uint8_t root[EXTENT_ROOT_SIZE];

	is_int(extent_blocks(r, count), blocks, "%s: blocks", name);
	built = calloc(blocks + 1, BLOCK_SIZE);
	built_count = 0;
	ok(extent_build(r, count, root, FIRST, &sink, &e) == 0, "%s: built",
	    name);
	is_int(built_count, blocks, "%s: all blocks written", name);
	runs = r;
	run_at = in_run = 0;
	right = true;
	walk(root, sizeof(root));
	ok(right && run_at == count && in_run == 0, "%s: says the same", name);
	free(built);
}

int
main(void)
{
	const uint32_t many = 200000;
	struct run *r = calloc(many, sizeof(*r));

	check(r, 0, 0, "nothing");
	r[0] = (struct run){.physical = 77, .logical = 0, .count = 1};
	check(r, 1, 0, "one block");
	r[0].count = 131072;
	check(r, 1, 0, "512 MiB in one run");
	r[0].count = 131073;
	check(r, 1, 1, "a block more");
	r[0].physical = (1ull << 40) + 5;
	r[0].count = 40 * 32768;
	check(r, 1, 1, "5 GiB, far away");
	for (uint32_t i = 0; i < many; i++)
		r[i] = (struct run){
		    .physical = 100 + 3ull * i, .logical = 2 * i, .count = 1};
	check(r, 4, 0, "4 runs");
	check(r, 5, 1, "5 runs");
	check(r, 1360, 4, "as many as one level takes");
	check(r, 1361, 6, "one more");
	check(r, many, 589 + 2, "200,000 runs");
	free(r);
	return tap_done();
}
