/* SPDX-License-Identifier: MIT */
/*
 * progress.h - how far a pull is, on a terminal
 *
 * A thread draws a line for each layer under way and one for all of them, a
 * few times a second, over what it drew before. Elsewhere than on a terminal
 * nothing is drawn.
 */
#ifndef VK_PULL_PROGRESS_H
#define VK_PULL_PROGRESS_H

#include "cmd/vk-pull/layer.h"

#include <pthread.h>
#include <stdbool.h>

struct progress {
	struct layer *layers;
	size_t count;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stopping;
	bool started, stop;
	unsigned lines; /* drawn last */
	uint64_t begun_ms, first;
	_Atomic uint64_t *written; /* of the tar; NULL while loading */
	uint64_t expected;         /* of it */
};

/* Loading of layers. Does nothing where stderr is no terminal or quiet. */
void progress_load(struct progress *, struct layer *, size_t count, bool quiet);

/* Writing of about `expected` bytes. */
void progress_write(struct progress *, _Atomic uint64_t *written,
    uint64_t expected, bool quiet);

/* Takes away what was drawn; twice is fine. */
void progress_stop(struct progress *);

#endif
