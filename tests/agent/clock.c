/* SPDX-License-Identifier: MIT */
/* clock.c - when the guest's clock is set, by a clock of the test's own */
#include "agent/clock.h"

#include "tests/tap.h"

#include <errno.h>
#include <time.h>

#define MS 1000000
#define S  (1000 * MS)

static struct timespec fake;
static int sets, refused;

/* In place of the C library's. */
int
clock_gettime(clockid_t id, struct timespec *t)
{
	(void)id;
	*t = fake;
	return 0;
}

int
clock_settime(clockid_t id, const struct timespec *t)
{
	if (id != CLOCK_REALTIME)
		return -1;
	errno = refused;
	if (refused)
		return -1;
	fake = *t;
	sets++;
	return 0;
}

/* The clock says 1000.5 s, the host that and so much more. Returns what
 * clock_set() does; *off_ns is how far off the clock is then. */
static int
set(int64_t more_ns, int64_t *off_ns)
{
	int64_t host = (int64_t)1000 * S + S / 2 + more_ns;
	int status;

	fake = (struct timespec){1000, S / 2};
	sets = 0;
	status = clock_set((uint64_t)host);
	*off_ns = fake.tv_sec * (int64_t)S + fake.tv_nsec - host;
	return status;
}

int
main(void)
{
	static const int64_t large[] = {6 * MS, -6 * (int64_t)MS, 50 * MS, S,
	    -(int64_t)S, 86400 * (int64_t)S, -900 * (int64_t)S};
	static const int64_t small[] = {0, 1, -1, 4 * MS, -4 * (int64_t)MS};
	int64_t off;

	for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++)
		ok(set(large[i], &off) == 1 && off == 0 && sets == 1,
		    "off by %lld ms: it is set, exactly",
		    (long long)large[i] / MS);
	for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++)
		ok(set(small[i], &off) == 0 && off == -small[i] && sets == 0,
		    "off by %lld ns: it is left alone", (long long)small[i]);
	refused = EPERM;
	ok(set(S, &off) == -1 && errno == EPERM && sets == 0,
	    "it cannot be set: that is told");
	return tap_done();
}
