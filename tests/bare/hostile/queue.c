/* SPDX-License-Identifier: MIT */
/* queue.c - chains that break the rules (virtio 1.2, 2.7) */
#include "tests/bare/hostile/case.h"

#define RAM_END MEMORY_BYTES

/* A table for indirect descriptors, apart from the ring. */
static struct descriptor table[64] __attribute__((aligned(4096)));

static struct ring *
begin(const struct device *d)
{
	struct ring *ring = &d->rings[good_queue(d)];

	device_start(d, FEATURE_INDIRECT | FEATURE_EVENT);
	good_request(d, ring);
	/* What the balloon takes for numbers of pages: one of nobody. */
	if (d->type == BALLOON)
		for (size_t i = 0; i < 4096 / 4; i++)
			write32((uint64_t)scratch + 4 * i, SPARE_AT >> 12);
	return ring;
}

static bool
send(const struct device *d, uint16_t head)
{
	ring_post(&d->rings[good_queue(d)], head);
	queue_notify(d, good_queue(d));
	/* The device's thread may look later; a register read does not wait
	 * for it, so there is nothing to expect but what device_works will. */
	return true;
}

/* The one flag that lets the device do its own direction. */
static uint16_t
direction(const struct device *d)
{
	return d->type == RNG || d->type == BLK ? WRITE : 0;
}

/* What must be noticed: the device asks to be reset. */
static bool
refused(const struct device *d)
{
	uint64_t until = ticks() + TICKS_MAX;

	while (!(device_status(d) & STATUS_NEEDS_RESET))
		if (ticks() > until)
			return false;
	return true;
}

static bool
self_loop(const struct device *d)
{
	struct ring *ring = begin(d);

	describe(ring, 0, scratch, 64, direction(d) | NEXT, 0);
	return send(d, 0) && refused(d);
}

static bool
loop_of_two(const struct device *d)
{
	struct ring *ring = begin(d);

	describe(ring, 0, scratch, 64, direction(d) | NEXT, 1);
	describe(ring, 1, scratch, 64, direction(d) | NEXT, 0);
	return send(d, 0) && refused(d);
}

static bool
loop_of_all(const struct device *d)
{
	struct ring *ring = begin(d);

	for (uint16_t i = 0; i < RING_SIZE; i++)
		describe(ring, i, scratch, 64, direction(d) | NEXT,
		    (uint16_t)((i + 1) % RING_SIZE));
	return send(d, 5) && refused(d);
}

static bool
longest_chain(const struct device *d)
{
	struct ring *ring = begin(d);

	for (uint16_t i = 0; i < RING_SIZE; i++)
		describe(ring, i, scratch + 64 * i, 64,
		    direction(d) | (i + 1 < RING_SIZE ? NEXT : 0),
		    (uint16_t)(i + 1));
	return send(d, 0);
}

static bool
head_is_size(const struct device *d)
{
	begin(d);
	return send(d, RING_SIZE) && refused(d);
}

static bool
head_is_largest(const struct device *d)
{
	begin(d);
	return send(d, 0xffff) && refused(d);
}

static bool
next_is_size(const struct device *d)
{
	struct ring *ring = begin(d);

	describe(ring, 0, scratch, 64, direction(d) | NEXT, RING_SIZE);
	return send(d, 0) && refused(d);
}

static bool
next_is_largest(const struct device *d)
{
	struct ring *ring = begin(d);

	describe(ring, 0, scratch, 64, direction(d) | NEXT, 0xffff);
	return send(d, 0) && refused(d);
}

/* The driver claims more requests than the queue has room for (2.7.13.3). */
static bool
jump(const struct device *d, uint16_t by)
{
	struct ring *ring = begin(d);

	ring->available.index = (uint16_t)(ring->available.index + by);
	barrier();
	queue_notify(d, good_queue(d));
	return refused(d);
}

static bool
index_past_size(const struct device *d)
{
	return jump(d, RING_SIZE + 1);
}

static bool
index_half_way_round(const struct device *d)
{
	return jump(d, 0x8000);
}

static bool
index_backwards(const struct device *d)
{
	return jump(d, 0xffff);
}

static bool
indirect(const struct device *d, uint64_t address, uint32_t len, uint16_t flags)
{
	struct ring *ring = begin(d);

	describe_at(ring, 0, address, len, INDIRECT | flags, 1);
	return send(d, 0) && refused(d);
}

