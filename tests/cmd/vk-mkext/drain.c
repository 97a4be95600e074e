/* SPDX-License-Identifier: MIT */
#include "cmd/vk-mkext/drain.h"

#include "tests/tap.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define SIZE ((size_t)5 << 20)

static uint8_t *
noise(void)
{
	uint8_t *bytes = malloc(SIZE);
	uint32_t state = 1;

	for (size_t i = 0; bytes && i < SIZE; i++) {
		state = state * 1664525u + 1013904223u;
		bytes[i] = (uint8_t)(state >> 24);
	}
	return bytes;
}

static bool
holds(int fd, uint64_t offset, const uint8_t *bytes, size_t length)
{
	uint8_t *there = malloc(length);
	bool same =
	    there &&
	    pread(fd, there, length, (off_t)offset) == (ssize_t)length &&
	    memcmp(there, bytes, length) == 0;

	free(there);
	return same;
}

/* Pieces of many lengths, lent and copied in turn, one behind the other. */
static void
test_adjacent(const uint8_t *bytes)
{
	struct err e = ERR_INIT;
	int fd = memfd_create("image", MFD_CLOEXEC), failed = 0;
	struct drain *d = drain_new(fd, &e);
	size_t at = 0, length = 1;

	for (unsigned i = 0; at < SIZE; i++, at += length) {
		uint8_t passing[700];

		length = i % 7 == 6 ? (size_t)700 << 10 : 1 + i * 37 % 700;
		if (length > SIZE - at)
			length = SIZE - at;
		if (length > sizeof(passing) || i % 3 == 0) {
			failed |= drain_lend(d, at, bytes + at, length);
			continue;
		}
		memcpy(passing, bytes + at, length);
		failed |= drain_copy(d, at, passing, length);
		memset(passing, 0xee, sizeof(passing));
	}
	is_int(failed | drain_flush(d), 0, "pieces: all written");
	ok(holds(fd, 0, bytes, SIZE), "pieces: each where it belongs");
	drain_free(d);
	close(fd);
}

/* More small pieces than a batch has room for, from the last to the first. */
static void
test_scattered(const uint8_t *bytes)
{
	struct err e = ERR_INIT;
	int fd = memfd_create("image", MFD_CLOEXEC), failed = 0;
	struct drain *d = drain_new(fd, &e);

	for (size_t i = 1000; i-- > 0;)
		failed |= drain_lend(d, i * 8192, bytes + i * 4096, 4096);
	is_int(failed | drain_flush(d), 0, "gaps: all written");
	for (size_t i = 0; i < 1000; i++)
		failed |= !holds(fd, i * 8192, bytes + i * 4096, 4096);
	is_int(failed, 0, "gaps: each where it belongs");
	is_int(drain_flush(d), 0, "a flush of nothing");
	drain_free(d);
	close(fd);
}

/* A file may grow to 1 MiB only: what is behind that fails, and is told. */
static void
test_full(const uint8_t *bytes)
{
	struct rlimit old, small;
	struct err e = ERR_INIT;
	int fd = memfd_create("image", MFD_CLOEXEC), result = 0;
	struct drain *d;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = (struct rlimit){(rlim_t)1 << 20, old.rlim_max};
	setrlimit(RLIMIT_FSIZE, &small);
	d = drain_new(fd, &e);
	for (unsigned i = 0; i < 1000 && result == 0; i++)
		result = drain_lend(
		    d, (uint64_t)i * ((size_t)1 << 20), bytes, (size_t)1 << 20);
	is_int(result, -1, "full: a later piece hears of it");
	is_int(errno, EFBIG, "full: and of the reason");
	is_int(drain_flush(d), -1, "full: a flush does, too");
	is_int(errno, EFBIG, "full: with the reason");
	drain_free(d);
	setrlimit(RLIMIT_FSIZE, &old);
	close(fd);
}

int
main(void)
{
	uint8_t *bytes = noise();

	test_adjacent(bytes);
	test_scattered(bytes);
	test_full(bytes);
	free(bytes);
	return tap_done();
}
