/* SPDX-License-Identifier: MIT */
/* layer.c - one layer: fetched, verified and indexed, later unpacked */
#include "cmd/vk-pull/layer.h"

#include "cmd/vk-pull/decode.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define READ_SIZE (256u << 10)
/* Unpacked pieces between the two threads of layer_unpack. */
#define RING_SLOTS 4

/* ---- followers ---------------------------------------------------------- */

/* A thread that reads a blob from its start to its end. */
struct follower {
	struct layer *layer;
	pthread_t thread;
	bool started;
	int rc;
	struct err err; /* status 0: the blob failed, others know why */
	struct digest digest;
	uint64_t bytes;
};

typedef int follow_sink(void *into, const void *, size_t len, struct err *);

static int
follow(struct blob *b, follow_sink *sink, void *into, struct err *e)
{
	uint8_t *buffer = malloc(READ_SIZE);
	uint64_t at = 0;
	ssize_t n = -1;

	if (!buffer)
		return err_set(e, EX_OSERR, "out of memory");
	while ((n = blob_read(b, at, buffer, READ_SIZE, e)) > 0) {
		if (sink(into, buffer, (size_t)n, e) < 0) {
			n = -1;
			break;
		}
		at += (uint64_t)n;
	}
	free(buffer);
	return n < 0 ? -1 : 0;
}

struct hashing {
	struct layer *layer;
	struct hash *hash;
};

static int
hash_sink(void *into, const void *data, size_t len, struct err *e)
{
	struct hashing *h = into;

	(void)e;
	hash_add(h->hash, data, len);
	atomic_fetch_add(&h->layer->done, len);
	return 0;
}

static void *
run_hasher(void *into)
{
	struct follower *f = into;
	struct layer *l = f->layer;
	struct hash *h = hash_new(&l->descriptor.digest);
	struct hashing x = {l, h};

	f->rc = h ? follow(&l->fetch.blob, hash_sink, &x, &f->err)
		  : err_set(&f->err, EX_OSERR, "out of memory");
	if (f->rc == 0)
		hash_digest(h, &f->digest);
	hash_free(h);
	return NULL;
}

/* ---- indexing ----------------------------------------------------------- */

struct indexing {
	struct follower *follower;
	struct layer *layer;
	struct tarin *tar;
	struct decode *decode;
	struct hash *hash; /* of what is unpacked; NULL: not asked for */
};

static int
index_entry(void *into, const struct tar_entry *n, struct err *e)
{
	struct layer *l = into;
	const struct limits *limits = l->totals->limits;

	if (atomic_fetch_add(&l->totals->entries, 1) >= limits->entries)
		return err_set(e, EX_DATAERR,
		    "more entries than the limit of %llu (entries)",
		    (unsigned long long)limits->entries);
	return index_add(&l->index, n, e);
}

static int
index_unpacked(void *into, uint8_t **room, size_t len, struct err *e)
{
	struct indexing *x = into;
	struct layer_totals *t = x->layer->totals;

	if (atomic_fetch_add(&t->size, len) + len > t->limits->size)
		return err_set(e, EX_DATAERR,
		    "unpacks to more than the limit of %llu bytes (size)",
		    (unsigned long long)t->limits->size);
	if (x->hash)
		hash_add(x->hash, *room, len);
	x->follower->bytes += len;
	return tarin_feed(x->tar, *room, len, e);
}

static int
index_packed(void *into, const void *data, size_t len, struct err *e)
{
	struct indexing *x = into;

	if (x->hash)
		atomic_fetch_add(&x->layer->done, len);
	return decode_feed(x->decode, data, len, e);
}

static int
index_all(struct indexing *x, struct err *e)
{
	if (follow(&x->layer->fetch.blob, index_packed, x, e) < 0 ||
	    decode_end(x->decode, e) < 0)
		return -1;
	return tarin_end(x->tar, e);
}

