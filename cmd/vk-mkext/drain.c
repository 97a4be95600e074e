/* SPDX-License-Identifier: MIT */
/*
 * drain.c - bytes on their way into the image, written by a thread of its own
 *
 * A ring of batches with one producer and one consumer. A batch is one
 * pwritev(2): pieces that end where the next begins, lent or copied. The
 * producer fills ring[sent % BATCHES] while the consumer writes those before.
 * After a failure the consumer takes batches without writing them, so that
 * nobody waits for it, and the producer hears of it with its next batch.
 */
#include "cmd/vk-mkext/drain.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

/* Large enough that Linux takes large folios for it, small enough that all
 * batches together stay in the cache that the processors share. */
#define BATCH_SIZE ((size_t)512 << 10)
#define BATCHES    4
#define PARTS      128 /* as many 4 KiB pieces fill a batch */

struct batch {
	uint64_t offset;
	size_t length;
	int count;
	struct iovec parts[PARTS];
	uint8_t *copies; /* BATCH_SIZE, the first copied bytes in use */
	size_t copied;
};

struct drain {
	int fd;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct batch ring[BATCHES];
	unsigned sent, done; /* batches ever; sent - done <= BATCHES */
	bool filling;        /* ring[sent % BATCHES] is begun */
	bool stop;
	int number; /* errno of the first failure */
};

/* Returns 0 or errno. */
static int
write_batch(int fd, struct batch *b)
{
	struct iovec *at = b->parts;
	int left = b->count;
	off_t offset = (off_t)b->offset;

	while (left > 0) {
		ssize_t n = pwritev(fd, at, left, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		offset += n;
		for (; left > 0 && (size_t)n >= at->iov_len; at++, left--)
			n -= (ssize_t)at->iov_len;
		if (left > 0) {
			at->iov_base = (uint8_t *)at->iov_base + n;
			at->iov_len -= (size_t)n;
		}
	}
	return 0;
}

static void *
consume(void *arg)
{
	struct drain *d = arg;

	pthread_mutex_lock(&d->lock);
	for (;;) {
		int number = d->number;

		while (!d->stop && d->done == d->sent)
			pthread_cond_wait(&d->changed, &d->lock);
		if (d->stop)
			break;
		pthread_mutex_unlock(&d->lock);
		if (number == 0)
			number =
			    write_batch(d->fd, &d->ring[d->done % BATCHES]);
		pthread_mutex_lock(&d->lock);
		d->number = number;
		d->done++;
		pthread_cond_signal(&d->changed);
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

struct drain *
drain_new(int fd, struct err *e)
{
	struct drain *d = calloc(1, sizeof(*d));
	int number;

	if (!d)
		goto fail;
	d->fd = fd;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->changed, NULL);
	for (size_t i = 0; i < BATCHES; i++)
		if (!(d->ring[i].copies = malloc(BATCH_SIZE)))
			goto fail;
	number = pthread_create(&d->thread, NULL, consume, d);
	if (number == 0) {
		d->started = true;
		return d;
	}
	errno = number;
	err_errno(e, EX_OSERR, "thread");
	drain_free(d);
	return NULL;
fail:
	err_set(e, EX_OSERR, "out of memory");
	drain_free(d);
	return NULL;
}

void
drain_free(struct drain *d)
{
	if (!d)
		return;
	if (d->started) {
		pthread_mutex_lock(&d->lock);
		d->stop = true;
		pthread_cond_signal(&d->changed);
		pthread_mutex_unlock(&d->lock);
		pthread_join(d->thread, NULL);
	}
	for (size_t i = 0; i < BATCHES; i++)
		free(d->ring[i].copies);
	pthread_cond_destroy(&d->changed);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

/* Hands over the batch that is being filled, if there is one, and waits until
 * at most so many are not written. Returns 0, or -1 with errno. */
static int
send_batch(struct drain *d, unsigned waiting)
{
	int number;

	pthread_mutex_lock(&d->lock);
	if (d->filling) {
		d->filling = false;
		d->sent++;
		pthread_cond_signal(&d->changed);
	}
	while (d->sent - d->done > waiting)
		pthread_cond_wait(&d->changed, &d->lock);
	number = d->number;
	pthread_mutex_unlock(&d->lock);
	errno = number;
	return number ? -1 : 0;
}

/* A batch that bytes for this offset can be added to. */
static struct batch *
batch_for(struct drain *d, uint64_t offset)
{
	struct batch *b = &d->ring[d->sent % BATCHES];

	if (d->filling && b->offset + b->length == offset &&
	    b->length < BATCH_SIZE && b->count < PARTS)
		return b;
	if (send_batch(d, BATCHES - 1) < 0)
		return NULL;
	b = &d->ring[d->sent % BATCHES];
	b->offset = offset;
	b->length = b->copied = 0;
	b->count = 0;
	d->filling = true;
	return b;
}

/* Adds to the last part if data lies right behind it. */
static void
add_part(struct batch *b, const void *data, size_t length)
{
	struct iovec *last = b->count ? &b->parts[b->count - 1] : NULL;

	if (last && (uint8_t *)last->iov_base + last->iov_len == data)
		last->iov_len += length;
	else
		b->parts[b->count++] = (struct iovec){(void *)data, length};
	b->length += length;
}

static int
add(struct drain *d, uint64_t offset, const uint8_t *data, size_t length,
    bool lent)
{
	while (length > 0) {
		struct batch *b = batch_for(d, offset);
		size_t n;

		if (!b)
			return -1;
		n = BATCH_SIZE - b->length;
		if (n > length)
			n = length;
		if (!lent) {
			memcpy(b->copies + b->copied, data, n);
			add_part(b, b->copies + b->copied, n);
			b->copied += n;
		} else {
			add_part(b, data, n);
		}
		offset += n;
		data += n;
		length -= n;
	}
	return 0;
}

int
drain_copy(struct drain *d, uint64_t offset, const void *data, size_t length)
{
	return add(d, offset, data, length, false);
}

int
drain_lend(struct drain *d, uint64_t offset, const void *data, size_t length)
{
	return add(d, offset, data, length, true);
}

int
drain_flush(struct drain *d)
{
	return send_batch(d, 0);
}
