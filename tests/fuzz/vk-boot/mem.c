/* SPDX-License-Identifier: MIT */
/* mem.c - fuzz target: memory that comes and goes, with a hostile driver */
#include "cmd/vk-boot/virtio/mem.h"

#include "tests/fuzz/vk-boot/device.h"

#define REGION 0x100000000ull
#define BLOCKS 8

/* A request for these blocks; its bytes come from the input, too. */
static void
request(struct fuzz *f)
{
	struct driver_part parts[] = {
	    {DRIVER_BUFFERS, 24, false}, {DRIVER_BUFFERS + 64, 10, true}};
	struct writer w = writer_of(driver_at(&f->d, DRIVER_BUFFERS, 24), 24);
	uint8_t what = get_u8(&f->in);
	uint8_t blocks = get_u8(&f->in);

	put_le(&w, what & 7, 2);
	put_zeros(&w, 6);
	put_le(&w, REGION + (what >> 3) * MEM_BLOCK / 2, 8);
	put_le(&w, blocks, 2);
	driver_add(&f->d, 0, parts, 2);
	driver_kick(&f->d, 0);
}

/* What is counted is what is there. */
static void
check(struct fuzz *f, const struct gmem_region *region)
{
	struct mem_stats stats;
	uint64_t there = 0;

	mem_stats(f->d.dev, &stats);
	for (unsigned i = 0; i < BLOCKS; i++)
		there += gmem_at(&f->d.mem, REGION + i * MEM_BLOCK, MEM_BLOCK)
			     ? MEM_BLOCK
			     : 0;
	if (there != stats.plugged || there > region->blocks->reach)
		abort();
}

static void
special(struct fuzz *f)
{
	const struct gmem_region *region = gmem_pluggable(&f->d.mem);
	uint8_t what = get_u8(&f->in);

	if (what & 0x80) {
		uint64_t bytes = (what & 7) * MEM_BLOCK;

		if (region->blocks->reach < bytes)
			region->blocks->reach = bytes;
		mem_request(f->d.dev, bytes);
	} else {
		request(f);
	}
	check(f, region);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = {.special = special};
	struct err e = ERR_INIT;

	driver_init(&f.d);
	assert(gmem_add_blocks(
		   &f.d.mem, REGION, BLOCKS * MEM_BLOCK, MEM_BLOCK, &e) == 0);
	driver_use(
	    &f.d, mem_new(f.d.loop, &f.d.mem, gmem_pluggable(&f.d.mem), &e));
	fuzz_run(&f, data, size);
	driver_release(&f.d);
	return 0;
}
