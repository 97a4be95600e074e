/* SPDX-License-Identifier: MIT */
#include "cmd/vk-boot/x86/kaslr.h"

#include "common/cursor.h"
#include "common/size.h"
#include "tests/cmd/vk-boot/packed.h"

#include <stdlib.h>

#define KERNEL_AT 0x1000000ull
#define VIRTUAL   0x81000000u /* the low word of where that is mapped */
#define SIZE      (4 * MIB)
#define OFFSET    0x26c00000ull

static struct gmem mem;
static struct kernel kernel;

/* A kernel of zeros with a table of these words behind 100 other bytes. */
static void
start(const uint32_t *words, size_t count)
{
	struct err e = ERR_INIT;
	uint8_t file[1024] = {0};
	struct writer w = writer_of(file, sizeof(file));

	gmem_release(&mem);
	kernel_close(&kernel);
	if (gmem_add(&mem, 0, 32 * MIB, 0, &e) < 0)
		abort();
	put_zeros(&w, 100);
	for (size_t i = 0; i < count; i++)
		put_le(&w, words[i], 4);
	kernel = (struct kernel){
	    .format = KERNEL_ELF,
	    .fd = file_with(file, 100 + count * 4),
	    .segments = {{.gpa = KERNEL_AT, .mem_size = MIB},
		{.gpa = KERNEL_AT + 2 * MIB, .mem_size = 2 * MIB}},
	    .segment_count = 2,
	    .relocs = {.offset = 100, .len = count * 4},
	};
}

static void
put(uint64_t at, uint64_t value, size_t width)
{
	struct writer w =
	    writer_of(gmem_at(&mem, KERNEL_AT + at, width), width);

	put_le(&w, value, width);
}

static uint64_t
get(uint64_t at, size_t width)
{
	struct cursor c =
	    cursor_of(gmem_at(&mem, KERNEL_AT + at, width), width);

	return get_le(&c, width);
}

static void
test_move(void)
{
	const uint32_t words[] = {
	    0,
	    VIRTUAL,
	    VIRTUAL + SIZE - 8, /* 64 bits */
	    0,
	    VIRTUAL + 0x103, /* to subtract from */
	    0,
	    VIRTUAL + 0x200,
	    VIRTUAL + SIZE - 12,
	};
	struct err e = ERR_INIT;

	start(words, 8);
	put(0, 0xffffffff81234567, 8);
	put(8, 0x1122334455667788, 8);
	put(SIZE - 8, 0xffffffff81000000, 8);
	put(SIZE - 12, 0x81000010, 4);
	put(0x103, 0x7fff0000, 4);
	put(0x200, 0x81fffff0, 4);
	ok(kaslr_move(&kernel, &mem, OFFSET, &e) == 0, "moved: %s", e.text);
	ok(get(0, 8) == 0xffffffff81234567 + OFFSET, "an address of 64 bits");
	ok(get(8, 8) == 0x1122334455667788, "its neighbour");
	ok(get(SIZE - 8, 8) == 0xffffffff81000000 + OFFSET, "the last place");
	ok(get(0x103, 4) == 0x7fff0000 - OFFSET, "what is subtracted from");
	ok(get(0x200, 4) == 0x81fffff0 + OFFSET, "an address of 32 bits");
	ok(get(SIZE - 12, 4) == 0x81000010 + OFFSET, "another one");
}

static void
test_two_sections(void)
{
	const uint32_t words[] = {0, VIRTUAL, 0, VIRTUAL + 8};
	struct err e = ERR_INIT;

	start(words, 4);
	ok(kaslr_move(&kernel, &mem, OFFSET, &e) == 0,
	    "a table of Linux 6.15: %s", e.text);
	ok(get(0, 8) == OFFSET && get(8, 8) == OFFSET, "is applied as such");
}

static void
refused(const uint32_t *words, size_t count, const char *what)
{
	struct err e = ERR_INIT;
	uint64_t changed = 0;

	start(words, count);
	ok(kaslr_move(&kernel, &mem, OFFSET, &e) < 0 && e.status == EX_DATAERR,
	    "refused: %s", what);
	for (uint64_t at = 0; at < SIZE; at += 8)
		changed += get(at, 8) != 0;
	is_int(changed, 0, "and nothing was changed");
}

static void
test_damaged(void)
{
	refused((uint32_t[]){VIRTUAL, 0, 0, 0}, 4, "no zero before it");
	refused((uint32_t[]){0, VIRTUAL}, 2, "one section");
	refused((uint32_t[]){0, VIRTUAL, 0, 0, 0}, 5, "four sections");
	refused((uint32_t[]){0, VIRTUAL, 0, 0, VIRTUAL - 4}, 5,
	    "a place before the kernel");
	refused((uint32_t[]){0, VIRTUAL, 0, 0, VIRTUAL + SIZE}, 5,
	    "a place behind it");
	refused((uint32_t[]){0, VIRTUAL, 0, 0, VIRTUAL + SIZE - 3}, 5,
	    "a place that juts out");
	refused((uint32_t[]){0, VIRTUAL + SIZE - 7, 0, 0}, 4,
	    "one of 64 bits that juts out");
	refused((uint32_t[]){0, VIRTUAL, 0, 0, 0x1000000}, 5,
	    "an address that is not the kernel's");
}

static void
test_choose(void)
{
	const uint32_t words[] = {0, VIRTUAL, 0, VIRTUAL + 8};
	uint64_t seen = 0, bad = 0, first;

	start(words, 4);
	first = kaslr_choose(&kernel);
	for (int i = 0; i < 1000; i++) {
		uint64_t offset = kaslr_choose(&kernel);

		seen |= first ^ offset;
		bad += offset == 0 || offset % (2 * MIB) != 0 ||
		       offset + KERNEL_AT + SIZE > 1024 * MIB;
	}
	is_int(bad, 0, "chosen: aligned, and room for the kernel");
	ok(seen != 0, "chosen anew each time");
	kernel.relocs.len = 0;
	is_int(kaslr_choose(&kernel), 0, "none without a table");
	start(words, 4);
	kernel.segments[1].mem_size = 1024 * MIB;
	is_int(kaslr_choose(&kernel), 0, "none without room");
}

int
main(void)
{
	kernel.fd = -1;
	test_move();
	test_two_sections();
	test_damaged();
	test_choose();
	gmem_release(&mem);
	kernel_close(&kernel);
	return tap_done();
}
