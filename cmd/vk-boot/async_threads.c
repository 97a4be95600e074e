/* SPDX-License-Identifier: MIT */
/*
 * async_threads.c - operations by threads, where there is no io_uring
 *
 * A thread is made when there is work and none that waits for it, up to
 * THREADS_MAX; it lives until the end. What is done is told by an eventfd.
 */
#include "cmd/vk-boot/async_engine.h"

#include "common/scope.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

/* A queue of 32 at the disk is what drives and tests ask for. */
#define THREADS_MAX 32
/* They call preadv and little else. */
#define STACK_SIZE (64 * 1024)

struct list {
	struct async_op *first, **last;
};

struct threads {
	struct async_engine engine; /* first; fd is an eventfd */
	pthread_mutex_t lock;       /* guards all below */
	pthread_cond_t work, news;
	struct list todo, done;
	unsigned queued; /* in todo */
	unsigned idle, count;
	unsigned count_max;
	bool stop;
	pthread_t ids[THREADS_MAX];
};

static void
put(struct list *list, struct async_op *op)
{
	op->next = NULL;
	*list->last = op;
	list->last = &op->next;
}

static struct async_op *
take(struct list *list)
{
	struct async_op *op = list->first;

	if (op && !(list->first = op->next))
		list->last = &list->first;
	return op;
}

static ssize_t
perform(const struct async_op *op)
{
	ssize_t n;

	do
		n = op->kind == ASYNC_READ
			? preadv(op->fd, op->parts, (int)op->count,
			      (off_t)op->offset)
		    : op->kind == ASYNC_WRITE
			? pwritev(op->fd, op->parts, (int)op->count,
			      (off_t)op->offset)
			: fdatasync(op->fd);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static void *
thread_main(void *with)
{
	struct threads *t = with;
	struct async_op *op;

	pthread_mutex_lock(&t->lock);
	while (!t->stop) {
		op = take(&t->todo);
		if (!op) {
			t->idle++;
			pthread_cond_wait(&t->work, &t->lock);
			t->idle--;
			continue;
		}
		t->queued--;
		pthread_mutex_unlock(&t->lock);
		op->result = perform(op);
		pthread_mutex_lock(&t->lock);
		put(&t->done, op);
		pthread_cond_signal(&t->news);
		eventfd_give(t->engine.fd);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

/* With the lock held. */
static void
add_thread(struct threads *t)
{
	pthread_attr_t attributes;
	sigset_t all, before;

	if (t->count >= t->count_max)
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	if (pthread_create(&t->ids[t->count], &attributes, thread_main, t) == 0)
		pthread_setname_np(t->ids[t->count++], "disk I/O");
	pthread_attr_destroy(&attributes);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void
start(struct async_engine *engine, struct async_op *op)
{
	struct threads *t = (struct threads *)engine;

	pthread_mutex_lock(&t->lock);
	put(&t->todo, op);
	if (++t->queued > t->idle)
		add_thread(t);
	pthread_cond_signal(&t->work);
	if (t->count == 0) { /* not even one: we do it ourselves */
		take(&t->todo);
		t->queued--;
		op->result = perform(op);
		put(&t->done, op);
		eventfd_give(engine->fd);
	}
	pthread_mutex_unlock(&t->lock);
}

static void
submit(struct async_engine *engine, bool wait)
{
	struct threads *t = (struct threads *)engine;

	pthread_mutex_lock(&t->lock);
	while (wait && !t->done.first)
		pthread_cond_wait(&t->news, &t->lock);
	pthread_mutex_unlock(&t->lock);
}

static struct async_op *
next_done(struct async_engine *engine)
{
	struct threads *t = (struct threads *)engine;
	struct async_op *op;

	pthread_mutex_lock(&t->lock);
	op = take(&t->done);
	if (!t->done.first)
		eventfd_take(engine->fd);
	pthread_mutex_unlock(&t->lock);
	return op;
}

static void
threads_confine(struct async_engine *engine)
{
	((struct threads *)engine)->count_max = 0;
}

static void
threads_free(struct async_engine *engine)
{
	struct threads *t = (struct threads *)engine;

	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_broadcast(&t->work);
	pthread_mutex_unlock(&t->lock);
	while (t->count > 0)
		pthread_join(t->ids[--t->count], NULL);
	pthread_cond_destroy(&t->news);
	pthread_cond_destroy(&t->work);
	pthread_mutex_destroy(&t->lock);
	fd_close(&engine->fd);
	free(t);
}

/* Where there are no threads. */
static const struct filter_call calls[] = {
    CALL(preadv),
    CALL(pwritev),
    CALL(fdatasync),
    CALLS_END,
};

static const struct async_engine_ops threads_ops = {
    .calls = calls,
    .start = start,
    .submit = submit,
    .next_done = next_done,
    .confine = threads_confine,
    .free = threads_free,
};

struct async_engine *
async_threads_new(void)
{
	struct threads *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->engine.ops = &threads_ops;
	t->count_max = THREADS_MAX;
	t->engine.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (t->engine.fd < 0) {
		free(t);
		return NULL;
	}
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->work, NULL);
	pthread_cond_init(&t->news, NULL);
	t->todo.last = &t->todo.first;
	t->done.last = &t->done.first;
	return &t->engine;
}
