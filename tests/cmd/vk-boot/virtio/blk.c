/* SPDX-License-Identifier: MIT */
/* The block device over every kind of disk, against a plain array. */
#define DRIVER_MEMORY (16u << 20)

#include "cmd/vk-boot/virtio/blk.h"

#include "common/io.h"
#include "common/scope.h"

#include "tests/cmd/vk-boot/driver.h"
#include "tests/tap.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>

#define SECTORS 4096u
#define SIZE    (SECTORS * 512u)
#define DEPTH   48
#define QUEUES  3

static char folder[] = "/tmp/vk-blk.XXXXXX";
static uint8_t base[SIZE], model[SIZE];
static struct err e;

static uint32_t
next(void)
{
	static uint32_t x = 88172645;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

struct setting {
	const char *name;
	struct disk_config disk;
	bool threads;
	bool shifted; /* data at addresses that O_DIRECT does not take */
};

struct rig {
	struct driver d;
	struct disk disk;
};

static bool
rig_open(struct rig *rig, const struct setting *s)
{
	struct blk_config config = {
	    .disk = &rig->disk,
	    .serial = "serial-of-20-letters",
	    .queues = QUEUES,
	    .threads = s->threads,
	};

	e = (struct err)ERR_INIT;
	if (disk_open(&rig->disk, &s->disk, &e) < 0) {
		disk_close(&rig->disk);
		return false;
	}
	driver_init(&rig->d);
	driver_use(&rig->d, blk_new(rig->d.loop, &rig->d.mem, &config, &e));
	return driver_start(&rig->d, ~0ull) == 0;
}

static void
rig_close(struct rig *rig)
{
	driver_release(&rig->d);
	disk_close(&rig->disk);
}

/* A request in memory: where its parts are, and its model. */
struct job {
	uint64_t header, data, status;
	unsigned queue;
	int head;
	uint32_t type;
	uint64_t offset, len;
};

static struct job
job_add(struct rig *rig, unsigned queue, uint32_t type, uint64_t sector,
    uint64_t len, bool shifted)
{
	struct driver *d = &rig->d;
	struct virtio_blk_outhdr header = {.type = type, .sector = sector};
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	struct job job = {
	    .header = driver_alloc(d, sizeof(header)),
	    .data = ((driver_alloc(d, len + 1024) + 511) & ~511ull) +
		    (shifted ? 20 : 0),
	    .status = driver_alloc(d, 1),
	    .queue = queue,
	    .type = type,
	    .offset = sector * 512,
	    .len = len,
	};
	struct driver_part parts[5] = {{job.header, sizeof(header), false}};
	unsigned count = 1;

	memcpy(
	    driver_at(d, job.header, sizeof(header)), &header, sizeof(header));
	*(uint8_t *)driver_at(d, job.status, 1) = 0xff;
	if (len > 1024) { /* in two */
		parts[count++] = (struct driver_part){job.data, 512, in};
		parts[count++] = (struct driver_part){
		    job.data + 512, (uint32_t)len - 512, in};
	} else if (len > 0) {
		parts[count++] =
		    (struct driver_part){job.data, (uint32_t)len, in};
	}
	parts[count++] = (struct driver_part){job.status, 1, true};
	job.head = driver_add(d, queue, parts, count);
	return job;
}

static uint8_t
status_of(struct rig *rig, const struct job *job)
{
	return *(uint8_t *)driver_at(&rig->d, job->status, 1);
}

/* Waits until so many requests have come back. */
static unsigned
await(struct rig *rig, unsigned count)
{
	unsigned got = 0;
	uint32_t len;

	while (got < count) {
		bool any = false;

		for (unsigned q = 0; q < QUEUES; q++)
			while (driver_used(&rig->d, q, &len) >= 0) {
				got++;
				any = true;
			}
		/* Ten seconds without any: they are lost. The kernel's own
		 * work for io_uring interrupts a wait. */
		if (!any && loop_turn(rig->d.loop, 10000) <= 0 &&
		    errno != EINTR)
			break;
		errno = 0;
	}
	return got;
}

static void
kick_all(struct rig *rig)
{
	for (unsigned q = 0; q < QUEUES; q++)
		driver_kick(&rig->d, q);
}

/* Many requests at a time, at places that do not meet. */
static bool
round_trip(struct rig *rig, bool shifted)
{
	struct job jobs[DEPTH];
	unsigned wide = SECTORS / DEPTH;
	unsigned bad = 0;

	rig->d.next_buffer = DRIVER_BUFFERS;
	for (unsigned i = 0; i < DEPTH; i++) {
		static const uint32_t types[] = {VIRTIO_BLK_T_IN,
		    VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_FLUSH};
		uint32_t type = types[next() % 4];
		uint64_t first = i * wide + next() % (wide / 2);
		uint64_t len = type == VIRTIO_BLK_T_FLUSH
				   ? 0
				   : (1 + next() % (wide / 2)) * 512;
		uint8_t *data;

		jobs[i] = job_add(rig, i % QUEUES, type, first, len, shifted);
		data = driver_at(&rig->d, jobs[i].data, len);
		for (uint64_t b = 0; b < len; b++)
			data[b] =
			    type == VIRTIO_BLK_T_OUT ? (uint8_t)next() : 0xee;
		if (type == VIRTIO_BLK_T_OUT)
			memcpy(model + jobs[i].offset, data, len);
	}
	kick_all(rig);
	if (await(rig, DEPTH) != DEPTH)
		return false;
	for (unsigned i = 0; i < DEPTH; i++) {
		const struct job *job = &jobs[i];

		bad += status_of(rig, job) != VIRTIO_BLK_S_OK;
		bad += job->type == VIRTIO_BLK_T_IN &&
		       memcmp(driver_at(&rig->d, job->data, job->len),
			   model + job->offset, job->len) != 0;
	}
	return bad == 0;
}

/* One at a time: that is another way through. */
static bool
one_by_one(struct rig *rig)
{
	for (unsigned i = 0; i < 100; i++) {
		uint64_t sector = next() % (SECTORS - 8);
		struct job job;

		rig->d.next_buffer = DRIVER_BUFFERS;
		job = job_add(rig, 0, VIRTIO_BLK_T_IN, sector, 4096, false);
		driver_kick(&rig->d, 0);
		if (await(rig, 1) != 1 || status_of(rig, &job) != 0 ||
		    memcmp(driver_at(&rig->d, job.data, 4096),
			model + job.offset, 4096) != 0)
			return false;
	}
	return true;
}

/* Reset, and the guest's memory gone, while requests are under way. */
static bool
reset_under_way(const struct setting *s)
{
	for (int i = 0; i < 20; i++) {
		struct rig rig;

		if (!rig_open(&rig, s))
			return false;
		for (unsigned j = 0; j < DEPTH; j++)
			job_add(&rig, j % QUEUES, VIRTIO_BLK_T_IN,
			    next() % (SECTORS - 64), 32768, false);
		for (unsigned q = 0; q < QUEUES; q++)
			eventfd_give(rig.d.dev->queues[q].kick_fd);
		loop_turn(rig.d.loop, 1000);
		if (i % 2) {
			virtio_device_stop_queue(rig.d.dev, 0);
			driver_turn(&rig.d);
		}
		rig_close(&rig);
	}
	return true;
}

static void
test_setting(const struct setting *s)
{
	struct blk_stats stats;
	struct rig rig;
	bool good = true;

	if (!rig_open(&rig, s)) {
		if (s->disk.cache == DISK_NONE && e.status == EX_USAGE)
			skip(e.text, s->name);
		else
			ok(false, "%s: %s", s->name, e.text);
		return;
	}
	memcpy(model, base, SIZE);
	for (int i = 0; i < 20 && good; i++)
		good = round_trip(&rig, s->shifted);
	blk_stats(rig.d.dev, &stats);
	good &= stats.read.bytes > 0 && stats.written.bytes > 0 &&
		stats.flushes > 0 && stats.failed == 0;
	ok(good, "%s: many at a time, counted", s->name);
	ok(one_by_one(&rig), "%s: one by one", s->name);
	rig_close(&rig);
	ok(reset_under_way(s), "%s: reset under way", s->name);
	/* The next setting begins with the same. */
	if (s->disk.write && s->disk.format == DISK_RAW) {
		cleanup_fd int fd = open("base", O_WRONLY);

		io_pwrite(fd, base, SIZE, 0);
	}
}

/* What a driver should not ask for: an answer each, and the right one. */
static void
test_wrong(void)
{
	const struct setting s = {.disk = {.path = "base", .read_only = true}};
	struct rig rig;
	struct blk_stats stats;
	struct job job;
	static const struct {
		const char *name;
		uint32_t type;
		uint64_t sector, len;
		uint8_t status;
	} all[] = {
	    {"past the end", VIRTIO_BLK_T_IN, SECTORS, 512, VIRTIO_BLK_S_IOERR},
	    {"over the end", VIRTIO_BLK_T_IN, SECTORS - 1, 1024,
		VIRTIO_BLK_S_IOERR},
	    {"a sector that overflows", VIRTIO_BLK_T_IN, UINT64_MAX / 512 + 1,
		512, VIRTIO_BLK_S_IOERR},
	    {"not whole sectors", VIRTIO_BLK_T_IN, 0, 700, VIRTIO_BLK_S_IOERR},
	    {"nothing", VIRTIO_BLK_T_IN, 0, 0, VIRTIO_BLK_S_OK},
	    {"writing to what is read-only", VIRTIO_BLK_T_OUT, 0, 512,
		VIRTIO_BLK_S_IOERR},
	    {"discarding of what is read-only", VIRTIO_BLK_T_DISCARD, 0, 16,
		VIRTIO_BLK_S_IOERR},
	    {"an unknown request", 77, 0, 512, VIRTIO_BLK_S_UNSUPP},
	    {"the last sector", VIRTIO_BLK_T_IN, SECTORS - 1, 512,
		VIRTIO_BLK_S_OK},
	    {"a short id", VIRTIO_BLK_T_GET_ID, 0, 7, VIRTIO_BLK_S_OK},
	};

	ok(rig_open(&rig, &s), "a read-only disk");
	ok(rig.d.dev->features & 1ull << VIRTIO_BLK_F_RO, "says so");
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		job = job_add(
		    &rig, 0, all[i].type, all[i].sector, all[i].len, false);
		driver_kick(&rig.d, 0);
		ok(await(&rig, 1) == 1 &&
			status_of(&rig, &job) == all[i].status,
		    "%s", all[i].name);
	}
	ok(memcmp(driver_at(&rig.d, job.data, 7), "serial-", 7) == 0,
	    "the serial, cut");

	job.head = driver_add(
	    &rig.d, 0, &(struct driver_part){job.header, 16, false}, 1);
	driver_kick(&rig.d, 0);
	is_int(await(&rig, 1), 1, "a lone header comes back");
	job.head = driver_add(
	    &rig.d, 0, &(struct driver_part){job.status, 1, true}, 1);
	*(uint8_t *)driver_at(&rig.d, job.status, 1) = 0xff;
	driver_kick(&rig.d, 0);
	ok(await(&rig, 1) == 1 && status_of(&rig, &job) == VIRTIO_BLK_S_IOERR,
	    "a lone status");
	blk_stats(rig.d.dev, &stats);
	ok(stats.read.requests == 2 && stats.read.bytes == 512 &&
		stats.written.requests == 0,
	    "what was read is counted");
	is_int(stats.failed, 8, "and what failed");
	ok(!rig.d.needs_reset, "none of it was a breach");
	rig_close(&rig);
}

