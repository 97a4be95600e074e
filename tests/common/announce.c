/* SPDX-License-Identifier: MIT */
/* announce.c - what a guest's agent announces, in order and out of it */
#include "common/announce.h"

#include "common/io.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <unistd.h>

#define BYTES(text) text, sizeof(text) - 1

static struct announce_event event;
static struct err e;

/* Reads all of it. How many events came; -1 with e at a breach. */
static int
announced(const char *bytes, size_t len)
{
	struct announce a;
	enum announce_result got;
	int ends[2], count = 0;

	if (pipe2(ends, O_CLOEXEC) < 0 || announce_init(&a) < 0)
		return -2;
	if (io_write(ends[1], bytes, len) < 0)
		return -2;
	close(ends[1]);
	e = (struct err)ERR_INIT;
	while ((got = announce_next(&a, ends[0], &event, &e)) == ANNOUNCE_EVENT)
		count++;
	announce_release(&a);
	close(ends[0]);
	return got == ANNOUNCE_ERROR ? -1 : count;
}

static void
test_order(void)
{
	static const char hello[] = "\x14\0\0\0\1\0\0\0vkxe\1\0\0\0"
				    "\0\x10\0\0\0\0\0\0\3abc";
	static const char all[] = "\x08\0\0\0\1\0\0\0vkxe\1\0\0\0"
				  "\2\0\0\0\x20\0\0\0{}\0\0\0\0\x21\0\0\0"
				  "\5\0\0\0\x22\0\0\0\3a\n\033b";
	struct announce a;
	int ends[2];

	is_int(announced(BYTES(all)), 4, "HELLO, IMAGE, READY, EVENT");
	ok(event.type == FRAME_EVENT && event.kind == EVENT_OOM, "an event");
	ok(!strpbrk(event.text, "\n\033"), "its text can be printed: %s",
	    event.text);
	if (pipe2(ends, O_CLOEXEC) < 0 ||
	    io_write(ends[1], hello, sizeof(hello) - 1) < 0)
		return;
	announce_init(&a);
	is_int(announce_next(&a, ends[0], &event, &e), ANNOUNCE_EVENT,
	    "a HELLO with a stage");
	is_int(event.stage_count, 1, "one");
	ok(event.stages[0].ns == 4096 &&
		strcmp(event.stages[0].name, "abc") == 0,
	    "its time and name");
	announce_release(&a);
	close(ends[0]);
	close(ends[1]);
}

static void
test_breaches(void)
{
	static const struct {
		const char *name, *bytes;
		size_t len;
	} cases[] = {
	    {"another protocol", BYTES("SSH-2.0-OpenSSH_9.2p1\r\n")},
	    {"another version", BYTES("\x08\0\0\0\1\0\0\0vkxe\7\0\0\0")},
	    {"another magic", BYTES("\x08\0\0\0\1\0\0\0vkxx\1\0\0\0")},
	    {"half a HELLO", BYTES("\4\0\0\0\1\0\0\0vkxe")},
	    {"READY at once", BYTES("\0\0\0\0\x21\0\0\0")},
	    {"an IMAGE at once", BYTES("\2\0\0\0\x20\0\0\0{}")},
	    {"HELLO twice", BYTES("\x08\0\0\0\1\0\0\0vkxe\1\0\0\0"
				  "\x08\0\0\0\1\0\0\0vkxe\1\0\0\0")},
	    {"READY before IMAGE", BYTES("\x08\0\0\0\1\0\0\0vkxe\1\0\0\0"
					 "\0\0\0\0\x21\0\0\0")},
	    {"IMAGE twice", BYTES("\x08\0\0\0\1\0\0\0vkxe\1\0\0\0"
				  "\0\0\0\0\x20\0\0\0\0\0\0\0\x20\0\0\0")},
	    {"a session's frame", BYTES("\x08\0\0\0\1\0\0\0vkxe\1\0\0\0"
					"\1\0\0\0\x08\1\0\0x")},
	    {"an image of 4 GiB", BYTES("\x08\0\0\0\1\0\0\0vkxe\1\0\0\0"
					"\xff\xff\xff\xff\x20\0\0\0")},
	    {"reserved bits", BYTES("\x08\0\0\0\1\0\1\0vkxe\1\0\0\0")},
	    {"a stage longer than its frame",
		BYTES("\x12\0\0\0\1\0\0\0vkxe\1\0\0\0"
		      "\0\0\0\0\0\0\0\0\xffx")},
	    {"half a stage", BYTES("\x0c\0\0\0\1\0\0\0vkxe\1\0\0\0\0\0\0\0")},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int got = announced(cases[i].bytes, cases[i].len);

		ok(got == -1 && e.text[0] && !strpbrk(e.text, "\n\033"),
		    "%s: %s", cases[i].name, e.text);
	}
}

int
main(void)
{
	test_order();
	test_breaches();
	return tap_done();
}
