/* SPDX-License-Identifier: MIT */
/* download.c - a blob brought from a registry, over one connection or several
 */
#include "cmd/vk-pull/download.h"

#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <time.h>

/* Enough to be past the start of a TCP connection, whose window grows with
 * every round trip. */
#define FIRST_PIECE ((uint64_t)8 << 20)
/* The first piece in more time than this is slow: below 20 MiB/s. */
#define FAST_MS 400
/* A smaller rest is not worth the round trips that more connections cost. */
#define SPLIT_MIN ((uint64_t)16 << 20)
/* Connections for one blob, and beyond the first of each for all of them:
 * what browsers allow themselves with one host. */
#define PARTS     4
#define EXTRA_MAX 6

struct download {
	const struct download_from *from;
	struct fetch *fetch;
	pthread_mutex_t lock; /* of the parts' at and ended */
	pthread_cond_t moved;
	atomic_bool stop; /* nobody wants the parts any more */
	int scratch;
};

/* Bytes of the blob that come one after the other over one connection. */
struct part {
	struct download *download;
	int fd;            /* where they go, at their own offsets */
	uint64_t at, end;  /* what is to come yet */
	bool first;        /* into the partial file, and told at once */
	bool ranged;       /* what came was what was asked for */
	uint64_t skip;     /* of the body, which is there already */
	bool begun, ended; /* an answer; all of it */
	struct http_response answer;
	pthread_t thread;
};

static uint64_t
resume(void *into)
{
	struct part *p = into;

	p->begun = false;
	return p->at;
}

/* A server without ranges starts again: what is there already is passed over,
 * unless it would be the parts before. One that starts elsewhere is wrong. */
static int
begin(struct part *p, struct err *e)
{
	uint64_t from = p->answer.status == 206 ? p->answer.from : 0;

	p->ranged = p->answer.status == 206;
	if (from > p->at || (!p->first && from != p->at))
		return err_set(
		    e, EX_PROTOCOL, "sends another range than was asked for");
	p->skip = p->at - from;
	p->begun = true;
	return 0;
}

static void
arrived(struct part *p, size_t len)
{
	struct download *d = p->download;

	pthread_mutex_lock(&d->lock);
	p->at += len;
	pthread_cond_signal(&d->moved);
	pthread_mutex_unlock(&d->lock);
	if (p->first)
		blob_arrived(&d->fetch->blob, p->fd, 0, p->at);
}

static int
sink(void *into, const void *data, size_t len, struct err *e)
{
	struct part *p = into;
	struct download *d = p->download;
	/* The first may get more than it asked for, and has use for it. */
	uint64_t end = p->first ? d->fetch->blob.size : p->end;

	if (atomic_load(&d->stop))
		return err_set(e, EX_SOFTWARE, "not wanted any more");
	if (!p->begun && begin(p, e) < 0)
		return -1;
	if (p->skip > 0) {
		size_t n = p->skip < len ? (size_t)p->skip : len;

		p->skip -= n;
		data = (const char *)data + n;
		len -= n;
	}
	if (len > end - p->at)
		return err_set(e, EX_PROTOCOL,
		    "sends more than the %" PRIu64
		    " bytes that the manifest says",
		    d->fetch->blob.size);
	if (len == 0)
		return 0;
	if (io_pwrite(p->fd, data, len, p->at) < 0)
		return err_errno(e, EX_IOERR, "cache");
	arrived(p, len);
	return 0;
}

/* Asks for a part until it is whole. A body that ends early and in order is
 * gone on with, as long as that brings anything. */
static int
bring(struct part *p, struct err *e)
{
	const struct download_from *from = p->download->from;
	uint64_t size = p->download->fetch->blob.size;
	struct http_request q = {
	    .to = p->end < size ? p->end : 0,
	    .length_max = size,
	    .sink = sink,
	    .into = p,
	};
	int rc = 0;

	for (uint64_t before = UINT64_MAX;
	     rc == 0 && p->at < p->end && p->at != before;) {
		before = p->at;
		rc = from->ask(
		    from->with, from->path, &q, resume, &p->answer, e);
		http_response_release(&p->answer);
		p->answer = (struct http_response){0};
	}
	if (rc == 0 && p->at < p->end)
		rc = err_set(e, EX_PROTOCOL,
		    "ended after %" PRIu64 " of %" PRIu64 " bytes", p->at,
		    size);
	return rc;
}

/* ---- parts -------------------------------------------------------------- */