static void *
run_indexer(void *into)
{
	static const struct tarin_ops ops = {.entry = index_entry};
	struct follower *f = into;
	struct layer *l = f->layer;
	const struct limits *limits = l->totals->limits;
	struct indexing x = {.follower = f, .layer = l};
	uint8_t *room = malloc(DECODE_CHUNK);

	x.tar = tarin_new(&ops, l, limits->name);
	x.decode = room ? decode_new(limits, room, index_unpacked, &x) : NULL;
	if (l->fetch.unpacked)
		x.hash = hash_new(&l->descriptor.digest);
	if (!x.tar || !x.decode || (l->fetch.unpacked && !x.hash))
		f->rc = err_set(&f->err, EX_OSERR, "out of memory");
	else
		f->rc = index_all(&x, &f->err);
	if (f->rc == 0 && x.hash)
		hash_digest(x.hash, &f->digest);
	tarin_free(x.tar);
	decode_free(x.decode);
	hash_free(x.hash);
	free(room);
	return NULL;
}

/* ---- loading ------------------------------------------------------------ */

static void
start(struct follower *f, void *(*run)(void *), struct blob *b)
{
	f->started = pthread_create(&f->thread, NULL, run, f) == 0;
	if (!f->started) {
		f->rc = err_set(&f->err, EX_OSERR, "no more threads");
		blob_fail(b);
	}
}

static int
wrong_digest(const struct layer *l, struct err *e)
{
	return err_set(e, EX_DATAERR, "digest is wrong: %s",
	    l->fetch.from == FETCH_CACHED
		? "the cache is damaged"
		: "these are not the bytes that the manifest names");
}

/* What counts of several failures: bytes that are not the right ones explain
 * whatever was found in them. */
static int
verdict(struct layer *l, struct follower *hasher, struct follower *indexer,
    bool *wrong, struct err *e)
{
	struct follower *judge = l->fetch.unpacked ? indexer : hasher;

	if (judge->rc == 0 &&
	    !digest_same(&judge->digest, &l->descriptor.digest)) {
		*wrong = true;
		return wrong_digest(l, e);
	}
	if (indexer->rc < 0 || hasher->rc < 0) {
		*e = indexer->rc < 0 ? indexer->err : hasher->err;
		return -1;
	}
	return blob_mark(&l->fetch.blob, e);
}

/* One attempt. Returns 1 if another may help, 0, -1 with err. */
static int
try_load(struct layer *l, struct source *s, struct err *e)
{
	struct follower hasher = {.layer = l}, indexer = {.layer = l};
	bool wrong = false;
	int rc;

	l->fetch = (struct fetch){.partial.fd = -1};
	atomic_store(&l->done, 0);
	blob_init(&l->fetch.blob, l->descriptor.size);
	/* Who unpacks must know whether to hash before it starts. */
	l->fetch.unpacked = s->ops->image != NULL;
	start(&indexer, run_indexer, &l->fetch.blob);
	if (!l->fetch.unpacked)
		start(&hasher, run_hasher, &l->fetch.blob);
	rc = s->ops->fetch(s, &l->descriptor, &l->fetch, e);
	if (rc < 0)
		blob_fail(&l->fetch.blob);
	if (indexer.started)
		pthread_join(indexer.thread, NULL);
	if (hasher.started)
		pthread_join(hasher.thread, NULL);
	if (rc == 0)
		rc = verdict(l, &hasher, &indexer, &wrong, e);
	if (rc == 0 || (!wrong && indexer.rc < 0 && hasher.rc == 0 &&
			   !l->fetch.unpacked)) {
		/* The bytes are right, even if we cannot use them. */
		struct err ignored = ERR_INIT;

		if (source_keep(s, &l->descriptor, &l->fetch,
			rc == 0 ? e : &ignored) < 0)
			rc = -1;
		return rc;
	}
	atomic_fetch_sub(&l->totals->entries, l->index.count);
	atomic_fetch_sub(&l->totals->size, indexer.bytes);
	index_clear(&l->index);
	rc = source_reject(s, &l->descriptor, &l->fetch, wrong) ? 1 : -1;
	blob_release(&l->fetch.blob);
	return rc;
}

int
layer_load(struct layer *l, struct source *s, struct err *e)
{
	int rc;

	index_init(&l->index);
	rc = try_load(l, s, e);
	if (rc > 0)
		rc = try_load(l, s, e);
	if (rc != 0)
		return err_prefix(e, "layer %.19s", l->descriptor.digest.text);
	return 0;
}

void
layer_release(struct layer *l)
{
	index_release(&l->index);
	blob_release(&l->fetch.blob);
}

/* ---- unpacking ---------------------------------------------------------- */

