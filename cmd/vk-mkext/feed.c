/* SPDX-License-Identifier: MIT */
/*
 * feed.c - the input, read ahead and summed by a thread of its own
 *
 * A ring of pieces with one producer and one consumer. The consumer holds the
 * piece it was given until it asks for the next, so the producer may be
 * PIECES - 1 ahead.
 *
 * Why a file is read at all, where copy_file_range(2) could move its content
 * into the image: runs of zeros are to become holes and the sum is over all
 * bytes, so all must be looked at. For 410 MiB in the page cache, read and
 * write of pieces that stay in the processor's cache took 0.165 s of CPU,
 * copy_file_range 0.145 and mapping the input to look at it 0.04 more. Content
 * in a tar starts at a multiple of 512 bytes, which no file system can share
 * blocks at.
 */
#include "cmd/vk-mkext/feed.h"

#include "cmd/vk-mkext/fingerprint.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

/* Small enough for the cache that both processors share, large enough that a
 * wake-up for each costs nothing. */
#define PIECE  ((size_t)256 << 10)
#define PIECES 4

struct piece {
	uint8_t *data;
	ssize_t length; /* 0: the end, -1: error */
};

struct feed {
	int fd;
	struct sum *sum;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct piece ring[PIECES];
	unsigned filled, used; /* pieces ever; filled - used <= PIECES */
	bool held;             /* the consumer has ring[used % PIECES] */
	bool stop;
	int number; /* errno of the failed read */
	_Atomic uint64_t count;
};

/* Fills a piece, less only at the input's end. */
static ssize_t
read_piece(struct feed *f, uint8_t *into)
{
	size_t have = 0;

	while (have < PIECE) {
		ssize_t got = read(f->fd, into + have, PIECE - have);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		have += (size_t)got;
	}
	return (ssize_t)have;
}

/* Waits for a free piece; NULL when the feed is to stop. */
static struct piece *
free_piece(struct feed *f)
{
	struct piece *p;

	pthread_mutex_lock(&f->lock);
	while (!f->stop && f->filled - f->used == PIECES)
		pthread_cond_wait(&f->changed, &f->lock);
	p = f->stop ? NULL : &f->ring[f->filled % PIECES];
	pthread_mutex_unlock(&f->lock);
	return p;
}

static void *
produce(void *arg)
{
	struct feed *f = arg;
	struct piece *p;
	ssize_t length = 1;
	int old;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	while (length > 0 && (p = free_piece(f))) {
		/* Only a read may take long, and holds nothing. */
		pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
		length = read_piece(f, p->data);
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
		if (length < 0)
			f->number = errno;
		else if (f->sum && length > 0)
			sum_add(f->sum, p->data, (size_t)length);
		pthread_mutex_lock(&f->lock);
		p->length = length;
		f->filled++;
		pthread_cond_signal(&f->changed);
		pthread_mutex_unlock(&f->lock);
	}
	return NULL;
}

struct feed *
feed_new(int fd, struct sum *sum, struct err *e)
{
	struct feed *f = calloc(1, sizeof(*f));
	int number;

	if (!f)
		goto fail;
	f->fd = fd;
	f->sum = sum;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	for (size_t i = 0; i < PIECES; i++)
		if (!(f->ring[i].data = malloc(PIECE)))
			goto fail;
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	/* Fewer wake-ups of the other side; a refusal does no harm. */
	fcntl(fd, F_SETPIPE_SZ, (int)PIECE);
	number = pthread_create(&f->thread, NULL, produce, f);
	if (number == 0) {
		f->started = true;
		return f;
	}
	errno = number;
	err_errno(e, EX_OSERR, "thread");
	feed_free(f);
	return NULL;
fail:
	err_set(e, EX_OSERR, "out of memory");
	feed_free(f);
	return NULL;
}

void
feed_free(struct feed *f)
{
	if (!f)
		return;
	if (f->started) {
		pthread_mutex_lock(&f->lock);
		f->stop = true;
		pthread_cond_signal(&f->changed);
		pthread_mutex_unlock(&f->lock);
		pthread_cancel(f->thread);
		pthread_join(f->thread, NULL);
	}
	for (size_t i = 0; i < PIECES; i++)
		free(f->ring[i].data);
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

ssize_t
feed_next(struct feed *f, const void **data)
{
	struct piece *p;

	pthread_mutex_lock(&f->lock);
	if (f->held) {
		f->held = false;
		f->used++;
		pthread_cond_signal(&f->changed);
	}
	while (f->used == f->filled)
		pthread_cond_wait(&f->changed, &f->lock);
	p = &f->ring[f->used % PIECES];
	/* The end stays in the ring: asked again, it says the same. */
	f->held = p->length > 0;
	pthread_mutex_unlock(&f->lock);
	if (p->length < 0)
		errno = f->number;
	else
		f->count += (uint64_t)p->length;
	*data = p->data;
	return p->length;
}

uint64_t
feed_count(const struct feed *f)
{
	return f->count;
}
