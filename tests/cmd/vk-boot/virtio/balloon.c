/* SPDX-License-Identifier: MIT */
#include "cmd/vk-boot/virtio/balloon.h"

#include "tests/cmd/vk-boot/driver.h"
#include "tests/tap.h"

#include <sys/mman.h>
#include <sys/stat.h>

enum { INFLATE, DEFLATE, STATS };

#define STATS_BIT     (1ull << 1)
#define POISON_BIT    (1ull << 4)
#define REPORTING_BIT (1ull << 5)
#define V1            (1ull << 32)

/* A second region, in a file. */
#define FAR     0x40000000ull
#define FAR_LEN 0x100000ull

static struct driver d;

/* How many of count pages from gpa hold nothing but zeros. */
static unsigned
empty(uint64_t gpa, unsigned count)
{
	static const uint8_t zeros[4096];
	unsigned found = 0;

	for (unsigned i = 0; i < count; i++)
		found += memcmp(driver_at(&d, gpa + i * 4096ull, 4096), zeros,
			     4096) == 0;
	return found;
}

static void
fill(uint64_t gpa, unsigned count)
{
	memset(driver_at(&d, gpa, count * 4096ull), 0xaa, count * 4096ull);
}

static void
send_pages(unsigned queue, const uint32_t *pages, unsigned count)
{
	struct driver_part part = {0x90000, count * 4, false};

	memcpy(driver_at(&d, 0x90000, count * 4), pages, count * 4);
	driver_add(&d, queue, &part, 1);
	driver_kick(&d, queue);
}

static struct balloon_stats
stats(void)
{
	struct balloon_stats s;

	balloon_stats(d.dev, &s);
	driver_turn(&d);
	return s;
}

static void
test_inflate(void)
{
	static const uint32_t pages[] = {0x105, 0x104, 0x103, 0x107, 0x108,
	    0x10a, 0x3ff, 0x400, 0xffffffff, 0x20000, FAR >> 12};
	static uint32_t many[2000];
	uint64_t before;
	struct stat st;

	driver_start(&d, ~0ull);
	fill(0x100000, 16);
	fill(0x3ff000, 1);
	fill(FAR, 4);
	before = stats().inflated;
	send_pages(INFLATE, pages, 11);
	/* before anything is read, which would fill the hole again */
	ok(fstat(d.mem.regions[1].fd, &st) == 0 && st.st_blocks == 3 * 8,
	    "a page of a file is a hole");
	ok(driver_used(&d, INFLATE, NULL) >= 0 && driver_called(&d, INFLATE),
	    "used");
	is_int(empty(0x100000, 16), 6, "six pages of sixteen");
	is_int(empty(0x103000, 3) + empty(0x107000, 2) + empty(0x10a000, 1), 6,
	    "the right ones");
	is_int(empty(0x3ff000, 1), 0, "a run out of memory discards nothing");
	is_int(empty(FAR, 4), 1, "a page of a file");
	is_int(stats().inflated - before, 7 * 4096, "counted");
	send_pages(DEFLATE, pages, 11);
	ok(driver_used(&d, DEFLATE, NULL) >= 0, "deflated: nothing to do");

	for (unsigned i = 0; i < 2000; i++)
		many[i] = i % 2 ? 0x100 : 0x200;
	send_pages(INFLATE, many, 2000);
	ok(driver_used(&d, INFLATE, NULL) >= 0, "a long list is cut");
	for (unsigned i = 0; i < 100; i++) {
		struct driver_part part = {0x90000, 4, false};

		driver_add(&d, INFLATE, &part, 1);
	}
	driver_kick(&d, INFLATE);
	for (before = 0; driver_used(&d, INFLATE, NULL) >= 0; before++)
		;
	is_int(before, 100, "many requests, in turns");
	ok(!d.needs_reset, "nothing of it is a breach");
}

/* Of the host's reserved pages none is given back: others could take it. */
static void
test_huge(void)
{
	static const uint32_t pages[] = {0x100, 0x101};
	uint64_t before;

	driver_start(&d, ~0ull);
	fill(0x100000, 2);
	before = stats().inflated;
	d.mem.huge = true;
	send_pages(INFLATE, pages, 2);
	d.mem.huge = false;
	ok(driver_used(&d, INFLATE, NULL) >= 0 && empty(0x100000, 2) == 0,
	    "reserved pages stay");
	is_int(stats().inflated, before, "and are not counted");
}

static void
test_target(void)
{
	uint32_t config[4] = {0}, value = 77;

	driver_start(&d, ~0ull);
	d.interrupts = 0;
	balloon_target(d.dev, (5 << 20) + 100);
	virtio_config_read(d.dev, 0, config, 16);
	is_int(config[0], 1280, "a target in pages");
	is_int(d.interrupts, 1, "is told");
	virtio_config_write(d.dev, 0, &value, 4);
	virtio_config_read(d.dev, 0, config, 16);
	is_int(config[0], 1280, "and not the guest's to change");
	virtio_config_write(d.dev, 4, &value, 4);
	ok(stats().actual == 77 * 4096 && stats().target == 5 << 20,
	    "what the guest has given");
	balloon_target(d.dev, UINT64_MAX);
	virtio_config_read(d.dev, 0, config, 16);
	is_int(config[0], UINT32_MAX, "no target wraps");
	driver_start(&d, ~0ull);
	is_int(stats().actual, 0, "a new driver begins with nothing");
	balloon_target(d.dev, 0);
}

