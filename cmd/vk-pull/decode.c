/* SPDX-License-Identifier: MIT */
/* decode.c - a layer's compression undone, as bytes arrive */
#include "cmd/vk-pull/decode.h"

#include <isa-l/igzip_lib.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#define MAGIC_LEN 6
/* What is handed to the inflater at a time; it counts in 32 bits. */
#define READ_MAX (1u << 30)

enum kind {
	UNKNOWN, /* too few bytes yet */
	PLAIN,
	GZIP,
	ZSTD,
};

struct decode {
	const struct limits *limits;
	decode_sink *sink;
	void *into;
	uint8_t *room;
	enum kind kind;
	uint8_t magic[MAGIC_LEN];
	size_t magic_len;
	uint64_t in, out;
	bool between; /* at the end of a member or frame */
	bool zeros;   /* padding behind the last member */
	struct inflate_state *inflate;
	ZSTD_DStream *zstd;
	uint64_t window; /* taken of what all may have */
};

/* ---- windows of all decoders -------------------------------------------- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t given;
	uint64_t taken;
} windows = {
    .lock = PTHREAD_MUTEX_INITIALIZER, .given = PTHREAD_COND_INITIALIZER};

/* Waits until there is room for another. */
static void
window_take(struct decode *d, uint64_t size)
{
	pthread_mutex_lock(&windows.lock);
	while (windows.taken > 0 && windows.taken + size > DECODE_WINDOWS_MAX)
		pthread_cond_wait(&windows.given, &windows.lock);
	windows.taken += size;
	pthread_mutex_unlock(&windows.lock);
	d->window = size;
}

static void
window_give(struct decode *d)
{
	if (d->window == 0)
		return;
	pthread_mutex_lock(&windows.lock);
	windows.taken -= d->window;
	pthread_cond_broadcast(&windows.given);
	pthread_mutex_unlock(&windows.lock);
}

/* ---- a decoder ---------------------------------------------------------- */

struct decode *
decode_new(
    const struct limits *limits, uint8_t *room, decode_sink *sink, void *into)
{
	struct decode *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->limits = limits;
	d->room = room;
	d->sink = sink;
	d->into = into;
	return d;
}

void
decode_free(struct decode *d)
{
	if (!d)
		return;
	free(d->inflate);
	ZSTD_freeDStream(d->zstd);
	window_give(d);
	free(d);
}

uint64_t
decode_size(const struct decode *d)
{
	return d->out;
}

/* ---- what came out ------------------------------------------------------ */

static int
deliver(struct decode *d, size_t len, struct err *e)
{
	if (len == 0)
		return 0;
	d->out += len;
	if (d->out > LIMITS_RATIO_FREE && d->out / d->limits->ratio > d->in)
		return err_set(e, EX_DATAERR,
		    "unpacks to more than %llu times its size (ratio)",
		    (unsigned long long)d->limits->ratio);
	return d->sink(d->into, &d->room, len, e);
}

/* ---- kinds -------------------------------------------------------------- */

static int
plain(struct decode *d, const uint8_t *data, size_t len, struct err *e)
{
	while (len > 0) {
		size_t n = len < DECODE_CHUNK ? len : DECODE_CHUNK;

		d->in += n;
		memcpy(d->room, data, n);
		if (deliver(d, n, e) < 0)
			return -1;
		data += n;
		len -= n;
	}
	return 0;
}

/* Behind a member there may be another, or zeros up to the end. */
static bool
gzip_padding(struct decode *d, const uint8_t **data, size_t *len)
{
	while (*len > 0 && **data == 0) {
		d->zeros = true;
		d->in++;
		(*data)++;
		(*len)--;
	}
	return *len == 0;
}

static void
new_member(struct decode *d)
{
	isal_inflate_init(d->inflate);
	/* Header and checksum too. */
	d->inflate->crc_flag = ISAL_GZIP;
	d->between = false;
}

static const char *
gzip_reason(int rc)
{
	switch (rc) {
	case ISAL_INCORRECT_CHECKSUM:
		return "checksum is wrong";
	case ISAL_INVALID_WRAPPER:
		return "not a gzip header";
	case ISAL_UNSUPPORTED_METHOD:
		return "unknown method";
	default:
		return "damaged";
	}
}

static int
gzip(struct decode *d, const uint8_t *data, size_t len, struct err *e)
{
	struct inflate_state *z = d->inflate;
	bool full = false;

	while (len > 0 || full) {
		uint32_t n = len < READ_MAX ? (uint32_t)len : READ_MAX;
		int rc;

		if (d->between) {
			if (gzip_padding(d, &data, &len))
				return 0;
			if (d->zeros)
				return err_set(e, EX_DATAERR,
				    "gzip: garbage behind the end");
			new_member(d);
			continue;
		}
		z->next_in = (uint8_t *)data;
		z->avail_in = n;
		z->next_out = d->room;
		z->avail_out = DECODE_CHUNK;
		rc = isal_inflate(z);
		n -= z->avail_in;
		d->in += n;
		data += n;
		len -= n;
		if (deliver(d, DECODE_CHUNK - z->avail_out, e) < 0)
			return -1;
		if (rc != ISAL_DECOMP_OK && rc != ISAL_END_INPUT)
			return err_set(
			    e, EX_DATAERR, "gzip: %s", gzip_reason(rc));
		d->between = z->block_state == ISAL_BLOCK_FINISH;
		/* There may be more inside than there was room for. */
		full = !d->between && z->avail_out == 0;
	}
	return 0;
}