static void
fill_table(const struct device *d)
{
	for (uint16_t i = 0; i < 64; i++)
		table[i] = (struct descriptor){
		    .address = (uint64_t)scratch,
		    .len = 16,
		    .flags = (uint16_t)(direction(d) | (i < 63 ? NEXT : 0)),
		    .next = (uint16_t)(i + 1),
		};
}

static bool
indirect_odd(const struct device *d)
{
	fill_table(d);
	return indirect(d, (uint64_t)table, 17, 0);
}

static bool
indirect_short(const struct device *d)
{
	fill_table(d);
	return indirect(d, (uint64_t)table, 15, 0);
}

static bool
indirect_empty(const struct device *d)
{
	return indirect(d, (uint64_t)table, 0, 0);
}

static bool
indirect_longer_than_queue(const struct device *d)
{
	fill_table(d);
	return indirect(d, (uint64_t)table, sizeof(table), 0);
}

static bool
indirect_huge(const struct device *d)
{
	return indirect(d, (uint64_t)table, 0xfffffff0, 0);
}

static bool
indirect_nested(const struct device *d)
{
	table[0] = (struct descriptor){(uint64_t)table, 16, INDIRECT, 0};
	return indirect(d, (uint64_t)table, 16, 0);
}

static bool
indirect_and_next(const struct device *d)
{
	fill_table(d);
	table[0].flags &= (uint16_t)~NEXT;
	return indirect(d, (uint64_t)table, 16, NEXT);
}

static bool
indirect_loop(const struct device *d)
{
	fill_table(d);
	table[1].next = 0;
	return indirect(d, (uint64_t)table, 64, 0);
}

static bool
indirect_next_outside(const struct device *d)
{
	fill_table(d);
	table[0].next = 40;
	return indirect(d, (uint64_t)table, 64, 0);
}

static bool
indirect_outside_memory(const struct device *d)
{
	return indirect(d, RAM_END + 0x1000, 64, 0);
}

static bool
indirect_over_the_end(const struct device *d)
{
	return indirect(d, RAM_END - 16, 64, 0);
}

static bool
indirect_in_a_window(const struct device *d)
{
	return indirect(d, d->window, 64, 0);
}

static bool
indirect_at_the_top(const struct device *d)
{
	return indirect(d, UINT64_MAX - 15, 64, 0);
}

static bool
indirect_not_agreed(const struct device *d)
{
	struct ring *ring = &d->rings[good_queue(d)];

	fill_table(d);
	table[0].flags &= (uint16_t)~NEXT;
	device_start(d, 0);
	describe(ring, 0, table, 16, INDIRECT, 0);
	return send(d, 0) && refused(d);
}

/* A buffer that is not, or not wholly, memory. */
static bool
buffer(const struct device *d, uint64_t address, uint32_t len)
{
	struct ring *ring = begin(d);

	/* What comes before it is as good as it was. */
	describe_at(ring, d->type == BLK, address, len,
	    (uint16_t)(direction(d) | (d->type == BLK ? NEXT : 0)), 2);
	return send(d, 0) && refused(d);
}

static bool
buffer_wraps(const struct device *d)
{
	return buffer(d, UINT64_MAX - 15, 64);
}

static bool
buffer_over_the_end(const struct device *d)
{
	return buffer(d, RAM_END - 16, 512);
}

static bool
buffer_past_the_end(const struct device *d)
{
	return buffer(d, RAM_END, 512);
}

static bool
buffer_in_the_hole(const struct device *d)
{
	return buffer(d, 0x80000000, 512);
}

static bool
buffer_in_its_own_window(const struct device *d)
{
	return buffer(d, d->common, 512);
}

static bool
buffer_in_configuration(const struct device *d)
{
	return buffer(d, ECAM_AT, 512);
}

static bool
buffer_in_the_ioapic(const struct device *d)
{
	return buffer(d, IOAPIC_AT, 512);
}

static bool
buffer_in_the_lapic(const struct device *d)
{
	return buffer(d, LAPIC_AT, 512);
}

static bool
buffer_beyond_4_gib(const struct device *d)
{
	return buffer(d, 0x100000000ull, 512);
}

