/* SPDX-License-Identifier: MIT */
/*
 * async.h - many reads and writes of files at a time
 *
 * By io_uring where this host lets us have one, else by threads that each do
 * one after the other. Neither is made before the first operation is handed
 * over, so what never waits for a disk costs nothing.
 *
 *	async_add(a, &op);	...	as many as there are
 *	async_submit(a);	they are under way, and those that are done at
 *				once are done
 *	async_wait(a);		none is under way any more
 *
 * An operation belongs to its owner, stays in place until done is called, and
 * may be added again from there. All of it is for the loop's thread.
 */
#ifndef VK_BOOT_ASYNC_H
#define VK_BOOT_ASYNC_H

#include "cmd/vk-boot/loop.h"

#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Under way at a time; more wait for their turn. */
#define ASYNC_DEPTH_MAX 128

enum async_kind {
	ASYNC_READ,
	ASYNC_WRITE,
	ASYNC_SYNC, /* fdatasync */
};

struct async_op {
	enum async_kind kind;
	int fd;
	const struct iovec *parts; /* not for ASYNC_SYNC */
	unsigned count;
	uint64_t offset;
	/* What preadv and the like would have returned; -errno. */
	void (*done)(struct async_op *, ssize_t result);

	/* Async's own. */
	struct async_op *next;
	ssize_t result;
};

struct async;

struct async_config {
	bool threads; /* even where there is io_uring */
	/* In the loop, after some that were under way have been done. */
	void (*settled)(void *owner);
	void *owner;
};

/* NULL with err. */
struct async *async_new(
    struct loop *, const struct async_config *, struct err *);
/* Waits first. NULL is fine. */
void async_free(struct async *);

/* The loop's thread will be bound by its filter: what makes the operations is
 * made now, and what that asks of the host is added. The ring does no others;
 * without one, the loop does them. */
void async_confine(struct async *);

void async_add(struct async *, struct async_op *);
void async_submit(struct async *);
void async_wait(struct async *);

/* How many are under way, or wait for that. */
unsigned async_busy(const struct async *);

#endif
