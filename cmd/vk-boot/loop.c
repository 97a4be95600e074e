/* SPDX-License-Identifier: MIT */
/*
 * loop.c - a thread that waits for descriptors and does what they ask
 *
 * Work from other threads goes through one slot: the caller takes the lock,
 * puts its call in, wakes the loop and waits for the answer. It is rare
 * (device start and reset, control), so that a queue would buy nothing.
 */
#include "cmd/vk-boot/loop.h"

#include "common/scope.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

/* How many events one wait takes; more are taken by the next. */
#define EVENTS_MAX 16

const struct filter_call loop_calls[] = {
    CALL(epoll_wait),
    CALL(epoll_ctl),
    CALL(read),  /* eventfds */
    CALL(write), /* and those of others */
    CALLS_END,
};

struct loop {
	char name[16];
	int epoll;
	struct loop_source wake;
	pthread_t thread;
	bool running; /* thread is valid */
	bool threaded;
	atomic_bool stop;
	struct filter filter;
	struct gate *gate;

	/* What is being handled, so that loop_remove can take back events. */
	struct epoll_event *events;
	int left;

	pthread_mutex_t lock; /* one caller at a time */
	pthread_mutex_t slot; /* guards what follows */
	pthread_cond_t done;
	void (*call)(void *);
	void *with;
};

uint64_t
eventfd_take(int fd)
{
	uint64_t count = 0;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

void
eventfd_give(int fd)
{
	uint64_t one = 1;

	/* It fails only when the count is full, and then it is awake. */
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

static void
take_call(struct loop_source *source, uint32_t events)
{
	struct loop *loop = source->owner;

	(void)events;
	eventfd_take(source->fd);
	pthread_mutex_lock(&loop->slot);
	if (loop->call) {
		loop->call(loop->with);
		loop->call = NULL;
		pthread_cond_signal(&loop->done);
	}
	pthread_mutex_unlock(&loop->slot);
}

struct loop *
loop_new(const char *name, struct err *e)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop) {
		err_errno(e, EX_OSERR, "%s", name);
		return NULL;
	}
	snprintf(loop->name, sizeof(loop->name), "%s", name);
	filter_init(&loop->filter, loop->name, LOOP_CALLS_MAX);
	filter_add(&loop->filter, filter_libc);
	filter_add(&loop->filter, loop_calls);
	pthread_mutex_init(&loop->lock, NULL);
	pthread_mutex_init(&loop->slot, NULL);
	pthread_cond_init(&loop->done, NULL);
	loop->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop->wake.ready = take_call;
	loop->wake.owner = loop;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->wake.fd < 0 || loop->epoll < 0) {
		err_errno(e, EX_OSERR, "%s", name);
		loop_free(loop);
		return NULL;
	}
	if (loop_add(loop, &loop->wake, EPOLLIN, e) < 0) {
		loop_free(loop);
		return NULL;
	}
	return loop;
}

struct filter *
loop_filter(struct loop *loop)
{
	return &loop->filter;
}

static void *
thread_main(void *with)
{
	struct loop *loop = with;

	pthread_setname_np(pthread_self(), loop->name);
	if (gate_enter(loop->gate, &loop->filter))
		loop_run(loop);
	return NULL;
}

int
loop_start(struct loop *loop, struct gate *gate, struct err *e)
{
	sigset_t all, before;
	int number;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	loop->running = loop->threaded = true;
	loop->gate = gate;
	number = pthread_create(&loop->thread, NULL, thread_main, loop);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (number != 0) {
		loop->running = loop->threaded = false;
		errno = number;
		return err_errno(e, EX_OSERR, "thread %s", loop->name);
	}
	gate_expect(gate);
	return 0;
}

int
loop_turn(struct loop *loop, int timeout_ms)
{
	struct epoll_event events[EVENTS_MAX];
	int count = epoll_wait(loop->epoll, events, EVENTS_MAX, timeout_ms);

	for (int i = 0; i < count && !atomic_load(&loop->stop); i++) {
		struct loop_source *source = events[i].data.ptr;

		loop->left = count - i - 1;
		loop->events = events + i + 1;
		if (source)
			source->ready(source, events[i].events);
	}
	loop->left = 0;
	return count;
}

void
loop_run(struct loop *loop)
{
	if (!loop->threaded) {
		loop->thread = pthread_self();
		loop->running = true;
	}
	while (!atomic_load(&loop->stop))
		loop_turn(loop, -1);
	if (!loop->threaded)
		loop->running = false;
}

void
loop_stop(struct loop *loop)
{
	atomic_store(&loop->stop, true);
	eventfd_give(loop->wake.fd);
}

void
loop_end(struct loop *loop)
{
	if (!loop || !loop->threaded)
		return;
	loop_stop(loop);
	pthread_join(loop->thread, NULL);
	loop->threaded = loop->running = false;
}

void
loop_free(struct loop *loop)
{
	if (!loop)
		return;
	loop_end(loop);
	fd_close(&loop->wake.fd);
	fd_close(&loop->epoll);
	filter_release(&loop->filter);
	pthread_cond_destroy(&loop->done);
	pthread_mutex_destroy(&loop->slot);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}

int
loop_add(struct loop *loop, struct loop_source *source, uint32_t events,
    struct err *e)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, source->fd, &event) < 0)
		return err_errno(e, EX_OSERR, "%s: epoll", loop->name);
	source->added = true;
	return 0;
}

void
loop_change(struct loop *loop, struct loop_source *source, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	epoll_ctl(loop->epoll, EPOLL_CTL_MOD, source->fd, &event);
}

void
loop_remove(struct loop *loop, struct loop_source *source)
{
	if (!source->added)
		return;
	epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
	source->added = false;
	for (int i = 0; i < loop->left; i++)
		if (loop->events[i].data.ptr == source)
			loop->events[i].data.ptr = NULL;
}

void
loop_close(struct loop *loop, struct loop_source *source)
{
	loop_remove(loop, source);
	fd_close(&source->fd);
}

void
loop_call(struct loop *loop, void (*call)(void *), void *with)
{
	if (!loop->running || (loop->gate && !gate_is_open(loop->gate)) ||
	    pthread_equal(loop->thread, pthread_self())) {
		call(with);
		return;
	}
	pthread_mutex_lock(&loop->lock);
	pthread_mutex_lock(&loop->slot);
	loop->call = call;
	loop->with = with;
	eventfd_give(loop->wake.fd);
	while (loop->call)
		pthread_cond_wait(&loop->done, &loop->slot);
	pthread_mutex_unlock(&loop->slot);
	pthread_mutex_unlock(&loop->lock);
}
