/* SPDX-License-Identifier: MIT */
/*
 * status.h - what happens to a VM, told to programs
 *
 * --ready-fd: one newline when the guest's agent is up.
 * --status-fd: a JSON object a line; each has "event" and "ms" (since vk-boot
 *	started), further members by event:
 *
 *	start		"pid", "engine", "kernel", "cpus", "memory", "name"
 *	boot		"stages": [{"name", "ms"}], the guest's own account
 *	ready
 *	log, oom	"text"
 *	crash		"text", "console": its last lines
 *	exited		"status": of the command
 *	stopping	"why"
 *	exit		"status": ours; "why": command, stopped, power-off,
 *			crash, timeout, failure; always the last line
 *
 * Readers ignore events and members that they do not know. The run folder's
 * status.json is one object with all of that so far, and "state": booting,
 * starting, running, stopping or ended. It is replaced by rename, so that a
 * reader sees the old or the new one, whole.
 *
 * Nobody is waited for: a reader of --status-fd that does not read is told
 * later what fits STATUS_WAITING_MAX, and the last line; what came between is
 * lost.
 */
#ifndef VK_BOOT_STATUS_H
#define VK_BOOT_STATUS_H

#include "cmd/vk-boot/loop.h"

#include "common/buf.h"
#include "common/filter.h"
#include "common/sink.h"

#include <jansson.h>
#include <stdint.h>

/* Some hundred events. */
#define STATUS_WAITING_MAX (256u << 10)

/* A descriptor whose reader is not waited for. */
struct outlet {
	const char *name;        /* for messages; borrowed */
	int fd;                  /* -1: none, or not any more; borrowed */
	struct sink sink;        /* of it */
	struct buf waiting;      /* for its reader */
	struct loop *loop;       /* in which it is waited for; NULL: none yet */
	struct loop_source room; /* added while anything waits */
};

struct status {
	/* Told each event (borrowed), in the thread that it happens in. */
	void (*tell)(void *owner, json_t *event);
	void *owner;
	struct outlet ready, lines; /* --ready-fd, --status-fd */
	bool told_ready;
	int folder;        /* the run folder, -1: none; borrowed */
	uint64_t start_ns; /* CLOCK_MONOTONIC */
	json_t *now;       /* status.json */
};

/* What telling an event asks of the host (filter.h). */
extern const struct filter_call status_calls[];

void status_init(struct status *, int ready_fd, int status_fd);
void status_release(struct status *); /* may be called twice */

/* Lines that wait go on in the loop as their reader takes them; and until its
 * end, when they go on for a moment, or not at all. */
void status_serve(struct status *, struct loop *);
void status_finish(struct status *);

/* Has events told to one more; NULL: not any more. */
void status_listen(
    struct status *, void (*tell)(void *owner, json_t *event), void *owner);

/* Milliseconds since the start. */
uint64_t status_ms(const struct status *);

/* Tells an event; members is taken over (NULL: none). What nobody reads is
 * nobody's loss: there are no errors. */
void status_event(struct status *, const char *event, json_t *members);
void status_ready(struct status *);

#endif
