/* SPDX-License-Identifier: MIT */
#include "cmd/vk-boot/virtio/queue.h"

#include "tests/cmd/vk-boot/driver.h"
#include "tests/tap.h"

#include <errno.h>
#include <pthread.h>

/* Memory beside the driver's: two regions that touch, behind a hole. */
#define FAR     0x40000000ull
#define FAR_LEN 0x100000ull

static struct driver d;
static struct virtq *vq;
static struct virtio_request request;

static void
nothing(struct virtio_device *dev)
{
	(void)dev;
}

static void
no_notify(struct virtio_device *dev, unsigned queue)
{
	(void)dev;
	(void)queue;
}

static void
free_device(struct virtio_device *dev)
{
	virtio_device_release(dev);
	free(dev);
}

/* A device that leaves its queues to the test. */
static const struct virtio_device_ops ops = {
    .name = "test",
    .start = nothing,
    .notify = no_notify,
    .free = free_device,
};

static int
start(uint64_t features)
{
	int result = driver_start(&d, features);

	driver_called(&d, 0);
	return result;
}

static void
test_order(void)
{
	struct driver_part parts[] = {
	    {0x80000, 3, false},
	    {0x80100, 0, false},
	    {0x80200, 5, false},
	    {0x80300, 2, true},
	    {FAR + FAR_LEN - 4, 4, true},
	};
	struct iovec iov[4];
	char bytes[16];
	uint32_t len;

	start(~0ull);
	is_int(virtq_pop(vq, &request), 0, "an empty queue");
	memcpy(driver_at(&d, 0x80000, 3), "abc", 3);
	memcpy(driver_at(&d, 0x80200, 5), "defgh", 5);
	driver_add(&d, 0, parts, 5);
	is_int(virtq_pop(vq, &request), 1, "one chain");
	is_int(virtq_pop(vq, &request), 0, "and no more");
	virtq_unpop(vq);
	is_int(virtq_pop(vq, &request), 1, "taken back and popped again");
	ok(request.readable == 3 && request.writable == 2 &&
		request.readable_len == 8 && request.writable_len == 6,
	    "its parts");
	is_int(request_read(&request, bytes, 9), -1, "9 bytes of 8");
	is_int(request_readable_left(&request), 8, "takes none");
	is_int(request_read(&request, bytes, 4), 0, "4 bytes");
	ok(memcmp(bytes, "abcd", 4) == 0, "over an empty part");
	is_int(request_take_readable(&request, 5, iov, 4), -1, "5 of 4");
	is_int(request_take_readable(&request, 4, iov, 4), 1, "the rest");
	ok(iov[0].iov_len == 4 && memcmp(iov[0].iov_base, "efgh", 4) == 0,
	    "as a part");
	is_int(
	    request_take_writable(&request, 3, iov, 1), -1, "too many parts");
	request_rewind(&request);
	is_int(request_readable_left(&request), 8, "from the front again");
	is_int(request_take_writable(&request, 3, iov, 2), 2, "over parts");
	is_int(request_write(&request, "uvwxyz", 6), 3, "what fits");
	ok(memcmp(driver_at(&d, FAR + FAR_LEN - 3, 3), "uvw", 3) == 0,
	    "up to the end of memory");
	is_int(request_write(&request, "z", 1), 0, "and not beyond");
	virtq_push(vq, &request, 6);
	ok(driver_used(&d, 0, &len) == 0 && len == 6, "used");
	is_int(driver_used(&d, 0, &len), -1, "once");
}

/* Breaks a queue by way of its first descriptors; why it is broken. */
struct break_case {
	const char *name;
	struct driver_desc table[4]; /* of the ring */
	struct driver_desc inner[4]; /* at 0x90000 */
	uint16_t head;
	bool fine;
};

#define N  DRIVER_NEXT
#define W  DRIVER_WRITE
#define I  DRIVER_INDIRECT
#define AT 0x80000
#define IN 0x90000

