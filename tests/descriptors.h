/* SPDX-License-Identifier: MIT */
/*
 * descriptors.h - a process in which all descriptors are taken
 *
 *	struct descriptors taken;
 *
 *	descriptors_take(&taken);
 *	...nothing can be opened here
 *	descriptors_give(&taken);
 */
#ifndef VK_TESTS_DESCRIPTORS_H
#define VK_TESTS_DESCRIPTORS_H

#include <sys/resource.h>
#include <unistd.h>

/* Below that number; more than a test has open. */
#define DESCRIPTORS_MAX 64

struct descriptors {
	struct rlimit limit; /* as it was */
	int taken[DESCRIPTORS_MAX];
	unsigned count;
};

__attribute__((unused)) static void
descriptors_take(struct descriptors *d)
{
	struct rlimit few;

	getrlimit(RLIMIT_NOFILE, &d->limit);
	few = d->limit;
	few.rlim_cur = DESCRIPTORS_MAX;
	setrlimit(RLIMIT_NOFILE, &few);
	d->count = 0;
	while ((d->taken[d->count] = dup(STDIN_FILENO)) >= 0)
		d->count++;
}

__attribute__((unused)) static void
descriptors_give(struct descriptors *d)
{
	while (d->count > 0)
		close(d->taken[--d->count]);
	setrlimit(RLIMIT_NOFILE, &d->limit);
}

#endif
