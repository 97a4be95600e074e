/* SPDX-License-Identifier: MIT */
/* decode.c - a layer's compression undone, as bytes arrive */
#include "cmd/vk-pull/decode.h"

#include "cmd/vk-pull/limits.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define MAGIC_LEN 6

enum kind {
	UNKNOWN, /* too few bytes yet */
	PLAIN,
	GZIP,
	ZSTD,
};

struct decode {
	uint64_t ratio;
	decode_sink *sink;
	void *into;
	uint8_t *room;
	enum kind kind;
	uint8_t magic[MAGIC_LEN];
	size_t magic_len;
	uint64_t in, out;
	bool between; /* at the end of a member or frame */
	bool zeros;   /* padding behind the last member */
	z_stream z;
	ZSTD_DStream *zstd;
};

struct decode *
decode_new(uint64_t ratio, uint8_t *room, decode_sink *sink, void *into)
{
	struct decode *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->ratio = ratio;
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
	if (d->kind == GZIP)
		inflateEnd(&d->z);
	ZSTD_freeDStream(d->zstd);
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
	if (d->out > LIMITS_RATIO_FREE && d->out / d->ratio > d->in)
		return err_set(e, EX_DATAERR,
		    "unpacks to more than %llu times its size (ratio)",
		    (unsigned long long)d->ratio);
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

static int
gzip(struct decode *d, const uint8_t *data, size_t len, struct err *e)
{
	while (len > 0) {
		int rc;

		if (d->between) {
			if (gzip_padding(d, &data, &len))
				return 0;
			if (d->zeros)
				return err_set(e, EX_DATAERR,
				    "gzip: garbage behind the end");
			inflateReset(&d->z);
			d->between = false;
		}
		d->z.next_in = (Bytef *)data;
		d->z.avail_in = len < UINT32_MAX ? (uInt)len : UINT32_MAX;
		d->z.next_out = d->room;
		d->z.avail_out = DECODE_CHUNK;
		rc = inflate(&d->z, Z_NO_FLUSH);
		d->in += (uint64_t)(d->z.next_in - data);
		len -= (size_t)(d->z.next_in - data);
		data = d->z.next_in;
		if (deliver(d, DECODE_CHUNK - d->z.avail_out, e) < 0)
			return -1;
		if (rc == Z_STREAM_END)
			d->between = true;
		else if (rc != Z_OK && rc != Z_BUF_ERROR)
			return err_set(e, EX_DATAERR, "gzip: %s",
			    d->z.msg ? d->z.msg : "damaged");
	}
	return 0;
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
			return err_set(
			    e, EX_DATAERR, "zstd: %s", ZSTD_getErrorName(rc));
		d->in += in.pos - before;
		d->between = rc == 0;
		full = out.pos == out.size;
		if (deliver(d, out.pos, e) < 0)
			return -1;
	}
	return 0;
}

/* ---- telling them apart ------------------------------------------------- */

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
		/* 15: the largest window; 16: gzip only */
		if (inflateInit2(&d->z, 15 + 16) != Z_OK) {
			d->kind = PLAIN;
			return err_set(e, EX_OSERR, "out of memory");
		}
	} else if (d->magic_len >= 4 &&
		   (memcmp(m, "\x28\xb5\x2f\xfd", 4) == 0 ||
		       ((m[0] & 0xf0) == 0x50 &&
			   memcmp(m + 1, "\x2a\x4d\x18", 3) == 0))) {
		d->kind = ZSTD;
		d->zstd = ZSTD_createDStream();
		if (!d->zstd)
			return err_set(e, EX_OSERR, "out of memory");
		ZSTD_DCtx_setParameter(
		    d->zstd, ZSTD_d_windowLogMax, DECODE_WINDOW_LOG_MAX);
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