static bool
buffer_of_4_gib(const struct device *d)
{
	return buffer(d, (uint64_t)scratch, 0xffffffff);
}

static bool
buffers_that_add_up(const struct device *d)
{
	struct ring *ring = begin(d);

	/* Each is memory; their sum passes 2^32 only with many more than 16,
	 * but not what a device should copy at once. */
	for (uint16_t i = 0; i < RING_SIZE; i++)
		describe_at(ring, i, 0x100000, 0x3000000,
		    (uint16_t)((d->type == RNG ? WRITE : 0) |
			       (i + 1 < RING_SIZE ? NEXT : 0)),
		    (uint16_t)(i + 1));
	/* Written, it would be over us. */
	if (d->type == RNG)
		for (uint16_t i = 0; i < RING_SIZE; i++) {
			ring->descriptors[i].address = 0x2000000;
			ring->descriptors[i].len = 0x1000000;
		}
	return send(d, 0);
}

static bool
buffer_of_nothing(const struct device *d)
{
	struct ring *ring = begin(d);

	describe(ring, 0, scratch, 0, direction(d), 0);
	return send(d, 0);
}

static bool
all_of_nothing(const struct device *d)
{
	struct ring *ring = begin(d);

	for (uint16_t i = 0; i < RING_SIZE; i++)
		describe_at(ring, i, 0, 0,
		    (uint16_t)(direction(d) | (i + 1 < RING_SIZE ? NEXT : 0)),
		    (uint16_t)(i + 1));
	return send(d, 0);
}

static bool
readable_after_writable(const struct device *d)
{
	struct ring *ring = begin(d);

	describe(ring, 0, scratch, 64, WRITE | NEXT, 1);
	describe(ring, 1, scratch, 64, 0, 0);
	return send(d, 0) && refused(d);
}

static bool
wrong_direction(const struct device *d)
{
	struct ring *ring = begin(d);

	for (uint16_t i = 0; i < 3; i++)
		ring->descriptors[i].flags ^= WRITE;
	return send(d, 0);
}

static bool
all_readable(const struct device *d)
{
	struct ring *ring = begin(d);

	describe(ring, 0, scratch, 4096, NEXT, 1);
	describe(ring, 1, scratch, 4096, 0, 0);
	return send(d, 0);
}

static bool
all_writable(const struct device *d)
{
	struct ring *ring = begin(d);

	describe(ring, 0, scratch, 4096, WRITE | NEXT, 1);
	describe(ring, 1, scratch, 4096, WRITE, 0);
	return send(d, 0);
}

static bool
one_byte(const struct device *d)
{
	struct ring *ring = begin(d);

	describe(ring, 0, scratch, 1, direction(d), 0);
	return send(d, 0);
}

static bool
a_byte_each(const struct device *d)
{
	struct ring *ring = begin(d);

	for (uint16_t i = 0; i < RING_SIZE; i++)
		describe(ring, i, scratch + i, 1,
		    (uint16_t)((i + 1 == RING_SIZE || d->type == RNG ? WRITE
								     : 0) |
			       (i + 1 < RING_SIZE ? NEXT : 0)),
		    (uint16_t)(i + 1));
	return send(d, 0);
}

static bool
unknown_flags(const struct device *d)
{
	struct ring *ring = begin(d);

	ring->descriptors[0].flags |= 0xfff8;
	return send(d, 0);
}

static bool
same_head_everywhere(const struct device *d)
{
	struct ring *ring = begin(d);

	for (unsigned i = 0; i < RING_SIZE; i++)
		ring_post(ring, 0);
	return send(d, 0);
}

static bool
flags_of_the_rings(const struct device *d)
{
	struct ring *ring = begin(d);

	ring->available.flags = 0xffff;
	ring->used.flags = 0xffff;
	ring->used.index = 0x4321;
	ring->available.used_event = 0xffff;
	return send(d, 0);
}

/* The device is let loose on its own rings. */
static bool
buffer_is(const struct device *d, const void *what, uint32_t len)
{
	struct ring *ring = begin(d);

	if (d->type == BLK)
		describe(ring, 1, what, len, NEXT | WRITE, 2);
	else
		describe(ring, 0, what, len, direction(d), 0);
	for (unsigned i = 0; i < 4; i++)
		ring_post(ring, 0);
	return send(d, 0);
}

