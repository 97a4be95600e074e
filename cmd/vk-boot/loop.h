/* SPDX-License-Identifier: MIT */
/*
 * loop.h - a thread that waits for descriptors and does what they ask
 *
 * Every device lives in one loop: its operations run in that loop's thread
 * and nowhere else, so that devices hold no locks. Other threads hand work in
 * with loop_call. The main thread runs a loop as well (loop_run).
 */
#ifndef VK_BOOT_LOOP_H
#define VK_BOOT_LOOP_H

#include "cmd/vk-boot/gate.h"

#include "common/err.h"
#include "common/filter.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;

/* One descriptor waited for. Owned by whoever adds it; stays in place while
 * it is added. events are EPOLLIN and so on. */
struct loop_source {
	int fd;
	void (*ready)(struct loop_source *, uint32_t events);
	void *owner; /* for ready */
	bool added;
};

/* A loop whose thread is not running yet. name is shown in ps(1), at most 15
 * characters. NULL with err. */
struct loop *loop_new(const char *name, struct err *);

/* The system calls of its thread: what the loop itself makes, and what is added
 * by those that live in it. Where it is compiled before loop_start, the thread
 * is bound by it before it does anything. */
struct filter *loop_filter(struct loop *);

/* Of the loop itself, for a thread that it does not make. */
extern const struct filter_call loop_calls[];

/* A device's thread that needs more is a mistake. */
#define LOOP_CALLS_MAX 40

/* Runs it in a thread of its own, all signals blocked there, as soon as the
 * gate opens. 0, -1 with err. */
int loop_start(struct loop *, struct gate *, struct err *);

/* Runs it in this thread, until loop_stop. */
void loop_run(struct loop *);

/* Waits up to timeout_ms (-1: for ever) and does what is ready then. Returns
 * how many descriptors were. For tests and fuzzers: they run no loop, they turn
 * it. */
int loop_turn(struct loop *, int timeout_ms);

/* Ends it, from any thread; takes effect after the callback that runs. */
void loop_stop(struct loop *);

/* Stops it and joins its thread: nothing runs in it any more, and its sources
 * may be removed from here (devices freed). NULL is fine. */
void loop_end(struct loop *);

/* Ends and frees it; nothing may refer to it then. NULL is fine. */
void loop_free(struct loop *);

/* The following are for the loop's own thread, or before it runs. */
int loop_add(
    struct loop *, struct loop_source *, uint32_t events, struct err *);
void loop_change(struct loop *, struct loop_source *, uint32_t events);
/* After this ready is not called again, not even for events that came in
 * together with the one being handled. Does not close the descriptor. */
void loop_remove(struct loop *, struct loop_source *);
/* Removes it and closes its descriptor. */
void loop_close(struct loop *, struct loop_source *);

/* Runs call(with) in the loop's thread and returns when it is done. In that
 * thread, or before the gate opens, it is a plain call. */
void loop_call(struct loop *, void (*call)(void *), void *with);

/* An eventfd's count, read and dropped; 0 if there is none. */
uint64_t eventfd_take(int fd);
/* Adds one to it. */
void eventfd_give(int fd);

#endif