static void *
run_part(void *into)
{
	struct part *p = into;
	struct download *d = p->download;
	struct err e = ERR_INIT;

	if (bring(p, &e) < 0 && !atomic_load(&d->stop))
		log_info("a part of it: %s; going on without", e.text);
	pthread_mutex_lock(&d->lock);
	p->ended = true;
	pthread_cond_signal(&d->moved);
	pthread_mutex_unlock(&d->lock);
	atomic_fetch_sub(d->from->extra, 1);
	return NULL;
}

/* Counts in a connection for a part, if there may be one more. */
static bool
one_more(_Atomic unsigned *extra)
{
	if (atomic_fetch_add(extra, 1) < EXTRA_MAX)
		return true;
	atomic_fetch_sub(extra, 1);
	return false;
}

/* Starts parts of what head has left, at most PARTS - 1; gives how many. */
static size_t
start_parts(struct download *d, struct part *head, struct part *parts)
{
	uint64_t size = d->fetch->blob.size;
	uint64_t each = (size - head->at) / PARTS, at = head->at + each;
	struct err ignored = ERR_INIT;
	size_t count = 0;

	d->scratch = cache_scratch(d->from->cache, &ignored);
	while (
	    d->scratch >= 0 && count < PARTS - 1 && one_more(d->from->extra)) {
		struct part *p = &parts[count];

		*p = (struct part){.download = d,
		    .fd = d->scratch,
		    .at = at,
		    .end = count == PARTS - 2 ? size : at + each};
		if (pthread_create(&p->thread, NULL, run_part, p) != 0) {
			atomic_fetch_sub(d->from->extra, 1);
			break;
		}
		at = p->end;
		count++;
	}
	return count;
}

/* Bytes of the scratch file that head is at go behind the others. */
static int
move(struct part *head, uint64_t to, struct err *e)
{
	struct download *d = head->download;
	uint8_t buffer[64 << 10];
	uint64_t first = head->at;

	while (head->at < to) {
		uint64_t left = to - head->at;
		size_t n =
		    left < sizeof(buffer) ? (size_t)left : sizeof(buffer);

		if (io_pread(d->scratch, buffer, n, head->at) != (ssize_t)n ||
		    io_pwrite(head->fd, buffer, n, head->at) < 0)
			return err_errno(e, EX_IOERR, "cache");
		arrived(head, n);
	}
	/* Not twice on the disk, where the file system can give it back. */
	fallocate(d->scratch, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	    (off_t)first, (off_t)(to - first));
	return 0;
}

/* Follows a part with the head, as far as it comes. */
static int
follow(struct part *head, struct part *p, struct err *e)
{
	struct download *d = head->download;

	while (head->at < p->end) {
		uint64_t there;

		pthread_mutex_lock(&d->lock);
		while (p->at <= head->at && !p->ended)
			pthread_cond_wait(&d->moved, &d->lock);
		there = p->at;
		pthread_mutex_unlock(&d->lock);
		if (there <= head->at)
			break;
		if (move(head, there, e) < 0)
			return -1;
	}
	if (head->at >= p->end)
		return 0;
	head->end = p->end;
	return bring(head, e);
}

static int
bring_parts(struct download *d, struct part *head, struct err *e)
{
	struct part parts[PARTS - 1];
	uint64_t before = head->at;
	size_t count = start_parts(d, head, parts);
	int rc;

	head->end = d->fetch->blob.size;
	if (count > 0) {
		head->end = before + (head->end - before) / PARTS;
		log_info("slow: %zu connections for what is left", count + 1);
	}
	rc = bring(head, e);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = follow(head, &parts[i], e);
	/* Fewer parts than were wished leave something behind the last. */
	head->end = d->fetch->blob.size;
	if (rc == 0)
		rc = bring(head, e);
	atomic_store(&d->stop, true);
	for (size_t i = 0; i < count; i++)
		pthread_join(parts[i].thread, NULL);
	fd_close(&d->scratch);
	return rc;
}

/* ---- all of it ---------------------------------------------------------- */

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int
download(const struct download_from *from, struct fetch *f, struct err *e)
{
	uint64_t size = f->blob.size, started = now_ms();
	struct download d = {.from = from, .fetch = f, .scratch = -1};
	struct part head = {.download = &d,
	    .fd = f->partial.fd,
	    .at = f->partial.have,
	    .end = size,
	    .first = true};
	int rc;

	pthread_mutex_init(&d.lock, NULL);
	pthread_cond_init(&d.moved, NULL);
	if (size - head.at >= FIRST_PIECE + SPLIT_MIN)
		head.end = head.at + FIRST_PIECE;
	rc = bring(&head, e);
	if (rc == 0 && head.at < size && head.ranged &&
	    now_ms() - started > FAST_MS)
		return bring_parts(&d, &head, e);
	head.end = size;
	return rc == 0 ? bring(&head, e) : -1;
}