static bool
buffer_is_the_descriptors(const struct device *d)
{
	return buffer_is(d, d->rings[good_queue(d)].descriptors, 512);
}

static bool
buffer_is_the_available_ring(const struct device *d)
{
	return buffer_is(d, &d->rings[good_queue(d)].available, 512);
}

static bool
buffer_is_the_used_ring(const struct device *d)
{
	return buffer_is(d, &d->rings[good_queue(d)].used, 512);
}

static bool
changed_after_the_notice(const struct device *d)
{
	struct ring *ring = begin(d);

	ring->descriptors[0].address = SPARE_AT;
	for (unsigned i = 0; i < 200; i++) {
		send(d, 0);
		ring->descriptors[0].len = i * 77;
		ring->descriptors[0].address ^= 1ull << (i % 64) & ~SPARE_FIXED;
		ring->descriptors[0].next = (uint16_t)i;
	}
	return true;
}

const struct misuse queue_cases[] = {
    {"a descriptor that is its own next", self_loop, 0},
    {"two that are each other's next", loop_of_two, 0},
    {"a loop of the whole table", loop_of_all, 0},
    {"a chain of the whole table", longest_chain, 0},
    {"a head that is the size", head_is_size, 0},
    {"a head of 65535", head_is_largest, 0},
    {"a next that is the size", next_is_size, 0},
    {"a next of 65535", next_is_largest, 0},
    {"an index beyond the size", index_past_size, 0},
    {"an index half way round", index_half_way_round, 0},
    {"an index that goes back", index_backwards, 0},
    {"an indirect table of 17 bytes", indirect_odd, 0},
    {"an indirect table of 15 bytes", indirect_short, 0},
    {"an empty indirect table", indirect_empty, 0},
    {"an indirect table longer than the queue", indirect_longer_than_queue, 0},
    {"an indirect table of 4 GiB", indirect_huge, 0},
    {"an indirect table in another", indirect_nested, 0},
    {"an indirect table with a next", indirect_and_next, 0},
    {"a loop in an indirect table", indirect_loop, 0},
    {"a next outside its indirect table", indirect_next_outside, 0},
    {"an indirect table outside memory", indirect_outside_memory, 0},
    {"an indirect table over memory's end", indirect_over_the_end, 0},
    {"an indirect table in a device's window", indirect_in_a_window, 0},
    {"an indirect table at the top", indirect_at_the_top, 0},
    {"an indirect table without the feature", indirect_not_agreed, 0},
    {"a buffer that wraps round 2^64", buffer_wraps, 0},
    {"a buffer over memory's end", buffer_over_the_end, 0},
    {"a buffer behind memory's end", buffer_past_the_end, 0},
    {"a buffer in the hole", buffer_in_the_hole, 0},
    {"a buffer in the device's own window", buffer_in_its_own_window, 0},
    {"a buffer in configuration space", buffer_in_configuration, 0},
    {"a buffer in the I/O APIC", buffer_in_the_ioapic, 0},
    {"a buffer in the local APIC", buffer_in_the_lapic, 0},
    {"a buffer beyond 4 GiB", buffer_beyond_4_gib, 0},
    {"a buffer of 4 GiB", buffer_of_4_gib, 0},
    {"buffers that overlap and add up", buffers_that_add_up, 0},
    {"a buffer of nothing", buffer_of_nothing, 0},
    {"a chain of nothing", all_of_nothing, 0},
    {"readable behind writable", readable_after_writable, 0},
    {"each direction the wrong one", wrong_direction, 0},
    {"all to be read", all_readable, 0},
    {"all to be written", all_writable, 0},
    {"a request of one byte", one_byte, 0},
    {"a request in buffers of one byte", a_byte_each, 0},
    {"unknown flags", unknown_flags, 0},
    {"one head again and again", same_head_everywhere, 0},
    {"the rings' own flags and indexes", flags_of_the_rings, 0},
    {"a buffer that is the descriptor table", buffer_is_the_descriptors, 0},
    {"a buffer that is the available ring", buffer_is_the_available_ring, 0},
    {"a buffer that is the used ring", buffer_is_the_used_ring, 0},
    {"descriptors changed after the notice", changed_after_the_notice, 0},
    {0},
};
