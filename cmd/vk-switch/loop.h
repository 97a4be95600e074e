/* SPDX-License-Identifier: MIT */
/*
 * loop.h - one epoll(7), one clock, coarse timers
 *
 * What is watched is named by a kind, an index into its owner's table and a
 * generation: an event that was fetched before its object was freed and the
 * place given to another carries the old generation, and the owner drops it.
 *
 * The clock is read once a turn. Nothing here allocates after loop_init().
 */
#ifndef VK_SWITCH_LOOP_H
#define VK_SWITCH_LOOP_H

#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

enum watch_kind {
	WATCH_SIGNAL,
	WATCH_LISTENER,
	WATCH_PORT,
	WATCH_FLOW,
	WATCH_PUBLISH,
	WATCH_QUERY,
	WATCH_DNS_STREAM,
	WATCH_DNS_UPSTREAM,
	WATCH_CONTROL,
	WATCH_CONTROL_CLIENT,
	WATCH_HOST,
	WATCH_RELOAD,
	WATCH_KINDS,
};

struct watch {
	enum watch_kind kind;
	uint32_t index;
	uint32_t generation; /* 24 bits of it count */
};

struct lan;

typedef void watch_handler(struct lan *, const struct watch *, uint32_t events);

struct loop {
	int epoll;
	uint64_t now_ms; /* CLOCK_MONOTONIC of this turn */
	watch_handler *handlers[WATCH_KINDS];
};

int loop_init(struct loop *, struct err *);
void loop_release(struct loop *);

/* events as of epoll_ctl(2). Return 0, -1 with errno. Closing the descriptor
 * ends the watch. */
int loop_watch(struct loop *, int fd, const struct watch *, uint32_t events);
int loop_rewatch(struct loop *, int fd, const struct watch *, uint32_t events);
void loop_unwatch(struct loop *, int fd);

/* Waits at most timeout_ms (-1: without end), then calls the handlers.
 * Returns 0, -1 with errno. */
int loop_turn(struct loop *, struct lan *, int timeout_ms);

void loop_read_clock(struct loop *);

#endif
