/* SPDX-License-Identifier: MIT */
/*
 * flip.c - a second processor that changes descriptors and rings while the
 * device reads them
 *
 * What a device checked and what it then uses must be the same bytes: it may
 * look only once. One processor keeps the device busy, the other one flips
 * bits of descriptors, of an indirect table, of both rings.
 *
 * Parameters (vk-boot -c 2 -a): flips=N for each device (100000). Prints the
 * Test Anything Protocol to the serial port.
 */
#include "tests/bare/hostile/case.h"
#include "tests/bare/second.h"

#define TABLE_SIZE 8

static struct descriptor table[TABLE_SIZE] __attribute__((aligned(4096)));
static struct ring *volatile target;
static volatile uint64_t flips, looks;

/* Small numbers that a good value and a bad one differ by. */
static uint32_t
noise(void)
{
	static uint32_t state = 2463534242u;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

static void
flip_one(struct ring *ring, uint32_t n)
{
	struct descriptor *d =
	    n & 0x100 ? &table[n % TABLE_SIZE] : &ring->descriptors[n % 4];
	uint64_t bit = 1ull << (n >> 16 & 63);

	switch (n >> 10 & 7) {
	case 0:
	case 1:
		*(volatile uint64_t *)&d->address ^= bit & ~SPARE_FIXED;
		break;
	case 2:
	case 3:
		*(volatile uint32_t *)&d->len ^= (uint32_t)bit;
		break;
	case 4:
		*(volatile uint16_t *)&d->flags ^=
		    (uint16_t)(1 << (n >> 16 & 3));
		break;
	case 5:
		*(volatile uint16_t *)&d->next ^= (uint16_t)(n >> 20);
		break;
	case 6:
		*(volatile uint16_t *)&ring->available
		     .ring[n >> 16 & (RING_SIZE - 1)] ^= (uint16_t)(n >> 22);
		break;
	case 7:
		*(volatile uint16_t *)&ring->used.index ^= (uint16_t)(n >> 20);
		break;
	}
}

static void
flip(void)
{
	for (;;) {
		struct ring *ring = target;

		if (ring) {
			flip_one(ring, noise());
			flips++;
		}
		looks++;
	}
}

static void
good_table(const struct device *d)
{
	for (uint16_t i = 0; i < TABLE_SIZE; i++)
		table[i] = (struct descriptor){
		    .address = SPARE_AT + 512 * i,
		    .len = 512,
		    .flags = (uint16_t)((d->type == RNG ? WRITE : 0) |
					(i + 1 < TABLE_SIZE ? NEXT : 0)),
		    .next = (uint16_t)(i + 1),
		};
}

/* Buffers to be written go where a flipped bit does no harm. */
static void
move_away(struct ring *ring)
{
	for (unsigned i = 0; i < 3; i++)
		if (ring->descriptors[i].flags & WRITE)
			ring->descriptors[i].address = SPARE_AT + 0x8000 * i;
}

/* Keeps it at work while the other one flips so many times. */
static void
work(const struct device *d, uint64_t count)
{
	uint16_t queue = good_queue(d);
	struct ring *ring = &d->rings[queue];
	uint64_t from = flips;

	while (flips - from < count) {
		target = NULL;
		device_start(d, FEATURE_INDIRECT);
		good_table(d);
		good_request(d, ring);
		move_away(ring);
		describe(ring, 3, table, sizeof(table), INDIRECT, 0);
		target = ring;
		for (unsigned i = 0; i < 64; i++) {
			/* Put right what was flipped, often enough to be
			 * taken for good at first. */
			if (i % 4 == 0) {
				good_request(d, ring);
				move_away(ring);
				describe(
				    ring, 3, table, sizeof(table), INDIRECT, 0);
				good_table(d);
			}
			ring_post(ring, i & 1 ? 3 : 0);
			queue_notify(d, queue);
		}
	}
	target = NULL;
	/* The flip that has begun ends with a look, and one more sees this. */
	for (from = looks; looks - from < 2;)
		__asm__ volatile("pause");
}

bool
guest_main(const char *parameters)
{
	static const uint16_t types[] = {
	    BLK, NET, CONSOLE, RNG, BALLOON, VSOCK, MEM};
	const char *wanted = parameter(parameters, "flips");
	uint64_t count = wanted ? number(wanted) : 100000;
	struct device d;
	unsigned n = 0;
	bool hold = parameter(parameters, "hold");
	bool good = second_start(flip);

	print(good ? "\nok 1" : "\nnot ok 1");
	print(" - a second processor\n");
	for (unsigned i = 0; good && i < sizeof(types) / sizeof(*types); i++) {
		if (!device_find(&d, types[i]))
			continue;
		work(&d, count);
		good = device_works(&d);
		print(good ? "\nok " : "\nnot ok ");
		print_number(++n + 1);
		print(" - ");
		print(d.name);
		print(": ");
		print_number(count);
		print(" flips\n");
	}
	print("\n1..");
	print_number(n + 1);
	print("\n");
	while (hold)
		__asm__ volatile("hlt");
	return good && n > 0;
}
