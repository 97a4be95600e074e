/* SPDX-License-Identifier: MIT */
/*
 * feed.h - the input, read ahead and summed by a thread of its own
 *
 * While the thread reads the next pieces, the program parses and writes the
 * ones before. Works alike for pipes and files. The sum is over all bytes as
 * they come in (see fingerprint.h), so it is whole only at the input's end.
 */
#ifndef VK_MKEXT_FEED_H
#define VK_MKEXT_FEED_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct feed;
struct sum;

/* Reads from fd (borrowed) into sum if that is not NULL (borrowed too). */
struct feed *feed_new(int fd, struct sum *, struct err *);

/* Stops the thread, even one that waits for a pipe. NULL is allowed. */
void feed_free(struct feed *);

/* The next piece, the length returned; valid until the next call. 0 at the
 * end, -1 with errno when reading failed. */
ssize_t feed_next(struct feed *, const void **data);

/* Whether what starts here, out of a piece, is valid until feed_free: it is
 * mapped. If the file is cut meanwhile, touching it raises SIGBUS. */
bool feed_lasts(const struct feed *, const void *data);

/* Bytes handed out so far; may be asked from another thread. */
uint64_t feed_count(const struct feed *);

#endif
