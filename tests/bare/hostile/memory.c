/* SPDX-License-Identifier: MIT */
/*
 * memory.c - a memory device's driver that lies (virtio 1.2, 5.15.6)
 *
 * Who starts this guest may ask it for memory (vk-control's "memory"); how much
 * is read from the device, and each case does with any.
 */
#include "tests/bare/hostile/case.h"

enum { PLUG, UNPLUG, UNPLUG_ALL, STATE };
enum { ACK, NACK, BUSY, ERROR };

#define BLOCK_SIZE 0
#define ADDRESS    16
#define REGION     24
#define USABLE     32
#define PLUGGED    40
#define REQUESTED  48

#define REQUEST_LEN 24
#define ANSWER_LEN  10

static uint8_t request[REQUEST_LEN] __attribute__((aligned(64)));
static uint16_t answer[ANSWER_LEN / 2] __attribute__((aligned(64)));

static uint64_t
config(const struct device *d, unsigned offset)
{
	return read64(d->config + offset);
}

static void
fill(uint16_t type, uint64_t address, uint16_t blocks)
{
	memset(request, 0xff, sizeof(request));
	*(uint16_t *)request = type;
	write64((uint64_t)request + 8, address);
	*(uint16_t *)(request + 16) = blocks;
}

/* Sends so much of the request, for so much of an answer; its type, 0xffff if
 * it was none. */
static unsigned
ask_in(const struct device *d, uint32_t len, uint32_t room)
{
	struct ring *ring = d->rings;
	uint16_t before = ring->available.index;

	answer[0] = 0xffff;
	describe(ring, 0, request, len, NEXT, 1);
	describe(ring, 1, answer, room, WRITE, 0);
	ring_post(ring, 0);
	queue_notify(d, 0);
	if (!ring_await(ring, (uint16_t)(before + 1)))
		return 0xdead;
	return *(volatile uint16_t *)answer;
}

static unsigned
ask(const struct device *d, uint16_t type, uint64_t address, uint16_t blocks)
{
	fill(type, address, blocks);
	return ask_in(d, REQUEST_LEN, ANSWER_LEN);
}

static void
begin(const struct device *d)
{
	device_start(d, 0);
	ask(d, UNPLUG_ALL, 0, 0);
}

static bool
all_errors(const struct device *d, uint64_t address, uint16_t blocks)
{
	return ask(d, PLUG, address, blocks) == ERROR &&
	       ask(d, UNPLUG, address, blocks) == ERROR &&
	       ask(d, STATE, address, blocks) == ERROR;
}

static bool
ranges_outside(const struct device *d)
{
	uint64_t block, start, usable;

	begin(d);
	block = config(d, BLOCK_SIZE);
	start = config(d, ADDRESS);
	usable = config(d, USABLE);
	return all_errors(d, start - block, 1) &&
	       all_errors(d, start - block, 2) &&
	       all_errors(d, start + usable, 1) &&
	       all_errors(d, start + usable - block, 2) &&
	       all_errors(d, start + config(d, REGION), 1) &&
	       all_errors(d, 0, 1) && all_errors(d, HOLE_BYTES, 1) &&
	       all_errors(d, ECAM_AT, 1) && all_errors(d, -block, 1) &&
	       all_errors(d, -block, UINT16_MAX) &&
	       all_errors(d, UINT64_MAX, 1) && config(d, PLUGGED) == 0;
}

static bool
parts_of_blocks(const struct device *d)
{
	uint64_t start;

	begin(d);
	start = config(d, ADDRESS);
	for (uint64_t bit = 1; bit < config(d, BLOCK_SIZE); bit *= 2)
		if (!all_errors(d, start + bit, 1))
			return false;
	return all_errors(d, start, 0);
}

/* As much as was asked for, one by one; not one block more. */
static bool
more_than_asked_for(const struct device *d)
{
	uint64_t block, start, count;

	begin(d);
	block = config(d, BLOCK_SIZE);
	start = config(d, ADDRESS);
	count = config(d, REQUESTED) / block;
	for (uint64_t i = 0; i < count; i++)
		if (ask(d, PLUG, start + i * block, 1) != ACK)
			return false;
	if (config(d, PLUGGED) != config(d, REQUESTED))
		return false;
	if (count * block < config(d, USABLE) &&
	    ask(d, PLUG, start + count * block, 1) != NACK)
		return false;
	return ask(d, PLUG, start, UINT16_MAX) != ACK;
}

