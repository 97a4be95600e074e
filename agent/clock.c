/* SPDX-License-Identifier: MIT */
/* clock.c - the guest's clock, set by the host */
#include "agent/clock.h"

#include <time.h>

#define NS_PER_S UINT64_C(1000000000)
/* Less is noise of the way here, and a step back would disturb more. */
#define TOLERANCE_NS (5 * NS_PER_S / 1000)

int
clock_set(uint64_t ns)
{
	struct timespec t;
	uint64_t have;

	clock_gettime(CLOCK_REALTIME, &t);
	have = (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
	if ((have > ns ? have - ns : ns - have) < TOLERANCE_NS)
		return 0;
	t.tv_sec = (time_t)(ns / NS_PER_S);
	t.tv_nsec = (long)(ns % NS_PER_S);
	return clock_settime(CLOCK_REALTIME, &t) < 0 ? -1 : 1;
}
