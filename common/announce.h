/* SPDX-License-Identifier: MIT */
/*
 * announce.h - the host's end of the agent's one announcing connection
 *
 *	announce_init(&a);
 *	while (announce_next(&a, fd, &event, &e) == ANNOUNCE_EVENT)
 *		switch (event.type) ...
 *	announce_release(&a);
 *
 * The order is checked: HELLO, IMAGE, READY, then any number of EVENTs (an
 * EVENT may come before any of them: that is how a boot that fails says why).
 * Memory is bounded by FRAME_IMAGE_MAX whatever the guest sends; texts are
 * cut and made printable. How often events may come is the caller's to limit.
 */
#ifndef VK_COMMON_ANNOUNCE_H
#define VK_COMMON_ANNOUNCE_H

#include "common/err.h"
#include "common/frame.h"

#include <stdbool.h>
#include <stdint.h>

#define ANNOUNCE_STAGES_MAX 24
#define ANNOUNCE_NAME_MAX   32
#define ANNOUNCE_TEXT_MAX   512

struct announce {
	struct frame_reader reader;
	enum {
		ANNOUNCE_WANT_HELLO,
		ANNOUNCE_WANT_IMAGE,
		ANNOUNCE_WANT_READY,
		ANNOUNCE_RUNNING,
	} state;
};

struct announce_event {
	enum frame_type type; /* HELLO, IMAGE, READY or EVENT */

	/* HELLO: the guest's boot, each with ns since its kernel's start. */
	struct {
		uint64_t ns;
		char name[ANNOUNCE_NAME_MAX];
	} stages[ANNOUNCE_STAGES_MAX];
	unsigned stage_count;

	/* IMAGE: borrowed until the next call. */
	const uint8_t *image;
	size_t image_len;

	/* EVENT; kind may be one that is not known here. */
	enum event kind;
	char text[ANNOUNCE_TEXT_MAX];
};

enum announce_result {
	ANNOUNCE_ERROR = -1, /* err: the guest broke the rules, or I/O */
	ANNOUNCE_END = 0,    /* the connection was closed */
	ANNOUNCE_EVENT = 1,
	ANNOUNCE_AGAIN = 2, /* fd is non-blocking and has no more */
};

/* Returns 0, -1 when memory ran out. */
int announce_init(struct announce *);
void announce_release(struct announce *);
enum announce_result announce_next(
    struct announce *, int fd, struct announce_event *, struct err *);

/* What the host says. One short write each; 0, -1 with errno. */
struct announce_stop {
	uint8_t signal; /* 0: what the main session asked for, else TERM */
	bool reboot;
	uint32_t deadline_ms; /* then KILL */
};
int announce_stop(int fd, const struct announce_stop *);
int announce_clock(int fd, uint64_t ns);

#endif