static const struct break_case cases[] = {
    {"one part", {{AT, 16, 0, 0}}, {{0}}, 0, true},
    {"a next that is not followed", {{AT, 16, 0, 9999}}, {{0}}, 0, true},
    {"unknown flags", {{AT, 16, 0xfff8, 0}}, {{0}}, 0, true},
    {"head at the end", {{0}}, {{0}}, 255, true},
    {"head beyond", {{AT, 16, 0, 0}}, {{0}}, 256, false},
    {"head far beyond", {{AT, 16, 0, 0}}, {{0}}, 65535, false},
    {"next beyond", {{AT, 16, N, 256}}, {{0}}, 0, false},
    {"next far beyond", {{AT, 16, N, 65535}}, {{0}}, 0, false},
    {"self-loop", {{AT, 16, N, 0}}, {{0}}, 0, false},
    {"loop of two", {{AT, 16, N, 1}, {AT, 16, N, 0}}, {{0}}, 0, false},
    {"loop of empty parts", {{AT, 0, N, 1}, {AT, 0, N, 0}}, {{0}}, 0, false},
    {"readable after writable", {{AT, 16, N | W, 1}, {AT, 16, 0, 0}}, {{0}}, 0,
	false},
    {"an empty part anywhere", {{~0ull, 0, 0, 0}}, {{0}}, 0, true},
    {"4 GiB - 1", {{AT, UINT32_MAX, 0, 0}}, {{0}}, 0, false},
    {"gpa + len past 2^64", {{~0ull - 7, 16, 0, 0}}, {{0}}, 0, false},
    {"gpa 2^64 - 1", {{~0ull, 1, 0, 0}}, {{0}}, 0, false},
    {"in the hole", {{0x20000000, 1, 0, 0}}, {{0}}, 0, false},
    {"last byte of memory", {{DRIVER_MEMORY - 1, 1, 0, 0}}, {{0}}, 0, true},
    {"first byte behind it", {{DRIVER_MEMORY, 1, 0, 0}}, {{0}}, 0, false},
    {"out of memory's end", {{DRIVER_MEMORY - 1, 2, 0, 0}}, {{0}}, 0, false},
    {"into memory's start", {{FAR - 1, 2, 0, 0}}, {{0}}, 0, false},
    {"over two regions", {{FAR + FAR_LEN - 1, 2, 0, 0}}, {{0}}, 0, false},
    {"indirect", {{IN, 32, I, 0}}, {{AT, 16, N, 1}, {AT, 16, W, 0}}, 0, true},
    {"direct, then indirect", {{AT, 16, N, 1}, {IN, 16, I, 0}},
	{{AT, 16, W, 0}}, 0, true},
    {"indirect with next", {{IN, 16, I | N, 1}, {AT, 16, 0, 0}},
	{{AT, 16, 0, 0}}, 0, false},
    {"indirect with write", {{IN, 16, I | W, 0}}, {{AT, 16, 0, 0}}, 0, false},
    {"indirect of no length", {{IN, 0, I, 0}}, {{0}}, 0, false},
    {"indirect of 15 bytes", {{IN, 15, I, 0}}, {{0}}, 0, false},
    {"indirect of 17 bytes", {{IN, 17, I, 0}}, {{AT, 16, 0, 0}}, 0, false},
    {"indirect of the queue's size", {{IN, 4096, I, 0}}, {{AT, 1, 0, 0}}, 0,
	true},
    {"indirect of one more", {{IN, 4112, I, 0}}, {{AT, 1, 0, 0}}, 0, false},
    {"indirect of 4 GiB - 16", {{IN, UINT32_MAX - 15, I, 0}}, {{AT, 1, 0, 0}},
	0, false},
    {"indirect nowhere", {{~0ull - 15, 16, I, 0}}, {{0}}, 0, false},
    {"indirect over two regions", {{FAR + FAR_LEN - 16, 32, I, 0}}, {{0}}, 0,
	false},
    {"indirect in indirect", {{IN, 32, I, 0}}, {{IN, 16, I, 0}}, 0, false},
    {"indirect self-loop", {{IN, 16, I, 0}}, {{AT, 1, N, 0}}, 0, false},
    {"indirect next beyond its table", {{IN, 16, I, 0}}, {{AT, 1, N, 1}}, 0,
	false},
    {"indirect readable after writable", {{AT, 16, N | W, 1}, {IN, 16, I, 0}},
	{{AT, 1, 0, 0}}, 0, false},
};

