/* SPDX-License-Identifier: MIT */
/* seen.c - files with several names, by numbers that an enemy may choose */
#include "cmd/vk-mkext/seen.h"
#include "tests/tap.h"

#include <time.h>

#define FILES 40000

static double
processor_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Files whose numbers are multiples of one. Gives what they took. */
static double
fill(uint64_t multiple, const char *name)
{
	double before = processor_seconds();
	struct seen s = {.count = 0};
	struct err e = ERR_INIT;
	unsigned wrong = 0;

	for (uint32_t round = 0; round < 2; round++)
		for (uint32_t i = 1; i <= FILES; i++) {
			uint32_t *at =
			    seen_name(&s, (uint64_t[]){7, i * multiple}, &e);

			if (!at || *at != (round ? i : 0))
				wrong++;
			else
				*at = i;
		}
	is_int(wrong, 0, "%s: each is found again", name);
	is_int(s.count, FILES, "and counts once");
	seen_release(&s);
	return processor_seconds() - before;
}

int
main(void)
{
	struct seen s = {.count = 0};
	struct err e = ERR_INIT;
	double plain = fill(1, "numbers in a row");
	double chosen = fill((uint64_t)1 << 40, "numbers that end alike");
	uint32_t *a = seen_name(&s, (uint64_t[]){1, 2}, &e);

	ok(chosen < 20 * plain, "at most as slow: %.4f and %.4f s", plain,
	    chosen);
	*a = 9;
	is_int(*seen_name(&s, (uint64_t[]){2, 2}, &e), 0,
	    "the same number on another device is another file");
	seen_release(&s);
	seen_release(&s);
	return tap_done();
}