/* More than there are slots for: the others wait, and none is lost. */
static void
test_many(const struct setting *s)
{
	struct rig rig;
	unsigned count = 0;

	if (!rig_open(&rig, s)) {
		skip(e.text, "more than there are slots");
		return;
	}
	for (unsigned q = 0; q < QUEUES; q++)
		for (unsigned i = 0; i < 80; i++)
			count += job_add(&rig, q, VIRTIO_BLK_T_IN,
				     next() % SECTORS, 512, false)
				     .head >= 0;
	kick_all(&rig);
	is_int(await(&rig, count), count, "%s: %u at a time", s->name, count);
	rig_close(&rig);
}

/* A queue is taken away while it waits for slots: what was not taken of it by
 * then is left to whoever sets it up again. */
static void
test_taken_away(const struct setting *s)
{
	struct job jobs[QUEUES][80];
	unsigned taken, begun = 0;
	struct rig rig;

	if (!rig_open(&rig, s)) {
		skip(e.text, "a queue that is taken away");
		return;
	}
	for (unsigned q = 0; q < QUEUES; q++) {
		for (unsigned i = 0; i < 80; i++)
			jobs[q][i] = job_add(&rig, q, VIRTIO_BLK_T_IN,
			    next() % SECTORS, 512, false);
		eventfd_give(rig.d.dev->queues[q].kick_fd);
	}
	loop_turn(rig.d.loop, 1000);
	taken = rig.d.dev->queues[1].next_avail;
	virtio_device_stop_queue(rig.d.dev, 1);
	await(&rig, 160 + taken);
	for (unsigned i = taken; i < 80; i++)
		begun += status_of(&rig, &jobs[1][i]) != 0xff;
	is_int(begun, 0, "%s: a queue is taken away: %u requests are left",
	    s->name, 80 - taken);
	rig_close(&rig);
}