static int
zstd_failed(const struct decode *d, size_t rc, struct err *e)
{
	if (ZSTD_getErrorCode(rc) != ZSTD_error_frameParameter_windowTooLarge)
		return err_set(
		    e, EX_DATAERR, "zstd: %s", ZSTD_getErrorName(rc));
	err_set(e, EX_DATAERR,
	    "zstd: needs a window above the limit of %llu bytes (window)",
	    (unsigned long long)d->limits->window);
	return err_hint(e, "--limit window=128M allows what 'zstd --ultra' "
			   "makes, and takes the memory for it");
}

static int
zstd(struct decode *d, const uint8_t *data, size_t len, struct err *e)
{
	ZSTD_inBuffer in = {data, len, 0};
	bool full = false;

	while (in.pos < in.size || full) {
		ZSTD_outBuffer out = {d->room, DECODE_CHUNK, 0};
		size_t before = in.pos, rc;

		rc = ZSTD_decompressStream(d->zstd, &out, &in);
		if (ZSTD_isError(rc))
			return zstd_failed(d, rc, e);
		d->in += in.pos - before;
		d->between = rc == 0;
		/* Asked again behind its end it begins another frame. */
		full = !d->between && out.pos == out.size;
		if (deliver(d, out.pos, e) < 0)
			return -1;
	}
	return 0;
}

/* ---- telling them apart ------------------------------------------------- */

static int
start_zstd(struct decode *d, struct err *e)
{
	int log = 10; /* the least that zstd takes */

	while (log < 31 && (uint64_t)2 << log <= d->limits->window)
		log++;
	d->kind = ZSTD;
	d->zstd = ZSTD_createDStream();
	if (!d->zstd)
		return err_set(e, EX_OSERR, "out of memory");
	ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, log);
	window_take(d, d->limits->window);
	return 0;
}

static int
start(struct decode *d, struct err *e)
{
	const uint8_t *m = d->magic;
	static const struct {
		const char *magic, *name;
		size_t len;
	} others[] = {
	    {"\xfd"
	     "7zXZ",
		"xz", 6},
	    {"BZh", "bzip2", 3},
	    {"\x04\x22\x4d\x18", "lz4", 4},
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (d->magic_len >= others[i].len &&
		    memcmp(m, others[i].magic, others[i].len) == 0)
			return err_set(e, EX_DATAERR,
			    "compressed with %s, which layers may not be",
			    others[i].name);
	if (d->magic_len >= 2 && m[0] == 0x1f && m[1] == 0x8b) {
		d->kind = GZIP;
		d->inflate = malloc(sizeof(*d->inflate));
		if (!d->inflate)
			return err_set(e, EX_OSERR, "out of memory");
		new_member(d);
	} else if (d->magic_len >= 4 &&
		   (memcmp(m, "\x28\xb5\x2f\xfd", 4) == 0 ||
		       ((m[0] & 0xf0) == 0x50 &&
			   memcmp(m + 1, "\x2a\x4d\x18", 3) == 0))) {
		return start_zstd(d, e);
	} else {
		d->kind = PLAIN;
	}
	return 0;
}

static int
feed(struct decode *d, const uint8_t *data, size_t len, struct err *e)
{
	switch (d->kind) {
	case GZIP:
		return gzip(d, data, len, e);
	case ZSTD:
		return zstd(d, data, len, e);
	default:
		return plain(d, data, len, e);
	}
}

int
decode_feed(struct decode *d, const void *data, size_t len, struct err *e)
{
	const uint8_t *at = data;

	if (d->kind == UNKNOWN) {
		size_t n = MAGIC_LEN - d->magic_len;

		if (n > len)
			n = len;
		memcpy(d->magic + d->magic_len, at, n);
		d->magic_len += n;
		at += n;
		len -= n;
		if (d->magic_len < MAGIC_LEN)
			return 0;
		if (start(d, e) < 0 || feed(d, d->magic, MAGIC_LEN, e) < 0)
			return -1;
	}
	return feed(d, at, len, e);
}

int
decode_end(struct decode *d, struct err *e)
{
	if (d->kind == UNKNOWN && d->magic_len > 0 &&
	    (start(d, e) < 0 || feed(d, d->magic, d->magic_len, e) < 0))
		return -1;
	if (d->kind != PLAIN && d->kind != UNKNOWN && !d->between)
		return err_set(e, EX_DATAERR, "%s: ends too early",
		    d->kind == GZIP ? "gzip" : "zstd");
	return 0;
}
