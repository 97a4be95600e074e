/* SPDX-License-Identifier: MIT */
#include "cmd/vk-boot/virtio/mem.h"

#include "tests/cmd/vk-boot/driver.h"
#include "tests/tap.h"

#include <sys/mman.h>

enum { PLUG, UNPLUG, UNPLUG_ALL, STATE };
enum { ACK, NACK, BUSY, ERROR };
enum { PLUGGED, UNPLUGGED, MIXED };

/* 32 blocks, of which 16 are in reach at first. */
#define REGION 0x140000000ull
#define BLOCKS 32

static struct driver d;
static const struct gmem_region *region;

struct answer {
	uint32_t written;
	uint16_t type, state;
};

static uint64_t
block_at(unsigned number)
{
	return REGION + number * MEM_BLOCK;
}

/* Sends so many bytes of a request and takes the answer into so many. */
static struct answer
send(const void *request, uint32_t len, uint32_t room)
{
	struct driver_part parts[] = {
	    {0x90000, len, false}, {0x91000, room, true}};
	uint8_t *reply = driver_at(&d, 0x91000, 64);
	struct answer a = {0};

	memcpy(driver_at(&d, 0x90000, len), request, len);
	memset(reply, 0xee, 64);
	driver_add(&d, 0, len ? parts : parts + 1, len ? 2 : 1);
	driver_kick(&d, 0);
	assert(driver_used(&d, 0, &a.written) >= 0);
	memcpy(&a.type, reply, 2);
	memcpy(&a.state, reply + 8, 2);
	return a;
}

static unsigned
ask(uint16_t type, uint64_t address, uint16_t blocks)
{
	uint8_t request[24] = {0};

	memcpy(request, &type, 2);
	memcpy(request + 8, &address, 8);
	memcpy(request + 16, &blocks, 2);
	return send(request, sizeof(request), 10).type;
}

static unsigned
state_of(unsigned first, uint16_t blocks)
{
	uint64_t address = block_at(first);
	uint8_t request[24] = {STATE};

	memcpy(request + 8, &address, 8);
	memcpy(request + 16, &blocks, 2);
	return send(request, sizeof(request), 10).state;
}

static uint64_t
config(unsigned offset)
{
	uint64_t value;

	virtio_config_read(d.dev, offset, &value, 8);
	return value;
}

static struct mem_stats
stats(void)
{
	struct mem_stats s;

	mem_stats(d.dev, &s);
	return s;
}

static bool
resident(uint64_t gpa)
{
	unsigned char in_core = 0;
	uint8_t *at = region->hva + (gpa - REGION);

	return mincore(at, 4096, &in_core) == 0 && in_core & 1;
}

static void
test_config(void)
{
	driver_start(&d, ~0ull);
	is_int(config(0), MEM_BLOCK, "the size of a block");
	is_int(config(16), REGION, "where the region is");
	is_int(config(24), BLOCKS * MEM_BLOCK, "its size");
	is_int(config(32), 0, "nothing of it is usable");
	is_int(config(48), 0, "nor asked for");
	is_int(ask(PLUG, block_at(0), 1), ERROR, "nothing can be plugged");
	region->blocks->reach = 16 * MEM_BLOCK;
	d.interrupts = 0;
	mem_request(d.dev, 8 * MEM_BLOCK);
	is_int(config(32), 16 * MEM_BLOCK, "what is in reach is usable");
	is_int(config(48), 8 * MEM_BLOCK, "a size that is asked for");
	is_int(d.interrupts, 1, "is told");
	virtio_config_write(d.dev, 48, &(uint64_t){UINT64_MAX}, 8);
	is_int(config(48), 8 * MEM_BLOCK, "and not the guest's to change");
}

static void
test_plug(void)
{
	ok(!gmem_at(&d.mem, block_at(2), 1),
	    "what is not plugged is no memory");
	d.interrupts = 0;
	is_int(ask(PLUG, block_at(2), 4), ACK, "plug");
	is_int(d.interrupts, 0, "no news to the driver");
	is_int(config(40), 4 * MEM_BLOCK, "the plugged size");
	ok(gmem_at(&d.mem, block_at(2), 4 * MEM_BLOCK), "it is memory");
	ok(!gmem_at(&d.mem, block_at(2), 4 * MEM_BLOCK + 1), "to its end");
	ok(!gmem_at(&d.mem, block_at(2) - 1, 2), "and from its start");
	is_int(ask(PLUG, block_at(5), 2), ERROR, "again is an error");
	is_int(ask(PLUG, block_at(6), 5), NACK, "more than was asked for");
	is_int(ask(PLUG, block_at(8), 4), ACK, "just as much");
	is_int(ask(PLUG, block_at(0), 1), NACK, "and no block more");
	is_int(state_of(2, 4), PLUGGED, "state: plugged");
	is_int(state_of(0, 2), UNPLUGGED, "state: unplugged");
	is_int(state_of(1, 2), MIXED, "state: mixed");
}