static unsigned
threads(void)
{
	DIR *list = opendir("/proc/self/task");
	unsigned count = 0;

	while (list && readdir(list))
		count++;
	if (list)
		closedir(list);
	return count - 2;
}

/* The kernel shows one that was joined for a moment yet. */
static unsigned
threads_when_at_most(unsigned most)
{
	for (int ms = 0; ms < 10000 && threads() > most; ms++)
		usleep(1000);
	return threads();
}

static void *
nothing(void *with)
{
	*(pid_t *)with = gettid();
	return NULL;
}

/* A sanitizer's own thread comes with the first of ours. */
static unsigned
threads_before(void)
{
	pthread_t thread;
	char path[64];
	pid_t number;

	if (pthread_create(&thread, NULL, nothing, &number) != 0)
		return threads();
	pthread_join(thread, NULL);
	snprintf(path, sizeof(path), "/proc/self/task/%d", number);
	for (int ms = 0; ms < 10000 && access(path, F_OK) == 0; ms++)
		usleep(1000);
	return threads();
}

int
main(void)
{
	const struct setting settings[] = {
	    {"raw", {.path = "base", .write = true}, false, false},
	    {"raw, threads", {.path = "base", .write = true}, true, false},
	    {"O_DIRECT", {.path = "base", .write = true, .cache = DISK_NONE},
		false, false},
	    {"O_DIRECT, threads",
		{.path = "base", .write = true, .cache = DISK_NONE}, true,
		false},
	    {"O_DIRECT, odd memory",
		{.path = "base", .write = true, .cache = DISK_NONE}, false,
		true},
	    {"overlay", {.path = "base"}, false, false},
	    {"overlay that is kept", {.path = "base", .overlay = "over"}, false,
		false},
	    {"qcow2",
		{.path = "i.qcow2",
		    .write = true,
		    .format = DISK_QCOW2,
		    .cache = DISK_UNSAFE},
		false, false},
	};
	const unsigned before = threads_before();
	const size_t count = sizeof(settings) / sizeof(settings[0]);

	if (!mkdtemp(folder) || chdir(folder) < 0)
		return 1;
	for (size_t i = 0; i < SIZE; i++)
		base[i] = (uint8_t)next();
	{
		cleanup_fd int fd = open("base", O_WRONLY | O_CREAT, 0600);

		io_write(fd, base, SIZE);
	}
	for (size_t i = 0; i < count; i++) {
		if (settings[i].disk.format == DISK_QCOW2 &&
		    system("qemu-img convert -f raw -O qcow2 base i.qcow2 "
			   "2>/dev/null") != 0) {
			skip("qemu-img is not installed", "qcow2");
			continue;
		}
		test_setting(&settings[i]);
	}
	test_wrong();
	test_many(&settings[2]);
	is_int(threads_when_at_most(before), before, "no thread is left");
	test_many(&settings[3]);
	is_int(threads_when_at_most(before), before, "no thread is left");
	test_taken_away(&settings[3]);
	if (system("rm -rf base over i.qcow2") != 0 || rmdir(folder) < 0)
		return 1;
	return tap_done();
}
