/* SPDX-License-Identifier: MIT */
#include "cmd/vk-boot/virtio/console.h"

#include "common/buf.h"
#include "tests/cmd/vk-boot/driver.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { RX, TX };

static struct buf said;
static uint64_t said_bytes;

static void
output(void *owner, const void *text, size_t len)
{
	(void)owner;
	said_bytes += len;
	buf_add(&said, text, len);
}

static bool
heard(const char *text)
{
	bool same = said.len == strlen(text) &&
		    memcmp(said.data ? said.data : "", text, said.len) == 0;

	said.len = 0;
	return same;
}

static void
say(struct driver *d, const char *text)
{
	size_t len = strlen(text);
	struct driver_part parts[2] = {
	    {0x90000, (uint32_t)(len / 2), false},
	    {0x90000 + len / 2, (uint32_t)(len - len / 2), false},
	};

	memcpy(driver_at(d, 0x90000, len), text, len);
	driver_add(d, TX, parts, 2);
	driver_kick(d, TX);
}

/* Posts a buffer of two parts for input. */
static void
post(struct driver *d, uint32_t len)
{
	struct driver_part parts[2] = {
	    {0xa0000, len / 2, true},
	    {0xa0000 + len / 2, len - len / 2, true},
	};

	driver_add(d, RX, parts, 2);
	driver_kick(d, RX);
}

/* What was put into the buffer, "" where none was. */
static const char *
input(struct driver *d)
{
	static char text[4097];
	uint32_t len = 0;

	driver_turn(d);
	if (driver_used(d, RX, &len) < 0 || len >= sizeof(text))
		len = 0;
	memcpy(text, driver_at(d, 0xa0000, len), len);
	text[len] = '\0';
	return text;
}

static void
test_output(struct driver *d)
{
	struct driver_part big = {0, DRIVER_MEMORY, false};
	struct driver_part wrong = {0x90000, 16, true};

	driver_start(d, ~0ull);
	say(d, "hello\n");
	ok(heard("hello\n"), "what the guest says");
	ok(driver_used(d, TX, NULL) >= 0 && driver_called(d, TX), "is used");
	say(d, "");
	ok(heard(""), "nothing");
	driver_used(d, TX, NULL);
	driver_add(d, TX, &wrong, 1);
	driver_kick(d, TX);
	ok(heard("") && driver_used(d, TX, NULL) >= 0,
	    "a buffer of the wrong kind says nothing");
	said_bytes = 0;
	driver_add(d, TX, &big, 1);
	driver_kick(d, TX);
	ok(said_bytes == 65536 && driver_used(d, TX, NULL) >= 0,
	    "a huge one says its beginning");
	said.len = 0;
}

static void
test_input(struct driver *d)
{
	int pipe_fds[2], file;

	driver_start(d, ~0ull);
	ok(pipe(pipe_fds) == 0 && console_input(d->dev, pipe_fds[0]) == 0,
	    "input from a pipe");
	ok(write(pipe_fds[1], "abcdef", 6) == 6, "written");
	is_str(input(d), "", "no buffer yet");
	is_int(loop_turn(d->loop, 20), 0, "and nobody spins");
	post(d, 4);
	is_str(input(d), "abcd", "as much as fits");
	ok(driver_called(d, RX), "interrupts");
	is_int(loop_turn(d->loop, 20), 0, "the rest waits, nobody spins");
	post(d, 100);
	is_str(input(d), "ef", "the rest");
	post(d, 100);
	is_str(input(d), "", "a buffer waits for input");
	ok(write(pipe_fds[1], "g", 1) == 1, "written");
	is_str(input(d), "g", "and gets it");
	close(pipe_fds[1]);
	post(d, 100);
	is_str(input(d), "", "the end is nothing");
	is_int(loop_turn(d->loop, 20), 0, "and no reason to spin");
	close(pipe_fds[0]);

	file = memfd_create("input", MFD_CLOEXEC);
	ok(write(file, "from a file", 11) == 11 &&
		lseek(file, 0, SEEK_SET) == 0,
	    "a file");
	driver_start(d, ~0ull);
	is_int(console_input(d->dev, file), 0, "as input");
	post(d, 7);
	is_str(input(d), "from a ", "what fits");
	post(d, 100);
	is_str(input(d), "file", "the rest");
	post(d, 100);
	is_str(input(d), "", "the end");
	post(d, 0);
	is_int(console_input(d->dev, -1), 0, "no more input");
	close(file);
}