static bool
twice(const struct device *d)
{
	uint64_t start;

	begin(d);
	start = config(d, ADDRESS);
	if (config(d, REQUESTED) < 2 * config(d, BLOCK_SIZE))
		return true;
	return ask(d, PLUG, start, 1) == ACK &&
	       ask(d, PLUG, start, 1) == ERROR &&
	       ask(d, PLUG, start, 2) != ACK &&
	       ask(d, UNPLUG, start, 2) == ERROR &&
	       ask(d, UNPLUG, start, 1) == ACK &&
	       ask(d, UNPLUG, start, 1) == ERROR && config(d, PLUGGED) == 0;
}

static bool
unknown_requests(const struct device *d)
{
	begin(d);
	for (unsigned type = STATE + 1; type < 0x10000; type = type * 2 + 1)
		if (ask(d, (uint16_t)type, config(d, ADDRESS), 1) != ERROR)
			return false;
	return true;
}

static bool
short_requests(const struct device *d)
{
	begin(d);
	fill(UNPLUG_ALL, 0, 0);
	for (uint32_t len = 1; len < REQUEST_LEN; len++)
		if (ask_in(d, len, ANSWER_LEN) != ERROR)
			return false;
	return true;
}

static bool
no_room_for_an_answer(const struct device *d)
{
	begin(d);
	fill(UNPLUG_ALL, 0, 0);
	for (uint32_t room = 0; room < ANSWER_LEN; room++)
		if (ask_in(d, REQUEST_LEN, room) == 0xdead)
			return false;
	return true;
}

static bool
all_of_it_often(const struct device *d)
{
	begin(d);
	for (unsigned i = 0; i < 300; i++)
		if (ask(d, UNPLUG_ALL, UINT64_MAX, UINT16_MAX) != ACK)
			return false;
	return true;
}

/* An answer that is to be written to an address in the region. */
static void
ask_for_answer_at(const struct device *d, uint64_t address)
{
	fill(UNPLUG_ALL, 0, 0);
	describe(d->rings, 0, request, REQUEST_LEN, NEXT, 1);
	describe_at(d->rings, 1, address, ANSWER_LEN, WRITE, 0);
	ring_post(d->rings, 0);
	queue_notify(d, 0);
}

static bool
refuses(const struct device *d)
{
	for (uint64_t from = ticks(); ticks() - from < TICKS_MAX;)
		if (device_status(d) & STATUS_NEEDS_RESET)
			return true;
	return false;
}

static bool
answer_into_what_is_not_there(const struct device *d)
{
	begin(d);
	ask_for_answer_at(d, config(d, ADDRESS));
	if (!refuses(d))
		return false;
	begin(d);
	ask_for_answer_at(d, config(d, ADDRESS) + config(d, USABLE));
	return refuses(d);
}

static bool
answer_into_what_it_takes_away(const struct device *d)
{
	uint64_t start;

	begin(d);
	start = config(d, ADDRESS);
	if (ask(d, PLUG, start, 1) != ACK)
		return config(d, REQUESTED) == 0;
	ask_for_answer_at(d, start);
	if (!ring_await(d->rings, d->rings->available.index))
		return false;
	ask_for_answer_at(d, start);
	return refuses(d);
}

/* A queue in memory that goes away. */
static bool
rings_that_go(const struct device *d)
{
	uint64_t start;

	begin(d);
	start = config(d, ADDRESS);
	if (ask(d, PLUG, start, 1) != ACK)
		return config(d, REQUESTED) == 0;
	device_begin(d, 0);
	queue_place(d, 0, RING_SIZE, start, start + 0x1000, start + 0x2000);
	queue_enable(d, 0);
	device_go(d);
	queue_notify(d, 0);
	begin(d);
	device_begin(d, 0);
	queue_place(d, 0, RING_SIZE, start, start + 0x1000, start + 0x2000);
	queue_enable(d, 0);
	device_go(d);
	return refuses(d);
}

const struct misuse memory_cases[] = {
    {"ranges outside", ranges_outside, MEM},
    {"parts of blocks", parts_of_blocks, MEM},
    {"more than was asked for", more_than_asked_for, MEM},
    {"a block twice", twice, MEM},
    {"unknown requests", unknown_requests, MEM},
    {"parts of requests", short_requests, MEM},
    {"no room for an answer", no_room_for_an_answer, MEM},
    {"300 times all of it", all_of_it_often, MEM},
    {"an answer into what is not there", answer_into_what_is_not_there, MEM},
    {"an answer into what goes", answer_into_what_it_takes_away, MEM},
    {"rings in what goes", rings_that_go, MEM},
    {NULL, NULL, 0},
};
