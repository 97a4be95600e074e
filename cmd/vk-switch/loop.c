/* SPDX-License-Identifier: MIT */
/* loop.c - one epoll(7), one clock, coarse timers */
#include "cmd/vk-switch/loop.h"

#include "common/scope.h"

#include <sys/epoll.h>
#include <time.h>

/* A turn handles this many at most, so that output is flushed in between. */
#define EVENTS_PER_TURN 128

void
loop_read_clock(struct loop *l)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	l->now_ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int
loop_init(struct loop *l, struct err *e)
{
	*l = (struct loop){.epoll = epoll_create1(EPOLL_CLOEXEC)};
	if (l->epoll < 0)
		return err_errno(e, EX_OSERR, "epoll");
	loop_read_clock(l);
	return 0;
}

void
loop_release(struct loop *l)
{
	fd_close(&l->epoll);
}

static struct epoll_event
event_of(const struct watch *w, uint32_t events)
{
	return (struct epoll_event){.events = events,
	    .data.u64 = (uint64_t)w->kind << 56 |
			(uint64_t)(w->generation & 0xffffff) << 32 | w->index};
}

int
loop_watch(struct loop *l, int fd, const struct watch *w, uint32_t events)
{
	struct epoll_event ev = event_of(w, events);

	return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev);
}

int
loop_rewatch(struct loop *l, int fd, const struct watch *w, uint32_t events)
{
	struct epoll_event ev = event_of(w, events);

	return epoll_ctl(l->epoll, EPOLL_CTL_MOD, fd, &ev);
}

void
loop_unwatch(struct loop *l, int fd)
{
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL);
}

int
loop_turn(struct loop *l, struct lan *lan, int timeout_ms)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int n = epoll_wait(l->epoll, events, EVENTS_PER_TURN, timeout_ms);

	loop_read_clock(l);
	if (n < 0)
		return errno == EINTR ? 0 : -1;
	for (int i = 0; i < n; i++) {
		struct watch w = {.kind = events[i].data.u64 >> 56,
		    .generation = events[i].data.u64 >> 32 & 0xffffff,
		    .index = (uint32_t)events[i].data.u64};

		l->handlers[w.kind](lan, &w, events[i].events);
	}
	return 0;
}
