/* SPDX-License-Identifier: MIT */
/* space.c - blocks handed out around the copies of the superblock; sizes */
#include "cmd/vk-mkext/space.h"
#include "cmd/vk-mkext/layout.h"
#include "common/size.h"
#include "tests/tap.h"

static void
supers(void)
{
	static const unsigned with[] = {
	    0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125, 243, 343};
	size_t at = 0;
	bool right = true;

	for (unsigned g = 0; g <= 343; g++) {
		bool wanted = g == with[at];

		right &= space_has_super(g) == wanted;
		at += wanted;
	}
	ok(right, "groups with a copy of the superblock");
}

static void
taking(void)
{
	struct space s;
	struct err e = ERR_INIT;
	uint64_t got = 0, at;

	space_init(&s, 4 * GROUP_BLOCKS);
	is_int(space_take(&s, 10, &got, &e), 65, "the first block");
	is_int(got, 10, "as many as wanted");
	at = space_take(&s, GROUP_BLOCKS, &got, &e);
	is_int(at, 75, "the next");
	is_int(got, GROUP_BLOCKS - 75, "up to the next copy");
	at = space_take(&s, 1, &got, &e);
	is_int(at, GROUP_BLOCKS + 65, "behind it");
	at = space_take(&s, 3 * GROUP_BLOCKS, &got, &e);
	is_int(got, 2 * GROUP_BLOCKS - 66, "across a group without one");
	at = space_take_whole(&s, 1000, &e);
	is_int(at, 3 * GROUP_BLOCKS + 65, "a whole one");
	at = space_take_whole(&s, GROUP_BLOCKS - 65 - 1000 + 1, &e);
	is_int(at, 0, "does not go beyond the limit");
	ok(strstr(e.text, "needs more"), "and says so");
	at = space_take(&s, GROUP_BLOCKS, &got, &e);
	is_int(got, GROUP_BLOCKS - 65 - 1000, "the rest");
	is_int(space_take(&s, 1, &got, &e), 0, "and no more");
}

/* What a layout leaves free behind content, counted as ext4 does. */
static uint64_t
free_blocks(const struct layout *l, uint64_t content)
{
	uint64_t used = content;

	for (uint32_t g = content / GROUP_BLOCKS + 1; g < l->groups; g++)
		used += space_has_super(g) ? 65 : 0;
	used += (uint64_t)l->groups * (2 + layout_table_blocks(l));
	return l->blocks - used;
}

static void
layouts(void)
{
	static const uint64_t contents[] = {
	    66, 1000, 32700, 32768, 40000, 300000, 5000000};
	static const uint64_t free_wishes[] = {
	    0, MIB, 100 * MIB, GIB, 100 * GIB};
	bool enough = true, inodes = true;

	for (size_t i = 0; i < 7; i++)
		for (size_t k = 0; k < 5; k++) {
			struct layout_wish w = {
			    .bytes = free_wishes[k], .used = 12345};
			struct space s = {
			    .next = contents[i], .limit = SPACE_BLOCKS_MAX};
			struct layout l;
			struct err e = ERR_INIT;

			if (layout_plan(&l, &w, &s, &e) < 0) {
				enough = false;
				printf("# %s\n", e.text);
				continue;
			}
			enough &= free_blocks(&l, contents[i]) >=
				  w.bytes / BLOCK_SIZE;
			inodes &=
			    (uint64_t)l.groups * l.inodes_per_group >= w.used;
		}
	ok(enough, "what was to be free is free");
	ok(inodes, "every file has an inode");
}

static void
limits(void)
{
	struct layout_wish w = {.total = true, .bytes = 10 * MIB, .used = 20};
	struct space s = {.next = 1000, .limit = SPACE_BLOCKS_MAX};
	struct layout l;
	struct err e = ERR_INIT;

	ok(layout_plan(&l, &w, &s, &e) == 0 && l.blocks == 2560, "10 MiB");
	w.bytes = 4000 * KIB;
	ok(layout_plan(&l, &w, &s, &e) < 0,
	    "as large as the content is too small");
	w.bytes = 505 * GIB;
	ok(layout_plan(&l, &w, &s, &e) < 0, "more than 504 GiB are refused");
	w.bytes = 504 * GIB;
	ok(layout_plan(&l, &w, &s, &e) == 0, "504 GiB are not");
	w = (struct layout_wish){.bytes = 0, .used = 1000000, .tight = true};
	ok(layout_plan(&l, &w, &s, &e) == 0 &&
		(uint64_t)l.groups * l.inodes_per_group >= w.used,
	    "a million files without content");
	w.total = true;
	w.bytes = 512 * MIB;
	ok(layout_plan(&l, &w, &s, &e) < 0 && strstr(e.text, "inodes"),
	    "too many files for the size");
}

int
main(void)
{
	supers();
	taking();
	layouts();
	limits();
	return tap_done();
}