static void
test_size(struct driver *d)
{
	uint16_t size[2];

	driver_start(d, ~0ull);
	virtio_config_read(d->dev, 0, size, 4);
	ok(size[0] == 80 && size[1] == 25 && d->dev->features & 1, "80 by 25");
	d->interrupts = 0;
	console_resize(d->dev, 132, 50);
	virtio_config_read(d->dev, 0, size, 4);
	ok(size[0] == 132 && size[1] == 50 && d->interrupts == 1,
	    "another size interrupts");
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
test_flood(struct driver *d)
{
	struct driver_part part = {0x90000, 65536, false};
	double start, spent;
	unsigned turns = 0;

	said_bytes = 0;
	start = now();
	driver_start(d, ~0ull);
	while ((spent = now() - start) < 0.3) {
		while (driver_add(d, TX, &part, 1) >= 0)
			;
		/* kicks without end, too */
		eventfd_give(d->dev->queues[TX].kick_fd);
		loop_turn(d->loop, 10);
		turns++;
		while (driver_used(d, TX, NULL) >= 0)
			;
		said.len = 0;
	}
	ok(said_bytes > (uint64_t)CONSOLE_BURST / 2, "a flood of %llu kB",
	    (unsigned long long)said_bytes >> 10);
	ok((double)said_bytes <
		(double)CONSOLE_BURST + spent * (double)CONSOLE_RATE + 1e5,
	    "is held to its rate");
	/* the driver waits, as Linux does: the timer alone */
	start = now();
	for (turns = 0; now() - start < 0.1; turns++)
		loop_turn(d->loop, 100);
	ok(turns <= 110, "%u wake-ups in 0.1 s", turns);
	virtio_device_stop(d->dev);
	is_int(loop_turn(d->loop, 20), 0, "a reset ends the timer");
}

/* Buffers of nothing, for which a driver with another processor need never
 * stop: they are taken up to a limit, too. */
static void
test_nothing(void)
{
	struct console_config config = {.output = output, .input = -1};
	struct driver_part part = {0x90000, 0, false};
	struct err e = ERR_INIT;
	unsigned kicks = 0;
	struct driver d;

	driver_init(&d);
	driver_use(&d, console_new(d.loop, &d.mem, &config, &e));
	driver_start(&d, ~0ull);
	while (driver_used_ring(&d, TX)->idx == d.queues[TX].next &&
	       kicks < 4000) {
		while (driver_used(&d, TX, NULL) >= 0)
			;
		while (driver_add(&d, TX, &part, 1) >= 0)
			;
		eventfd_give(d.dev->queues[TX].kick_fd);
		loop_turn(d.loop, 0);
		kicks++;
	}
	ok(kicks < 4000, "a flood of nothing is held up after %u queues of it",
	    kicks);
	driver_release(&d);
}

static void
test_breach(struct driver *d)
{
	driver_start(d, ~0ull);
	driver_publish(d, TX, 300);
	driver_kick(d, TX);
	ok(d->needs_reset, "a broken queue fails the device");
	driver_start(d, ~0ull);
	console_input(d->dev, memfd_create("x", MFD_CLOEXEC));
	driver_publish(d, RX, 300);
	driver_kick(d, RX);
	ok(d->needs_reset, "so does the other");
}

int
main(void)
{
	struct console_config config = {
	    .output = output, .input = -1, .columns = 80, .rows = 25};
	struct err e = ERR_INIT;
	struct driver d;

	buf_init(&said, 64 << 20);
	driver_init(&d);
	driver_use(&d, console_new(d.loop, &d.mem, &config, &e));
	test_output(&d);
	test_input(&d);
	test_size(&d);
	test_breach(&d);
	test_flood(&d);
	test_nothing();
	driver_release(&d);
	buf_release(&said);
	return tap_done();
}