static void
test_chains(void)
{
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct break_case *c = &cases[i];
		int got;

		start(~0ull);
		memcpy(driver_desc(&d, 0, 0), c->table, sizeof(c->table));
		memcpy(driver_at(&d, IN, sizeof(c->inner)), c->inner,
		    sizeof(c->inner));
		driver_publish(&d, 0, c->head);
		got = virtq_pop(vq, &request);
		ok(got == (c->fine ? 1 : -1) && vq->broken == !c->fine,
		    "%s: %s%s%s", c->name, c->fine ? "fine" : "broken",
		    vq->why ? ", " : "", vq->why ? vq->why : "");
		if (c->fine)
			continue;
		driver_publish(&d, 0, 3);
		virtq_push(vq, &request, 0);
		virtq_signal(vq);
		ok(virtq_pop(vq, &request) == -1 &&
			driver_used_ring(&d, 0)->idx == 0 &&
			!virtq_want_kicks(vq, true) && !driver_called(&d, 0),
		    "and stays so");
	}
	start(0);
	*driver_desc(&d, 0, 0) = (struct driver_desc){IN, 16, I, 0};
	driver_publish(&d, 0, 0);
	is_int(virtq_pop(vq, &request), -1, "indirect without the feature");

	start(~0ull);
	for (unsigned i = 0; i < 256; i++)
		*driver_desc(&d, 0, i) = (struct driver_desc){
		    AT, 1, i < 255 ? N : 0, (uint16_t)(i + 1)};
	driver_publish(&d, 0, 0);
	ok(virtq_pop(vq, &request) == 1 && request.readable == 256,
	    "a chain of the queue's size");
	start(~0ull);
	for (unsigned i = 0; i < 256; i++)
		*driver_desc(&d, 0, i) = (struct driver_desc){i < 255 ? AT : IN,
		    i < 255 ? 1 : 32, i < 255 ? N : I, (uint16_t)(i + 1)};
	memcpy(driver_at(&d, IN, 32),
	    (struct driver_desc[2]){{AT, 1, N, 1}, {AT, 1, 0, 0}}, 32);
	driver_publish(&d, 0, 0);
	is_int(virtq_pop(vq, &request), -1, "one longer, by an indirect table");
}

static void
test_indexes(void)
{
	static const uint16_t jumps[] = {257, 1000, 32768, 65535};
	unsigned good = 0;

	for (unsigned i = 0; i < 4; i++) {
		start(~0ull);
		driver_avail(&d, 0)->idx = jumps[i];
		is_int(virtq_pop(vq, &request), -1, "an index ahead by %u",
		    jumps[i]);
	}
	start(~0ull);
	*driver_desc(&d, 0, 0) = (struct driver_desc){AT, 16, 0, 0};
	driver_avail(&d, 0)->idx = 256;
	while (virtq_pop(vq, &request) > 0)
		good++;
	is_int(good, 256, "ahead by the queue's size");
	is_int(vq->broken, 0, "is allowed");
	driver_avail(&d, 0)->idx = 255;
	is_int(virtq_pop(vq, &request), -1, "an index that goes back");

	/* both indexes wrap */
	start(~0ull);
	good = 0;
	for (unsigned i = 0; i < 70000; i++) {
		struct driver_part part = {AT, 1 + i % 7, false};
		int head = driver_add(&d, 0, &part, 1);

		good += virtq_pop(vq, &request) == 1 && request.head == head &&
			request.readable_len == part.len;
		virtq_push(vq, &request, i);
		good += driver_used(&d, 0, NULL) == head;
	}
	is_int(good, 140000, "70000 requests");
}

