/* SPDX-License-Identifier: MIT */
/* loop.c - the agent waits in one place */
#include "agent/loop.h"

#include "common/io.h"

#include <errno.h>
#include <limits.h>
#include <time.h>
#include <unistd.h>

int64_t
loop_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int
loop_init(struct loop *l)
{
	*l = (struct loop){.epoll = epoll_create1(EPOLL_CLOEXEC)};
	return l->epoll < 0 ? -1 : 0;
}

int
loop_add(struct loop *l, struct watch *w, int fd, uint32_t events,
    void (*ready)(struct watch *, uint32_t events))
{
	struct epoll_event event = {.events = events, .data.ptr = w};

	w->fd = -1;
	if (io_nonblock(fd, 1) < 0 ||
	    epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return -1;
	w->fd = fd;
	w->events = events;
	w->ready = ready;
	return 0;
}

void
loop_hold(struct watch *w, int fd)
{
	*w = (struct watch){.fd = fd};
}

void
loop_want(struct loop *l, struct watch *w, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = w};

	if (w->fd < 0 || w->events == events)
		return;
	w->events = events;
	/* EPOLLHUP cannot be masked, but an edge comes only once. */
	if (events == 0)
		event.events = EPOLLET;
	epoll_ctl(l->epoll, EPOLL_CTL_MOD, w->fd, &event);
}

void
loop_remove(struct loop *l, struct watch *w)
{
	if (w->fd < 0)
		return;
	if (w->ready)
		epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	close(w->fd);
	w->fd = -1;
	for (int i = 0; i < l->batch_count; i++)
		if (l->batch[i].data.ptr == w)
			l->batch[i].data.ptr = NULL;
}

void
loop_timer_stop(struct loop *l, struct timer *t)
{
	struct timer **at = &l->timers;

	while (*at && *at != t)
		at = &(*at)->next;
	if (*at)
		*at = t->next;
	t->at_ms = 0;
}

void
loop_timer(
    struct loop *l, struct timer *t, int64_t ms, void (*fire)(struct timer *))
{
	struct timer **at = &l->timers;

	loop_timer_stop(l, t);
	t->at_ms = loop_now_ms() + ms;
	t->fire = fire;
	while (*at && (*at)->at_ms <= t->at_ms)
		at = &(*at)->next;
	t->next = *at;
	*at = t;
}

static void
fire_timers(struct loop *l)
{
	while (l->timers && l->timers->at_ms <= loop_now_ms()) {
		struct timer *t = l->timers;

		loop_timer_stop(l, t);
		t->fire(t);
	}
}

void
loop_turn(struct loop *l, int64_t limit_ms)
{
	int64_t wait = limit_ms;

	if (l->timers) {
		int64_t left = l->timers->at_ms - loop_now_ms();

		if (left < 0)
			left = 0;
		if (wait < 0 || left < wait)
			wait = left;
	}
	if (wait > INT_MAX)
		wait = INT_MAX;
	l->batch_count = epoll_wait(l->epoll, l->batch, LOOP_BATCH, (int)wait);
	for (int i = 0; i < l->batch_count; i++) {
		struct watch *w = l->batch[i].data.ptr;

		if (w)
			w->ready(w, l->batch[i].events);
	}
	l->batch_count = 0;
	if (l->timers)
		fire_timers(l);
}

void
loop_run(struct loop *l)
{
	while (!l->stop)
		loop_turn(l, -1);
}
