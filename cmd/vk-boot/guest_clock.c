/* SPDX-License-Identifier: MIT */
/* guest_clock.c - the guest's clock is the host's */
#include "cmd/vk-boot/guest_clock.h"

#include "common/announce.h"
#include "common/log.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* A clock that is off by a hundred parts in a million loses 6 ms in it. */
#define INTERVAL_S 60

void
guest_clock_tell(const struct guest_clock *clock)
{
	struct timespec now;

	if (*clock->agent_fd < 0)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	if (announce_clock(*clock->agent_fd,
		(uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec) < 0)
		log_info("the guest's clock: %s", strerror(errno));
}

/* By the host's clock, so that reading it fails when that was set. */
static void
wind(const struct guest_clock *clock)
{
	struct itimerspec next = {.it_interval.tv_sec = INTERVAL_S};

	clock_gettime(CLOCK_REALTIME, &next.it_value);
	next.it_value.tv_sec += INTERVAL_S;
	timerfd_settime(clock->timer.fd,
	    TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &next, NULL);
}

static void
expired(struct loop_source *source, uint32_t events)
{
	struct guest_clock *clock = source->owner;
	uint64_t count;

	(void)events;
	if (read(source->fd, &count, sizeof(count)) < 0 && errno == EAGAIN)
		return;
	wind(clock);
	guest_clock_tell(clock);
}

int
guest_clock_start(struct guest_clock *clock, struct loop *loop,
    const int *agent_fd, struct err *e)
{
	*clock = (struct guest_clock){
	    .timer = {.fd = timerfd_create(
			  CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK),
		.ready = expired,
		.owner = clock},
	    .agent_fd = agent_fd,
	};
	if (clock->timer.fd < 0)
		return err_errno(e, EX_OSERR, "timer");
	wind(clock);
	return loop_add(loop, &clock->timer, EPOLLIN, e);
}
