/* SPDX-License-Identifier: MIT */
/*
 * backlog.h - the last that a command wrote, by stream
 *
 * A ring of records. Positions count bytes ever written, so that a reader
 * keeps its own place; one that was overtaken goes on at the oldest record.
 */
#ifndef VK_AGENT_BACKLOG_H
#define VK_AGENT_BACKLOG_H

#include <stddef.h>
#include <stdint.h>

/* Below STREAM_WINDOW, so that a replay needs no credit beyond the first. */
#define BACKLOG_SIZE ((size_t)128 << 10)

struct backlog {
	uint8_t *data; /* BACKLOG_SIZE bytes */
	uint64_t start, end;
};

struct backlog *backlog_new(void); /* NULL: no memory */
void backlog_free(struct backlog *);

/* Keeps what was written on a stream (its last bytes, if it is more than the
 * ring holds). */
void backlog_add(
    struct backlog *, unsigned stream, const void *from, size_t len);

/* Copies the record at *at (0: the oldest), or its first size bytes, and moves
 * *at. Returns the count, 0 when there is no more. */
size_t backlog_read(const struct backlog *, uint64_t *at, unsigned *stream,
    void *into, size_t size);

#endif
