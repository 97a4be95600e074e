/* SPDX-License-Identifier: MIT */
/* gate.c - where the threads of a VM wait until all are bound */
#include "cmd/vk-boot/gate.h"

void
gate_init(struct gate *gate)
{
	*gate = (struct gate){.err = ERR_INIT};
	pthread_mutex_init(&gate->lock, NULL);
	pthread_cond_init(&gate->complete, NULL);
	pthread_cond_init(&gate->settled, NULL);
}

void
gate_release(struct gate *gate)
{
	pthread_cond_destroy(&gate->settled);
	pthread_cond_destroy(&gate->complete);
	pthread_mutex_destroy(&gate->lock);
}

void
gate_expect(struct gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	gate->expected++;
	pthread_mutex_unlock(&gate->lock);
}

/* The first state counts. The lock is held. */
static void
settle(struct gate *gate, int state)
{
	if (gate->state != GATE_SHUT)
		return;
	gate->state = state;
	pthread_cond_broadcast(&gate->settled);
}

/* The lock is held. */
static void
count_in(struct gate *gate)
{
	gate->arrived++;
	if (gate->arrived < gate->expected)
		return;
	if (gate->opens && !gate->failed)
		settle(gate, GATE_OPEN);
	pthread_cond_signal(&gate->complete);
}

bool
gate_enter(struct gate *gate, const struct filter *filter)
{
	struct err e = ERR_INIT;
	bool go, failed = filter->program && filter_load(filter, &e) < 0;

	pthread_mutex_lock(&gate->lock);
	if (failed && !gate->failed) {
		gate->failed = true;
		gate->err = e;
	}
	count_in(gate);
	while (gate->state == GATE_SHUT && !failed)
		pthread_cond_wait(&gate->settled, &gate->lock);
	go = gate->state == GATE_OPEN && !failed;
	pthread_mutex_unlock(&gate->lock);
	return go;
}

/* The lock is held. */
static int
await_all(struct gate *gate, struct err *e)
{
	while (gate->arrived < gate->expected)
		pthread_cond_wait(&gate->complete, &gate->lock);
	if (gate->failed)
		*e = gate->err;
	return gate->failed ? -1 : 0;
}

int
gate_await(struct gate *gate, struct err *e)
{
	int result;

	pthread_mutex_lock(&gate->lock);
	result = await_all(gate, e);
	pthread_mutex_unlock(&gate->lock);
	return result;
}

int
gate_open(struct gate *gate, struct err *e)
{
	int result;

	pthread_mutex_lock(&gate->lock);
	gate->opens = true;
	result = await_all(gate, e);
	if (result == 0)
		settle(gate, GATE_OPEN); /* all had come before */
	pthread_mutex_unlock(&gate->lock);
	return result;
}

bool
gate_is_open(struct gate *gate)
{
	bool open;

	pthread_mutex_lock(&gate->lock);
	open = gate->state == GATE_OPEN;
	pthread_mutex_unlock(&gate->lock);
	return open;
}

void
gate_cancel(struct gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	settle(gate, GATE_CANCELLED);
	pthread_mutex_unlock(&gate->lock);
}
