/* SPDX-License-Identifier: MIT */
/*
 * loop.h - the agent waits in one place
 *
 * Watches are embedded in what they belong to and never allocated here. A
 * callback may remove any watch and any timer, its own too, and free what
 * holds them: events already fetched for a removed watch are forgotten.
 */
#ifndef VK_AGENT_LOOP_H
#define VK_AGENT_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#define LOOP_BATCH 32

#define container_of(at, type, member)                                         \
	((type *)((char *)(at)-offsetof(type, member)))

struct watch {
	int fd; /* -1: none; the watch owns it once added or held */
	uint32_t events;
	void (*ready)(struct watch *, uint32_t events);
};

struct timer {
	int64_t at_ms; /* 0: not set */
	void (*fire)(struct timer *);
	struct timer *next;
};

struct loop {
	int epoll;
	struct epoll_event batch[LOOP_BATCH];
	int batch_count;
	struct timer *timers;
	bool stop;
};

/* Milliseconds of CLOCK_BOOTTIME. */
int64_t loop_now_ms(void);

/* Returns 0, -1 with errno. */
int loop_init(struct loop *);

/* Watches fd (made non-blocking) for events of epoll(7). Returns 0; -1 with
 * errno, and fd is the caller's still. */
int loop_add(struct loop *, struct watch *, int fd, uint32_t events,
    void (*ready)(struct watch *, uint32_t events));

/* Owns fd, which nobody waits for; until loop_remove(). */
void loop_hold(struct watch *, int fd);

/* Changes what is waited for. 0 is nothing: a hang-up is told once, not over
 * and over. */
void loop_want(struct loop *, struct watch *, uint32_t events);

/* Closes the descriptor and forgets the watch. May be called again. */
void loop_remove(struct loop *, struct watch *);

/* Calls fire once, in ms from now; set again, it moves. */
void loop_timer(
    struct loop *, struct timer *, int64_t ms, void (*fire)(struct timer *));
void loop_timer_stop(struct loop *, struct timer *);

/* One wait, at most limit_ms (-1: none), and what came of it. */
void loop_turn(struct loop *, int64_t limit_ms);
/* Until stop is set. */
void loop_run(struct loop *);

#endif
