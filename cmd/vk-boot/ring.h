/* SPDX-License-Identifier: MIT */
/*
 * ring.h - the end of what the guest's console said
 *
 * The last bytes are kept in memory, and in a file if there is one. A guest may
 * talk as much as it likes: memory is fixed, and the file never passes
 * RING_FILE_MAX. When it would, it is cut to its last RING_KEEP bytes, from the
 * beginning of a line on, in place: it stays one file that tail(1) follows, and
 * needs no folder to be renamed in. A process that is killed in the middle of
 * that leaves some lines twice, none in halves.
 *
 * The file has whole lines, or what came without one when RING_HELD bytes have
 * gathered or ring_flush is called; so a console that is printed character by
 * character does not cost a write each.
 *
 * Any thread may call these.
 */
#ifndef VK_BOOT_RING_H
#define VK_BOOT_RING_H

#include "common/err.h"
#include "common/filter.h"

#include <stddef.h>
#include <stdint.h>

/* Two boots of a talkative kernel. */
#define RING_KEEP     ((size_t)256 << 10)
#define RING_FILE_MAX ((size_t)1 << 20)
#define RING_HELD     ((size_t)1024)

struct ring;

/* What adding to one with a file asks of the host (filter.h). */
extern const struct filter_call ring_calls[];

/* file is written from its start, truncated first, and owned; -1: none. NULL
 * with err. */
struct ring *ring_new(int file, struct err *);
void ring_free(struct ring *); /* flushes; NULL is fine */

void ring_add(struct ring *, const void *text, size_t len);

/* Writes what is held back to the file. */
void ring_flush(struct ring *);

/*
 * A reader's place is a count of bytes since the start; it may name any. Copies
 * what follows it, at most size, and moves it: to what is still kept where that
 * is gone, to the end where it lies beyond. Returns how many; 0: there is
 * nothing yet.
 */
size_t ring_read(struct ring *, uint64_t *place, void *into, size_t size);

/* Adds one to that eventfd when there is more to read; -1: no more. */
void ring_watch(struct ring *, int eventfd);

/* The newest bytes as they came, at most size. Returns how many. */
size_t ring_copy(struct ring *, void *into, size_t size);

/*
 * The last lines (at most `lines`, at most size - 1 bytes), for people: no
 * carriage returns and escape sequences, other control characters as '?', a
 * newline at the end. into is a string afterwards; returns its length.
 */
size_t ring_last(struct ring *, unsigned lines, char *into, size_t size);

#endif