static void
test_rings(void)
{
	struct {
		const char *name;
		uint64_t desc, driver, device;
		uint16_t size;
		bool fine;
	} rings[] = {
	    {"as they should be", 0x1000, 0x2000, 0x3000, 256, true},
	    {"size 1", 0x1000, 0x2000, 0x3000, 1, true},
	    {"size 0", 0x1000, 0x2000, 0x3000, 0, false},
	    {"size 3", 0x1000, 0x2000, 0x3000, 3, false},
	    {"size 512", 0x1000, 0x2000, 0x3000, 512, false},
	    {"size 32768", 0x1000, 0x2000, 0x3000, 32768, false},
	    {"descriptors not aligned", 0x1008, 0x2000, 0x3000, 256, false},
	    {"available not aligned", 0x1000, 0x2001, 0x3000, 256, false},
	    {"used not aligned", 0x1000, 0x2000, 0x3002, 256, false},
	    {"descriptors at the end", DRIVER_MEMORY - 4096, 0x2000, 0x3000,
		256, true},
	    {"descriptors past the end", DRIVER_MEMORY - 4080, 0x2000, 0x3000,
		256, false},
	    {"available past the end", 0x1000, DRIVER_MEMORY - 516, 0x3000, 256,
		false},
	    {"used past the end", 0x1000, 0x2000, DRIVER_MEMORY - 2052, 256,
		false},
	    {"used in the hole", 0x1000, 0x2000, 0x20000000, 256, false},
	    {"descriptors over two regions", FAR + FAR_LEN - 16, 0x2000, 0x3000,
		256, false},
	    {"past 2^64", ~0ull - 15, 0x2000, 0x3000, 256, false},
	};

	for (unsigned i = 0; i < sizeof(rings) / sizeof(rings[0]); i++) {
		virtio_device_stop(d.dev);
		driver_rings(&d, 256);
		vq->desc = rings[i].desc;
		vq->driver = rings[i].driver;
		vq->device = rings[i].device;
		vq->size = rings[i].size;
		d.needs_reset = false;
		ok((virtio_device_start(d.dev, 0) == 0) == rings[i].fine &&
			d.needs_reset == !rings[i].fine,
		    "rings: %s", rings[i].name);
	}
	/* over each other: nonsense, in the guest's own memory only */
	virtio_device_stop(d.dev);
	driver_rings(&d, 256);
	vq->desc = vq->driver = vq->device = 0x1000;
	ok(virtio_device_start(d.dev, 0) == 0, "rings over each other");
	memset(driver_at(&d, 0x1000, 4096), 0x11, 4096);
	is_int(virtq_pop(vq, &request), -1, "are the guest's own trouble");

	virtio_device_stop(d.dev);
	driver_rings(&d, 256);
	vq->ready = false;
	ok(virtio_device_start(d.dev, 0) == 0, "a queue that is not enabled");
	is_int(virtq_pop(vq, &request), 0, "has no requests");
	virtq_push(vq, &request, 0);
	virtq_signal(vq);
	ok(!virtq_want_kicks(vq, true), "and wants none");
}

/* Pushes n requests, then signals. Whether the driver was interrupted. */
static bool
push(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		virtq_push(vq, &request, 0);
	virtq_signal(vq);
	return driver_called(&d, 0);
}

static void
test_signals(void)
{
	start(0);
	ok(push(1), "a used request interrupts");
	ok(!push(0), "nothing used does not");
	driver_avail(&d, 0)->flags = 1;
	ok(!push(1), "nor when the driver wants none");
	driver_avail(&d, 0)->flags = 0;
	ok(push(1), "wants it again");
	virtq_want_kicks(vq, false);
	is_int(driver_used_ring(&d, 0)->flags, 1, "no kicks");
	virtq_want_kicks(vq, true);
	is_int(driver_used_ring(&d, 0)->flags, 0, "kicks");

	start(~0ull);
	*driver_used_event(&d, 0) = 2;
	ok(!push(2), "event index: not yet");
	ok(push(1), "passed");
	ok(!push(10), "not again");
	*driver_used_event(&d, 0) = 20;
	ok(push(30), "passed in the middle of many");
	for (unsigned i = 43; i < 65530; i++)
		virtq_push(vq, &request, 0);
	virtq_signal(vq);
	driver_called(&d, 0);
	*driver_used_event(&d, 0) = 65535;
	ok(!push(5), "before the wrap");
	ok(push(1), "at the wrap");
	*driver_used_event(&d, 0) = 3;
	ok(!push(3), "behind it");
	ok(push(1), "passed");

	start(~0ull);
	virtq_want_kicks(vq, true);
	is_int(driver_used_ring(&d, 0)->event, 0, "kick for the first");
	*driver_desc(&d, 0, 0) = (struct driver_desc){AT, 16, 0, 0};
	driver_publish(&d, 0, 0);
	ok(virtq_want_kicks(vq, true), "a request that came in meanwhile");
	virtq_pop(vq, &request);
	ok(!virtq_want_kicks(vq, true), "is taken");
	is_int(driver_used_ring(&d, 0)->event, 1, "kick for the second");
	driver_publish(&d, 0, 0);
	driver_publish(&d, 0, 0);
	is_int(virtq_pop(vq, &request), 1, "two requests");
	virtq_unpop(vq);
	ok(!virtq_want_more(vq), "are not enough");
	is_int(driver_used_ring(&d, 0)->event, 3, "kick for the fourth");
	driver_publish(&d, 0, 0);
	ok(virtq_want_more(vq), "more came in meanwhile");
	driver_avail(&d, 0)->idx = 1000;
	ok(!virtq_want_more(vq) && vq->broken, "more than there can be");
	start(0);
	virtq_want_kicks(vq, false);
	ok(!virtq_want_more(vq) && driver_used_ring(&d, 0)->flags == 0,
	    "without an event index");
}

