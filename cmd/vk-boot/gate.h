/* SPDX-License-Identifier: MIT */
/*
 * gate.h - where the threads of a VM wait until all are bound
 *
 * A thread that has come to the gate is bound by its filter and has done
 * nothing else. The main thread makes them all, binds itself and opens: so no
 * instruction of the guest runs, and no byte of it is read, while any thread is
 * still free. The last to come is who lets all go on: each has slept once at
 * most, for waking a thread is what a start costs most time for.
 *
 *	gate_expect		main: another thread was made
 *	gate_enter		that thread: binds itself and waits
 *	gate_await		main: all have come
 *	gate_open		main: they go on when all have come
 */
#ifndef VK_BOOT_GATE_H
#define VK_BOOT_GATE_H

#include "common/err.h"
#include "common/filter.h"

#include <pthread.h>
#include <stdbool.h>

struct gate {
	pthread_mutex_t lock;    /* guards what follows */
	pthread_cond_t complete; /* main waits for the last to come */
	pthread_cond_t settled;  /* all others for the state */
	unsigned expected, arrived;
	bool opens; /* when all have come */
	enum { GATE_SHUT, GATE_OPEN, GATE_CANCELLED } state;
	bool failed; /* err: a filter did not take */
	struct err err;
};

void gate_init(struct gate *);
void gate_release(struct gate *);

void gate_expect(struct gate *);

/* Binds the calling thread where the filter is compiled. False: the thread has
 * to end. */
bool gate_enter(struct gate *, const struct filter *);

/* 0, -1 with err where a thread could not be bound. */
int gate_await(struct gate *, struct err *);

/* 0 when all have come and go on, -1 with err as gate_await; then all wait for
 * gate_cancel. No more are expected, but once it is open. */
int gate_open(struct gate *, struct err *);
bool gate_is_open(struct gate *);

/* All end who wait or come later; nothing once it is open. */
void gate_cancel(struct gate *);

#endif