/* Slots that one thread fills and the other empties, in turn. */
struct ring {
	struct layer *layer;
	pthread_mutex_t lock;
	pthread_cond_t moved;
	uint8_t *slots[RING_SLOTS];
	size_t len[RING_SLOTS];
	unsigned filled, emptied; /* counted for ever */
	bool done;                /* nothing more will be filled */
	bool stop;                /* nothing more is wanted */
	int rc;
	struct err err;
};

/* Waits for an empty slot. False: nothing more is wanted. */
static bool
ring_wait(struct ring *r)
{
	bool stop;

	pthread_mutex_lock(&r->lock);
	while (r->filled - r->emptied == RING_SLOTS && !r->stop)
		pthread_cond_wait(&r->moved, &r->lock);
	stop = r->stop;
	pthread_mutex_unlock(&r->lock);
	return !stop;
}

static int
ring_fill(void *into, uint8_t **room, size_t len, struct err *e)
{
	struct ring *r = into;

	pthread_mutex_lock(&r->lock);
	r->len[r->filled++ % RING_SLOTS] = len;
	pthread_cond_signal(&r->moved);
	pthread_mutex_unlock(&r->lock);
	if (!ring_wait(r)) {
		e->status = 0;
		return -1;
	}
	*room = r->slots[r->filled % RING_SLOTS];
	return 0;
}

static int
feed_decode(void *into, const void *data, size_t len, struct err *e)
{
	return decode_feed(into, data, len, e);
}

static void *
run_unpacker(void *into)
{
	struct ring *r = into;
	struct layer *l = r->layer;
	struct decode *d =
	    decode_new(l->totals->limits, r->slots[0], ring_fill, r);

	if (!d)
		r->rc = err_set(&r->err, EX_OSERR, "out of memory");
	else if (follow(&l->fetch.blob, feed_decode, d, &r->err) < 0)
		r->rc = -1;
	else
		r->rc = decode_end(d, &r->err);
	decode_free(d);
	pthread_mutex_lock(&r->lock);
	r->done = true;
	pthread_cond_signal(&r->moved);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* The caller's side: all slots until the end. */
static int
ring_drain(struct ring *r, struct tarin *tar, const bool *enough, struct err *e)
{
	int rc = 0;

	while (rc == 0) {
		bool more;

		pthread_mutex_lock(&r->lock);
		while (r->filled == r->emptied && !r->done)
			pthread_cond_wait(&r->moved, &r->lock);
		more = r->filled != r->emptied;
		pthread_mutex_unlock(&r->lock);
		if (!more || *enough)
			break;
		rc = tarin_feed(tar, r->slots[r->emptied % RING_SLOTS],
		    r->len[r->emptied % RING_SLOTS], e);
		pthread_mutex_lock(&r->lock);
		r->emptied++;
		pthread_cond_signal(&r->moved);
		pthread_mutex_unlock(&r->lock);
	}
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_signal(&r->moved);
	pthread_mutex_unlock(&r->lock);
	return rc;
}

static int
unpack(struct ring *r, struct tarin *tar, const bool *enough, struct err *e)
{
	pthread_t thread;
	int rc;

	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->moved, NULL);
	if (pthread_create(&thread, NULL, run_unpacker, r) != 0)
		return err_set(e, EX_OSERR, "no more threads");
	rc = ring_drain(r, tar, enough, e);
	pthread_join(thread, NULL);
	if (rc == 0 && r->rc < 0 && !*enough) {
		*e = r->err;
		rc = -1;
	}
	if (rc == 0 && blob_changed(&r->layer->fetch.blob))
		rc = err_set(e, EX_IOERR, "changed while it was read");
	return rc;
}

int
layer_unpack(struct layer *l, const struct tarin_ops *ops, void *into,
    const bool *enough, struct err *e)
{
	struct ring r = {.layer = l};
	struct tarin *tar = tarin_new(ops, into, l->totals->limits->name);
	uint8_t *memory = malloc((size_t)RING_SLOTS * DECODE_CHUNK);
	int rc;

	for (int i = 0; i < RING_SLOTS && memory; i++)
		r.slots[i] = memory + (size_t)i * DECODE_CHUNK;
	rc = tar && memory ? unpack(&r, tar, enough, e)
			   : err_set(e, EX_OSERR, "out of memory");
	if (rc < 0)
		err_prefix(e, "layer %.19s", l->descriptor.digest.text);
	tarin_free(tar);
	free(memory);
	return rc;
}
