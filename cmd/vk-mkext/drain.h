/* SPDX-License-Identifier: MIT */
/*
 * drain.h - bytes on their way into the image, written by a thread of its own
 *
 * While the thread writes, the program reads on. Pieces that lie next to each
 * other leave in one call. Pieces may come in any order, but not two for one
 * place without a flush between them.
 */
#ifndef VK_MKEXT_DRAIN_H
#define VK_MKEXT_DRAIN_H

#include "common/err.h"

#include <stddef.h>
#include <stdint.h>

struct drain;

/* Writes to fd (borrowed). */
struct drain *drain_new(int fd, struct err *);

/* Ends the thread; what it has not written yet may be lost. NULL is allowed. */
void drain_free(struct drain *);

/* Both return 0, or -1 with errno: an earlier write failed. What is lent must
 * stay as it is until the next flush. */
int drain_copy(struct drain *, uint64_t offset, const void *, size_t length);
int drain_lend(struct drain *, uint64_t offset, const void *, size_t length);

/* Waits until all is written. Returns 0, or -1 with errno. */
int drain_flush(struct drain *);

#endif