/* Another processor flips everything in the rings while requests are popped:
 * whatever comes out lies in guest memory. */
static volatile bool flipping;

static void *
flip(void *arg)
{
	uint32_t state = 1;

	(void)arg;
	while (flipping) {
		struct driver_desc *desc = driver_desc(&d, 0, state >> 30);

		state = state * 1664525u + 1013904223u;
		*(volatile uint64_t *)&desc->addr =
		    state & 0x10000 ? AT : ~0ull - 8;
		*(volatile uint32_t *)&desc->len = state & 0x20000 ? 16 : state;
		*(volatile uint16_t *)&desc->flags = (state >> 8) & 7;
		*(volatile uint16_t *)&desc->next = (state >> 12) & 1023;
	}
	return NULL;
}

static bool
in_memory(const struct iovec *part)
{
	for (unsigned i = 0; i < d.mem.count; i++) {
		const struct gmem_region *r = &d.mem.regions[i];
		const uint8_t *at = part->iov_base;

		if (at >= r->hva && at <= r->hva + r->len &&
		    part->iov_len <= (size_t)(r->hva + r->len - at))
			return true;
	}
	return false;
}

static void
test_flips(void)
{
	/* More, where the other thread does not get a turn. */
	enum { ROUNDS = 200000, ROUNDS_MAX = 100 * ROUNDS };
	unsigned popped = 0, outside = 0, broken = 0;
	pthread_t thread;

	start(~0ull);
	flipping = true;
	pthread_create(&thread, NULL, flip, NULL);
	for (unsigned i = 0;
	     i < ROUNDS || (i < ROUNDS_MAX && (popped == 0 || broken == 0));
	     i++) {
		driver_publish(&d, 0, i & 3);
		if (virtq_pop(vq, &request) > 0) {
			unsigned count = request.readable + request.writable;

			popped++;
			for (unsigned k = 0; k < count; k++)
				outside += !in_memory(&request.iov[k]);
			virtq_push(vq, &request, 0);
		} else {
			broken++;
			vq->broken = false;
			vq->next_avail++;
		}
	}
	flipping = false;
	pthread_join(thread, NULL);
	is_int(outside, 0, "flipped while read: nothing outside memory");
	ok(popped > 0 && broken > 0, "%u popped, %u refused", popped, broken);
}

int
main(void)
{
	struct err e = ERR_INIT;
	struct virtio_device *dev = calloc(1, sizeof(*dev));

	driver_init(&d);
	assert(gmem_add(&d.mem, FAR, FAR_LEN, 0, &e) == 0);
	assert(gmem_add(&d.mem, FAR + FAR_LEN, FAR_LEN, 0, &e) == 0);
	assert(
	    dev && virtio_device_init(dev, &ops, d.loop, &d.mem, 1, &e) == 0);
	driver_use(&d, dev);
	vq = &dev->queues[0];
	test_order();
	test_chains();
	test_indexes();
	test_rings();
	test_signals();
	test_flips();
	driver_release(&d);
	return tap_done();
}
