/* SPDX-License-Identifier: MIT */
/* async.c - many reads and writes of files at a time */
#include "cmd/vk-boot/async.h"

#include "cmd/vk-boot/async_engine.h"

#include "common/log.h"
#include "common/scope.h"

#include <string.h>
#include <sys/epoll.h>

struct async {
	struct loop *loop;
	struct async_config config;
	struct async_engine *engine; /* NULL until there is work */
	struct loop_source source;
	struct async_op *first, **last; /* added, not started */
	unsigned waiting, started;
	bool failed; /* there is no engine to be had */
};

/* Calls back for all that are done. */
static void
finish(struct async *a)
{
	struct async_op *op;

	while ((op = a->engine->ops->next_done(a->engine))) {
		a->started--;
		op->done(op, op->result);
	}
}

static void
ready(struct loop_source *source, uint32_t events)
{
	struct async *a = source->owner;

	(void)events;
	finish(a);
	async_submit(a);
	a->config.settled(a->config.owner);
}

static void
make_engine(struct async *a)
{
	struct err e = ERR_INIT;

	a->engine = a->config.threads ? NULL : async_ring_new();
	if (!a->engine && !a->config.threads)
		log_info("io_uring: %s; threads instead", strerror(errno));
	if (!a->engine)
		a->engine = async_threads_new();
	a->source = (struct loop_source){
	    .fd = a->engine ? a->engine->fd : -1,
	    .ready = ready,
	    .owner = a,
	};
	if (a->engine && loop_add(a->loop, &a->source, EPOLLIN, &e) == 0)
		return;
	log_warn("disk: nothing to read and write with: %s", strerror(errno));
	a->failed = true;
}

struct async *
async_new(struct loop *loop, const struct async_config *config, struct err *e)
{
	struct async *a = calloc(1, sizeof(*a));

	if (!a) {
		err_errno(e, EX_OSERR, "disk");
		return NULL;
	}
	a->loop = loop;
	a->config = *config;
	a->last = &a->first;
	return a;
}

void
async_confine(struct async *a)
{
	if (!a->engine && !a->failed)
		make_engine(a);
	if (!a->engine)
		return;
	filter_add(loop_filter(a->loop), a->engine->ops->calls);
	if (a->engine->ops->confine)
		a->engine->ops->confine(a->engine);
}

void
async_free(struct async *a)
{
	if (!a)
		return;
	async_wait(a);
	loop_remove(a->loop, &a->source);
	if (a->engine)
		a->engine->ops->free(a->engine);
	free(a);
}

void
async_add(struct async *a, struct async_op *op)
{
	op->next = NULL;
	*a->last = op;
	a->last = &op->next;
	a->waiting++;
}

static struct async_op *
take_first(struct async *a)
{
	struct async_op *op = a->first;

	a->first = op->next;
	if (!a->first)
		a->last = &a->first;
	a->waiting--;
	return op;
}

/* Starts what there is room for. Whether there was anything. */
static bool
start(struct async *a)
{
	bool any = false;

	if (!a->engine && !a->failed)
		make_engine(a);
	while (a->first && (a->failed || a->started < ASYNC_DEPTH_MAX)) {
		struct async_op *op = take_first(a);

		any = true;
		if (a->failed) {
			op->done(op, -EIO);
			continue;
		}
		a->started++;
		a->engine->ops->start(a->engine, op);
	}
	return any;
}

void
async_submit(struct async *a)
{
	/* What is done at once may have more to do. */
	while (a->first && start(a))
		if (!a->failed) {
			a->engine->ops->submit(a->engine, false);
			finish(a);
		}
}

void
async_wait(struct async *a)
{
	async_submit(a);
	while (a->started > 0) {
		a->engine->ops->submit(a->engine, true);
		finish(a);
		async_submit(a);
	}
}

unsigned
async_busy(const struct async *a)
{
	return a->started + a->waiting;
}
