/* SPDX-License-Identifier: MIT */
/* guest_clock.c - when the agent is told the host's time */
#include "cmd/vk-boot/guest_clock.h"

#include "common/frame.h"
#include "tests/tap.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

/* More than tests do to the clock, this one and others beside it. */
#define STEP_NS 1000

static int agent = -1; /* the host's end; the guest's: */
static int guest;
static int64_t began_ns;

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Whether one frame has come, and it is the time. */
static bool
was_told(void)
{
	uint8_t frame[64];
	ssize_t n = recv(guest, frame, sizeof(frame), MSG_DONTWAIT);
	struct cursor c = cursor_of(frame, n > 0 ? (size_t)n : 0);
	uint32_t len = get_le32(&c), type = get_u8(&c);
	int64_t told_ns;

	get_u8(&c);
	get_le16(&c);
	told_ns = (int64_t)get_le64(&c);
	return !c.bad && c.left == 0 && len == 8 && type == FRAME_CLOCK &&
	       told_ns >= began_ns - STEP_NS && told_ns <= now_ns() + STEP_NS;
}

/* What the end of a sleep is to the kernel: the clock is set, here by a
 * nanosecond. 0, -1 without the right to. */
static int
nudge(long ns)
{
	struct timex step = {.modes = ADJ_SETOFFSET | ADJ_NANO,
	    .time = {.tv_sec = ns < 0 ? -1 : 0,
		.tv_usec = ns < 0 ? 1000000000 + ns : ns}};

	return adjtimex(&step) < 0 ? -1 : 0;
}

int
main(void)
{
	struct err e = ERR_INIT;
	struct loop *loop = loop_new("clock", &e);
	struct guest_clock clock;
	int ends[2];

	began_ns = now_ns();
	signal(SIGPIPE, SIG_IGN);
	if (!loop || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0 ||
	    guest_clock_start(&clock, loop, &agent, &e) < 0)
		return 1;
	guest = ends[1];
	guest_clock_tell(&clock);
	agent = ends[0];
	ok(!was_told(), "an agent that has not called is not told");
	guest_clock_tell(&clock);
	ok(was_told(), "one that has is told the time");
	is_int(loop_turn(loop, 0), 0, "nothing more for now");
	if (nudge(1) == 0) {
		ok(loop_turn(loop, 1000) == 1 && was_told(),
		    "the host's clock is set, as by the end of its sleep");
		nudge(-1);
		ok(loop_turn(loop, 1000) == 1 && was_told(), "each time");
	} else {
		skip(strerror(errno), "the host's clock is set");
	}
	close(guest);
	guest_clock_tell(&clock);
	is_int(loop_turn(loop, 0), 0, "an agent that is gone harms nobody");
	loop_close(loop, &clock.timer);
	loop_free(loop);
	return tap_done();
}
