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

#include <stddef.h>

/* Two boots of a talkative kernel. */
#define RING_KEEP     ((size_t)256 << 10)
#define RING_FILE_MAX ((size_t)1 << 20)
#define RING_HELD     ((size_t)1024)

struct ring;

/* file is written from its start, truncated first, and owned; -1: none. NULL
 * with err. */
struct ring *ring_new(int file, struct err *);
void ring_free(struct ring *); /* flushes; NULL is fine */

void ring_add(struct ring *, const void *text, size_t len);

/* Writes what is held back to the file. */
void ring_flush(struct ring *);

/* The newest bytes as they came, at most size. Returns how many. */
size_t ring_copy(struct ring *, void *into, size_t size);

/*
 * The last lines (at most `lines`, at most size - 1 bytes), for people: no
 * carriage returns and escape sequences, other control characters as '?', a
 * newline at the end. into is a string afterwards; returns its length.
 */
size_t ring_last(struct ring *, unsigned lines, char *into, size_t size);

#endif
