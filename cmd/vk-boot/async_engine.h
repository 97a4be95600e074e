/* SPDX-License-Identifier: MIT */
/* async_engine.h - what does the operations of async.h, one way or the other */
#ifndef VK_BOOT_ASYNC_ENGINE_H
#define VK_BOOT_ASYNC_ENGINE_H

#include "cmd/vk-boot/async.h"

struct async_engine;

struct async_engine_ops {
	/* What it asks of the host in the loop's thread (filter.h). */
	const struct filter_call *calls;
	/* Takes an operation; there are never more than ASYNC_DEPTH_MAX. */
	void (*start)(struct async_engine *, struct async_op *);
	/* Those taken are under way. With wait, returns when at least one is
	 * done. */
	void (*submit)(struct async_engine *, bool wait);
	/* One that is done, its result in it; NULL if there is none. */
	struct async_op *(*next_done)(struct async_engine *);
	/* No thread is made from now on. NULL: none ever is. */
	void (*confine)(struct async_engine *);
	/* None is under way. */
	void (*free)(struct async_engine *);
};

struct async_engine { /* first member of each kind */
	const struct async_engine_ops *ops;
	int fd; /* can be read when next_done has something */
};

/* NULL with errno: this host has no io_uring for us. */
struct async_engine *async_ring_new(void);
/* NULL with errno. */
struct async_engine *async_threads_new(void);

#endif