static void
test_reporting(unsigned queue, uint64_t features)
{
	struct driver_part parts[] = {
	    {0x120000, 0x4000, true},
	    {0x130001, 0x3000, true},
	    {0x140000, 0, true},
	    {FAR, 0x2000, true},
	};
	struct driver_part readable = {0x120000, 0x4000, false};
	uint32_t poison = 0xaaaaaaaa;

	driver_start(&d, features);
	fill(0x120000, 64);
	fill(FAR, 4);
	driver_add(&d, queue, parts, 4);
	driver_kick(&d, queue);
	ok(driver_used(&d, queue, NULL) >= 0, "queue %u: reported", queue);
	is_int(empty(0x120000, 64), 6, "whole pages are gone");
	is_int(empty(FAR, 4), 2, "those of a file, too");
	fill(0x120000, 64);
	driver_add(&d, queue, &readable, 1);
	driver_kick(&d, queue);
	is_int(empty(0x120000, 64), 0, "a readable buffer reports nothing");
	driver_used(&d, queue, NULL);
	if (!(features & POISON_BIT))
		return;
	virtio_config_write(d.dev, 12, &poison, 4);
	driver_add(&d, queue, parts, 4);
	driver_kick(&d, queue);
	ok(driver_used(&d, queue, NULL) >= 0 && empty(0x120000, 64) == 0,
	    "poisoned pages are left alone");
}

/* As a driver that kicks only where it is asked to (2.7.10.1). */
static void
say_free(uint8_t megabytes)
{
	struct driver_part part = {0x90000, 10, false};
	uint8_t *said = driver_at(&d, part.gpa, part.len);
	uint16_t before = driver_avail(&d, STATS)->idx;

	memset(said, 0, part.len);
	said[0] = 4;
	said[4] = (uint8_t)(megabytes << 4);
	driver_used(&d, STATS, NULL);
	driver_add(&d, STATS, &part, 1);
	if (driver_used_ring(&d, STATS)->event == before)
		driver_kick(&d, STATS);
}

static void
test_news(void)
{
	driver_start(&d, ~0ull);
	for (uint8_t i = 1; i < 4; i++) {
		say_free(i);
		is_int(stats().memory.free, i << 20, "news number %u", i);
	}
}

static void
test_statistics(void)
{
	static const uint8_t said[] = {
	    5, 0, 0, 0, 0, 64, 0, 0, 0, 0, /* total: 1 GiB */
	    4, 0, 0, 0, 16, 0, 0, 0, 0, 0, /* free: 1 MiB */
	    99, 0, 1, 0, 0, 0, 0, 0, 0, 0, /* not known */
	    6, 0, 255,                     /* cut */
	};
	struct driver_part part = {0x90000, sizeof(said), false};
	struct balloon_stats s;

	driver_start(&d, ~0ull);
	ok(stats().memory.total == UINT64_MAX, "nothing known");
	memcpy(driver_at(&d, 0x90000, sizeof(said)), said, sizeof(said));
	driver_add(&d, STATS, &part, 1);
	driver_kick(&d, STATS);
	is_int(driver_used(&d, STATS, NULL), -1, "the buffer is kept");
	s = stats();
	ok(s.memory.total == 1 << 30 && s.memory.free == 1 << 20 &&
		s.memory.available == UINT64_MAX,
	    "what the guest said");
	ok(driver_used(&d, STATS, NULL) >= 0 && driver_called(&d, STATS),
	    "and is asked again");
	stats();
	is_int(driver_used(&d, STATS, NULL), -1, "once");
	for (unsigned i = 0; i < 5; i++)
		driver_add(&d, STATS, &part, 1);
	driver_kick(&d, STATS);
	is_int(driver_used(&d, STATS, NULL), -1, "of many one is kept");
	stats();
	ok(driver_used(&d, STATS, NULL) >= 0 &&
		driver_used(&d, STATS, NULL) == -1,
	    "and given back");
	driver_start(&d, ~0ull);
	stats();
	is_int(driver_used_ring(&d, STATS)->idx, 0, "forgotten at a reset");
}

int
main(void)
{
	struct err e = ERR_INIT;

	driver_init(&d);
	assert(gmem_add(&d.mem, FAR, FAR_LEN, 1, &e) == 0);
	driver_use(&d, balloon_new(d.loop, &d.mem, &e));
	test_inflate();
	test_huge();
	test_target();
	test_reporting(3, ~0ull);
	test_reporting(4, ~0ull);
	test_reporting(2, V1 | REPORTING_BIT);
	test_statistics();
	test_news();
	driver_start(&d, V1);
	fill(0x120000, 1);
	driver_add(&d, 3, &(struct driver_part){0x120000, 4096, true}, 1);
	driver_kick(&d, 3);
	is_int(empty(0x120000, 1), 0, "no reporting without the feature");
	driver_publish(&d, INFLATE, 999);
	driver_kick(&d, INFLATE);
	ok(d.needs_reset, "a broken queue fails the device");
	driver_release(&d);
	return tap_done();
}
