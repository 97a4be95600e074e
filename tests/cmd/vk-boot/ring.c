/* SPDX-License-Identifier: MIT */
#include "cmd/vk-boot/ring.h"

#include "tests/tap.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char text[RING_FILE_MAX + 1];

/* The file's bytes in text, terminated. */
static size_t
file_text(int fd)
{
	ssize_t n = pread(fd, text, RING_FILE_MAX, 0);
	struct stat st;

	if (n < 0 || fstat(fd, &st) < 0 || st.st_size != n)
		return SIZE_MAX;
	text[n] = '\0';
	return (size_t)n;
}

static void
add(struct ring *ring, const char *line)
{
	ring_add(ring, line, strlen(line));
}

static void
test_last(struct ring *ring)
{
	char last[64];

	is_int(ring_last(ring, 5, last, sizeof(last)), 0, "nothing yet");
	is_str(last, "", "an empty string");
	add(ring, "one\r\ntwo\r\n\r\nfo");
	add(ring, "ur");
	ring_last(ring, 1, last, sizeof(last));
	is_str(last, "four\n", "a line that is not ended");
	add(ring, "\n");
	ring_last(ring, 1, last, sizeof(last));
	is_str(last, "four\n", "the last line");
	ring_last(ring, 3, last, sizeof(last));
	is_str(last, "two\n\nfour\n", "three, one of them empty");
	ring_last(ring, 100, last, sizeof(last));
	is_str(last, "one\ntwo\n\nfour\n", "all there are");
	is_int(ring_last(ring, 0, last, sizeof(last)), 0, "none");
	is_int(ring_last(ring, 100, last, 1), 0, "no room");
	is_int(ring_last(ring, 100, last, 2), 1, "room for one");
	is_int(ring_last(ring, 100, last, 0), 0, "none at all");
	ring_last(ring, 100, last, 8);
	ok(strlen(last) < 8 && strstr("one\ntwo\n\nfour\n", last) &&
		strstr(last, "our\n"),
	    "too much: the end");
	add(ring, "\033[1;31mred\033[0m \033c\a\001\177\xc3\xa4.\033[");
	ring_last(ring, 1, last, sizeof(last));
	is_str(last, "red ???\xc3\xa4.\n", "no escapes, no control characters");
	add(ring, "\n\033\n\033[12\nx\033");
	ring_last(ring, 3, last, sizeof(last));
	ok(strchr(last, '\033') == NULL && strchr(last, 'x'),
	    "escapes that stop short");
	is_int(ring_copy(ring, last, 3), 3, "a copy");
	ok(memcmp(last, "\nx\033", 3) == 0, "as it came");
}

static void
test_file(void)
{
	struct err e = ERR_INIT;
	int fd = memfd_create("ring", MFD_CLOEXEC), mine = dup(fd);
	struct ring *ring = NULL;
	size_t len, most = 0, count = 0;
	bool good = true;
	unsigned first = 0, next;
	char line[32];

	ok(write(fd, "old\n", 4) == 4 && (ring = ring_new(fd, &e)) != NULL,
	    "a ring with a file");
	is_int(file_text(mine), 0, "which starts empty");
	add(ring, "[    0.0] ");
	is_int(file_text(mine), 0, "half a line is held back");
	add(ring, "Linux\nversion");
	file_text(mine);
	is_str(text, "[    0.0] Linux\nversion", "until the line is whole");
	add(ring, " 6.1");
	ring_flush(ring);
	file_text(mine);
	is_str(text, "[    0.0] Linux\nversion 6.1", "or flushed");
	for (unsigned i = 0; i < RING_HELD; i++)
		ring_add(ring, ".", 1);
	ok(file_text(mine) >= RING_HELD, "or long");
	add(ring, "\n");

	/* a flood: 12 MB */
	for (unsigned i = 0; i < 1000000; i++) {
		snprintf(line, sizeof(line), "line %7u\n", i);
		add(ring, line);
		if (i % 100000 == 99999 || i == 90000) {
			len = file_text(mine);
			most = len > most ? len : most;
		}
	}
	len = file_text(mine);
	ok(most <= RING_FILE_MAX && len <= RING_FILE_MAX,
	    "the file is bounded");
	ok(sscanf(text, "line %u\n", &first) == 1, "begins with a whole line");
	for (next = first; count < len; next++, count += 13) {
		snprintf(line, sizeof(line), "line %7u\n", next);
		good &= memcmp(text + count, line, 13) == 0;
	}
	ok(good && next == 1000000, "and has the last %u lines, no gap",
	    1000000 - first);
	ok(len >= RING_KEEP - 100, "a good part");

	/* one write far larger than all of it */
	{
		size_t size = 3 * RING_FILE_MAX;
		char *big = malloc(size + 1);

		memset(big, 'x', size);
		memcpy(big + size - 8, "the end\n", 8);
		ring_add(ring, big, size);
		free(big);
	}
	len = file_text(mine);
	ok(len <= RING_FILE_MAX && strcmp(text + len - 8, "the end\n") == 0,
	    "one huge line");
	add(ring, "unfinished");
	ring_free(ring);
	len = file_text(mine);
	is_str(text + len - 10, "unfinished", "flushed at the end");
	close(mine);
}

int
main(void)
{
	struct err e = ERR_INIT;
	struct ring *ring = ring_new(-1, &e);

	test_last(ring);
	ring_free(ring);
	ring_free(NULL);
	test_file();
	return tap_done();
}
