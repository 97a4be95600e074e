/* SPDX-License-Identifier: MIT */
/* backlog.c - what is kept of a command's output, and how it is read */
#include "agent/backlog.h"

#include "tests/tap.h"

#include <stdlib.h>

static char text[2 * BACKLOG_SIZE], into[BACKLOG_SIZE];

/* Reads all of it; *first is the first byte. Returns the sum of lengths. */
static size_t
read_all(const struct backlog *b, uint64_t *at, unsigned stream, char *first)
{
	size_t total = 0, n;
	unsigned of;

	*first = 0;
	while ((n = backlog_read(b, at, &of, into, sizeof(into))) > 0) {
		if (total == 0)
			*first = into[0];
		total += of == stream ? n : 0;
	}
	return total;
}

static void
test_order(void)
{
	struct backlog *b = backlog_new();
	uint64_t at = 0;
	unsigned stream;

	is_int(backlog_read(b, &at, &stream, into, sizeof(into)), 0, "empty");
	backlog_add(b, 1, "out", 3);
	backlog_add(b, 2, "error", 5);
	is_int(backlog_read(b, &at, &stream, into, sizeof(into)), 3, "3 bytes");
	ok(stream == 1 && memcmp(into, "out", 3) == 0, "of stdout");
	is_int(backlog_read(b, &at, &stream, into, 2), 2, "as many as fit");
	ok(stream == 2 && memcmp(into, "er", 2) == 0, "of stderr");
	is_int(backlog_read(b, &at, &stream, into, sizeof(into)), 0, "the end");
	backlog_add(b, 1, "more", 4);
	is_int(backlog_read(b, &at, &stream, into, sizeof(into)), 4,
	    "a reader goes on where it was");
	backlog_add(b, 1, "", 0);
	is_int(backlog_read(b, &at, &stream, into, sizeof(into)), 0,
	    "nothing adds nothing");
	backlog_free(b);
}

static void
test_overtaken(void)
{
	struct backlog *b = backlog_new();
	uint64_t at = 0, slow = 0;
	char first;
	size_t n;

	memset(text, 'a', BACKLOG_SIZE);
	memset(text + BACKLOG_SIZE, 'b', BACKLOG_SIZE);
	backlog_add(b, 1, text, sizeof(text));
	n = read_all(b, &at, 1, &first);
	ok(n <= BACKLOG_SIZE && n > BACKLOG_SIZE * 9 / 10 && first == 'b',
	    "of %zu bytes the last %zu are kept", sizeof(text), n);
	for (int i = 0; i < 100000; i++)
		backlog_add(b, 1 + i % 2, text + i, 1);
	n = read_all(b, &slow, 1, &first);
	ok(n > 0, "one that was overtaken goes on at the oldest (%zu)", n);
	is_int(slow, b->end, "and comes to the end");
	backlog_free(b);
	backlog_free(NULL);
}

int
main(void)
{
	test_order();
	test_overtaken();
	return tap_done();
}
