/* SPDX-License-Identifier: MIT */
/* gate.c - where the threads of a VM wait until all are bound */
#include "cmd/vk-boot/gate.h"

void
gate_init(struct gate *gate)
{
	*gate = (struct gate){.err = ERR_INIT};
	pthread_mutex_init(&gate->lock, NULL);
	pthread_cond_init(&gate->changed, NULL);
}

void
gate_release(struct gate *gate)
{
	pthread_cond_destroy(&gate->changed);
	pthread_mutex_destroy(&gate->lock);
}

void
gate_expect(struct gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	gate->expected++;
	pthread_mutex_unlock(&gate->lock);
}

bool
gate_enter(struct gate *gate, const struct filter *filter)
{
	struct err e = ERR_INIT;
	bool go, failed = filter->program && filter_load(filter, &e) < 0;

	pthread_mutex_lock(&gate->lock);
	gate->arrived++;
	if (failed && !gate->failed) {
		gate->failed = true;
		gate->err = e;
	}
	pthread_cond_broadcast(&gate->changed);
	while (gate->state == GATE_SHUT && !failed)
		pthread_cond_wait(&gate->changed, &gate->lock);
	go = gate->state == GATE_OPEN && !failed;
	pthread_mutex_unlock(&gate->lock);
	return go;
}

int
gate_await(struct gate *gate, struct err *e)
{
	int result = 0;

	pthread_mutex_lock(&gate->lock);
	while (gate->arrived < gate->expected)
		pthread_cond_wait(&gate->changed, &gate->lock);
	if (gate->failed) {
		*e = gate->err;
		result = -1;
	}
	pthread_mutex_unlock(&gate->lock);
	return result;
}

/* The first of the two counts. */
static void
settle(struct gate *gate, int state)
{
	pthread_mutex_lock(&gate->lock);
	if (gate->state == GATE_SHUT)
		gate->state = state;
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->lock);
}

void
gate_open(struct gate *gate)
{
	settle(gate, GATE_OPEN);
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
	settle(gate, GATE_CANCELLED);
}