static void
test_unplug(void)
{
	memset(gmem_at(&d.mem, block_at(3), MEM_BLOCK), 0xaa, MEM_BLOCK);
	ok(resident(block_at(3)), "a block is used");
	is_int(ask(UNPLUG, block_at(3), 1), ACK, "and unplugged");
	ok(!resident(block_at(3)), "the host has its pages back");
	ok(!gmem_at(&d.mem, block_at(3), 1), "it is no memory any more");
	is_int(ask(UNPLUG, block_at(3), 1), ERROR, "again is an error");
	is_int(ask(UNPLUG, block_at(2), 4), ERROR, "a part is an error");
	is_int(config(40), 7 * MEM_BLOCK, "nothing of it was done");
	mem_request(d.dev, 2 * MEM_BLOCK);
	is_int(
	    ask(PLUG, block_at(3), 1), NACK, "no more than now is asked for");
	is_int(ask(UNPLUG, block_at(8), 4), ACK, "some go");
	mem_request(d.dev, 16 * MEM_BLOCK);
	is_int(ask(PLUG, block_at(3), 1), ACK, "and come back");
	ok(gmem_at(&d.mem, block_at(2), 4 * MEM_BLOCK) &&
		!resident(block_at(3)),
	    "empty");
	driver_start(&d, ~0ull);
	is_int(config(40), 4 * MEM_BLOCK, "a reset changes nothing");
	is_int(ask(UNPLUG_ALL, 0, 0), ACK, "unplug all");
	is_int(config(40), 0, "nothing is left");
	is_int(state_of(0, 16), UNPLUGGED, "of any block");
	is_int(config(32), 16 * MEM_BLOCK, "as much is usable");
	is_int(ask(UNPLUG_ALL, 77, 77), ACK, "again is none");
}

static void
test_lies(void)
{
	static const struct {
		uint64_t address;
		uint16_t blocks;
		const char *name;
	} lies[] = {
	    {REGION, 0, "no blocks"},
	    {REGION + 4096, 1, "not a block's start"},
	    {REGION - MEM_BLOCK, 1, "before the region"},
	    {REGION - MEM_BLOCK, 2, "from before the region"},
	    {REGION, 17, "beyond what is usable"},
	    {REGION + 16 * MEM_BLOCK, 1, "behind what is usable"},
	    {REGION + 15 * MEM_BLOCK, 65535, "far beyond"},
	    {0, 1, "other memory"},
	    {UINT64_MAX - MEM_BLOCK + 1, 1, "the last addresses"},
	    {UINT64_MAX - MEM_BLOCK + 1, 65535, "around the end"},
	    {UINT64_MAX, 1, "the last address"},
	};
	uint8_t request[24] = {PLUG};
	struct answer a;
	uint64_t refused = stats().refused;

	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++)
		ok(ask(PLUG, lies[i].address, lies[i].blocks) == ERROR &&
			ask(UNPLUG, lies[i].address, lies[i].blocks) == ERROR &&
			ask(STATE, lies[i].address, lies[i].blocks) == ERROR,
		    "%s", lies[i].name);
	is_int(ask(4, REGION, 1), ERROR, "a request that there is not");
	is_int(ask(65535, REGION, 1), ERROR, "another");
	is_int(send(request, 23, 10).type, ERROR, "one that is cut");
	is_int(send(request, 0, 10).type, ERROR, "an answer to nothing");
	a = send(request, 24, 0);
	is_int(a.written, 0, "no room for an answer");
	a = send((uint8_t[24]){UNPLUG_ALL}, 24, 3);
	ok(a.written == 3 && a.type == ACK, "room for a part of it");
	is_int(stats().plugged, 0, "nothing was plugged");
	is_int(stats().refused - refused, 11 * 3 + 5, "all are counted");
	ok(!d.needs_reset, "nothing of it is a breach");
	for (unsigned i = 0; i < 100; i++)
		driver_add(&d, 0,
		    (struct driver_part[]){
			{0x90000, 24, false}, {0x91000, 10, true}},
		    2);
	driver_kick(&d, 0);
	for (refused = 0; driver_used(&d, 0, NULL) >= 0; refused++)
		;
	is_int(refused, 100, "many requests, in turns");
	driver_publish(&d, 0, 999);
	driver_kick(&d, 0);
	ok(d.needs_reset, "a broken queue fails the device");
}

/* Blocks that other requests lie in are no memory when they are gone. */
static void
test_requests_inside(void)
{
	struct driver_part parts[] = {
	    {REGION, 24, false}, {REGION + 64, 10, true}};

	driver_start(&d, ~0ull);
	mem_request(d.dev, 4 * MEM_BLOCK);
	is_int(ask(PLUG, REGION, 1), ACK, "a block");
	memset(gmem_at(&d.mem, REGION, 64), 0, 64);
	*(uint8_t *)gmem_at(&d.mem, REGION, 1) = UNPLUG_ALL;
	driver_add(&d, 0, parts, 2);
	driver_kick(&d, 0);
	ok(driver_used(&d, 0, NULL) >= 0 && stats().plugged == 0,
	    "a request unplugs what it lies in");
	driver_add(&d, 0, parts, 2);
	driver_kick(&d, 0);
	ok(d.needs_reset, "and cannot be there again");
}

int
main(void)
{
	struct err e = ERR_INIT;

	driver_init(&d);
	assert(gmem_add_blocks(
		   &d.mem, REGION, BLOCKS * MEM_BLOCK, MEM_BLOCK, &e) == 0);
	region = gmem_pluggable(&d.mem);
	driver_use(&d, mem_new(d.loop, &d.mem, region, &e));
	test_config();
	test_plug();
	test_unplug();
	test_lies();
	test_requests_inside();
	driver_release(&d);
	return tap_done();
}
