/* SPDX-License-Identifier: MIT */
/*
 * feed.c - the input, read ahead and summed by a thread of its own
 *
 * A ring of pieces with one producer and one consumer. The consumer holds the
 * piece it was given until it asks for the next, so the producer may be
 * PIECES - 1 ahead.
 *
 * A file is mapped, and its pages written into the image from where they are,
 * so that one copy is made, as cp(1) makes one with copy_file_range(2). That
 * call would not do: runs of zeros are to become holes and the sum is over
 * all bytes, so all must be looked at. Nor can file systems share the blocks:
 * content in a tar starts at a multiple of 512 bytes. (For 410 MiB in the page
 * cache copy_file_range took 0.14 s of CPU, mapping and writing 0.145, reading
 * and writing 0.165; writing alone, from the processor's cache, 0.11.) What was
 * handed out long ago is dropped from the mapping, or all of the file would
 * count as memory in use; who still wants it has it at once, from the page
 * cache.
 */
#include "cmd/vk-mkext/feed.h"

#include "cmd/vk-mkext/fingerprint.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Small enough for the cache that both processors share, large enough that a
 * wake-up for each costs nothing. */
#define PIECE  ((size_t)256 << 10)
#define PIECES 4

/* So far behind the producer a mapped file is dropped; what the ring and the
 * drain of the content have under way is less. And so much at once. */
#define BEHIND    ((size_t)8 << 20)
#define DROP_SIZE ((size_t)2 << 20)

struct piece {
	const uint8_t *data;
	uint8_t *buffer; /* PIECE; NULL where the file is mapped */
	ssize_t length;  /* 0: the end, -1: error */
};

/* A file's bytes; base is NULL where it cannot be mapped. */
struct mapping {
	uint8_t *base;  /* at a page of the file */
	size_t length;  /* from there to its end */
	size_t at;      /* the producer is here */
	size_t dropped; /* up to here */
};

struct feed {
	int fd;
	struct sum *sum;
	struct mapping map;
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

/* The next piece of the mapping, made present. */
static ssize_t
map_piece(struct mapping *m, const uint8_t **data)
{
	size_t page = (size_t)getpagesize();
	size_t start = m->at / page * page, length = m->length - m->at;

	if (length > PIECE)
		length = PIECE;
	*data = m->base + m->at;
	/* Where a page cannot be read it says so; a kernel older than 5.14
	 * does not know it, and makes pages present as they are touched. */
	if (length > 0 &&
	    madvise(m->base + start, m->at + length - start,
		MADV_POPULATE_READ) < 0 &&
	    errno != EINVAL) {
		errno = EIO;
		return -1;
	}
	m->at += length;
	if (m->at > m->dropped + BEHIND + DROP_SIZE) {
		madvise(m->base + m->dropped, DROP_SIZE, MADV_DONTNEED);
		m->dropped += DROP_SIZE;
	}
	return (ssize_t)length;
}

static ssize_t
fill_piece(struct feed *f, struct piece *p)
{
	if (f->map.base)
		return map_piece(&f->map, &p->data);
	p->data = p->buffer;
	return read_piece(f, p->buffer);
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
	const uint8_t *data;
	struct piece *p;
	ssize_t length = 1;
	int old;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	while (length > 0 && (p = free_piece(f))) {
		/* Only a read may take long, and holds nothing. */
		pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
		length = fill_piece(f, p);
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
		if (length < 0)
			f->number = errno;
		data = p->data;
		pthread_mutex_lock(&f->lock);
		p->length = length;
		f->filled++;
		pthread_cond_signal(&f->changed);
		pthread_mutex_unlock(&f->lock);
		/* It stays as it is: nobody else fills pieces. */
		if (f->sum && length > 0)
			sum_add(f->sum, data, (size_t)length);
	}
	return NULL;
}

/* Maps what fd has from its offset on, if it is a file. */
static void
map_file(struct mapping *m, int fd)
{
	off_t page = getpagesize(), at = lseek(fd, 0, SEEK_CUR);
	struct stat st;
	void *base;

	if (at < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size <= at)
		return;
	m->at = (size_t)(at % page);
	m->length = (size_t)(st.st_size - at) + m->at;
	base =
	    mmap(NULL, m->length, PROT_READ, MAP_SHARED, fd, at / page * page);
	if (base != MAP_FAILED)
		m->base = base;
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
	map_file(&f->map, fd);
	for (size_t i = 0; i < PIECES && !f->map.base; i++)
		if (!(f->ring[i].buffer = malloc(PIECE)))
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
		free(f->ring[i].buffer);
	if (f->map.base)
		munmap(f->map.base, f->map.length);
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

bool
feed_lasts(const struct feed *f, const void *data)
{
	const uint8_t *at = data;

	return f->map.base && at >= f->map.base &&
	       at < f->map.base + f->map.length;
}

uint64_t
feed_count(const struct feed *f)
{
	return f->count;
}
