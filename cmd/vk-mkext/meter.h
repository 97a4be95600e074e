/* SPDX-License-Identifier: MIT */
/*
 * meter.h - how far the work is, on a terminal
 *
 * One line on stderr: bytes read, their rate, and where the input's size is
 * known the time left. Nothing is said where stderr is no terminal, nor about
 * what is over in a moment.
 */
#ifndef VK_MKEXT_METER_H
#define VK_MKEXT_METER_H

#include <stdbool.h>
#include <stdint.h>

struct meter {
	bool on;
	bool shown;
	uint64_t total;               /* bytes, 0: not known */
	uint64_t started_ms, next_ms; /* 0: nothing has come yet */
};

/* fd is the input's, whose size may be known. */
void meter_open(struct meter *, int fd, bool wanted);

/* Called as often as one likes; with is the meter. */
void meter_step(void *with, uint64_t bytes_read);

/* Takes the line away. */
void meter_close(struct meter *);

#endif
