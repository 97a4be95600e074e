/* SPDX-License-Identifier: MIT */
/*
 * decode.c - members and frames, in pieces of every size
 *
 * takes: 10 s sanitized
 */
#include "cmd/vk-pull/decode.h"
#include "common/buf.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

static uint8_t room[DECODE_CHUNK];

static int
sink(void *into, uint8_t **at, size_t len, struct err *e)
{
	(void)e;
	return buf_add(into, *at, len);
}

static void
add_gzip(struct buf *b, const char *data, size_t len)
{
	z_stream z = {0};

	deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
	z.next_in = (Bytef *)data;
	z.avail_in = (uInt)len;
	z.next_out = buf_reserve(b, len + 1000);
	z.avail_out = (uInt)len + 1000;
	deflate(&z, Z_FINISH);
	b->len += len + 1000 - z.avail_out;
	deflateEnd(&z);
}

static void
add_zstd(struct buf *b, const char *data, size_t len)
{
	size_t bound = ZSTD_compressBound(len);

	b->len += ZSTD_compress(buf_reserve(b, bound), bound, data, len, 3);
}

/* Decodes in pieces of `piece` bytes. Returns 0, -1. */
static struct limits limits;
static struct err e;

static int
decode_in_pieces(const struct buf *in, size_t piece, struct buf *out)
{
	struct decode *d = decode_new(&limits, room, sink, out);
	int rc = 0;

	buf_drop(out, out->len);
	for (size_t at = 0; at < in->len && rc == 0; at += piece) {
		size_t n = in->len - at < piece ? in->len - at : piece;
		/* On the heap and no longer than it is: for ASan. */
		char *copy = malloc(n);

		memcpy(copy, in->data + at, n);
		rc = decode_feed(d, copy, n, &e);
		free(copy);
	}
	if (rc == 0)
		rc = decode_end(d, &e);
	decode_free(d);
	return rc;
}

int
main(void)
{
	static char text[300000];
	static const size_t pieces[] = {1, 2, 3, 7, 64, 1000, 65536, 1 << 20};
	struct buf gzip = BUF_INIT(1 << 24), zstd = BUF_INIT(1 << 24);
	struct buf both = BUF_INIT(1 << 24), out = BUF_INIT(1 << 24);

	limits = limits_default;
	for (unsigned i = 0, x = 7; i < sizeof(text); i++) {
		x = x * 1103515245 + 12345;
		text[i] = (char)((x >> 16) & 15);
	}
	for (int i = 0; i < 3; i++) {
		/* One of several blocks is enough, a byte at a time. */
		size_t len = i == 1 ? sizeof(text) : 5000;

		buf_add(&both, text, len);
		add_gzip(&gzip, text, len);
		add_zstd(&zstd, text, len);
		/* An empty member between, and a tiny one. */
		add_gzip(&gzip, "", 0);
		add_gzip(&gzip, "x", 1);
		add_zstd(&zstd, "", 0);
		add_zstd(&zstd, "x", 1);
		buf_puts(&both, "x");
	}
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		ok(decode_in_pieces(&gzip, pieces[i], &out) == 0 &&
			out.len == both.len &&
			memcmp(out.data, both.data, out.len) == 0,
		    "nine gzip members in pieces of %zu", pieces[i]);
		ok(decode_in_pieces(&zstd, pieces[i], &out) == 0 &&
			out.len == both.len &&
			memcmp(out.data, both.data, out.len) == 0,
		    "nine zstd frames in pieces of %zu", pieces[i]);
	}
	buf_add(&gzip, "\0\0\0\0", 4);
	ok(decode_in_pieces(&gzip, 1, &out) == 0, "zeros behind gzip");
	buf_add(&gzip, "x", 1);
	ok(decode_in_pieces(&gzip, 1, &out) < 0, "and garbage behind those");
	gzip.len -= 5;
	gzip.data[gzip.len - 6] ^= 1;
	ok(decode_in_pieces(&gzip, 1000, &out) < 0, "a wrong gzip checksum");
	gzip.data[gzip.len - 6] ^= 1;
	gzip.data[gzip.len - 2] ^= 1;
	ok(decode_in_pieces(&gzip, 1000, &out) < 0, "a wrong gzip length");
	zstd.data[zstd.len / 2] ^= 1;
	decode_in_pieces(&zstd, 1000, &out);
	ok(out.len != both.len || memcmp(out.data, both.data, out.len) != 0,
	    "a damaged zstd frame does not decode to the same");
	zstd.len = 0;
	add_zstd(&zstd, text, DECODE_CHUNK);
	ok(decode_in_pieces(&zstd, 1 << 20, &out) == 0 &&
		out.len == DECODE_CHUNK,
	    "a frame that ends where the room for it does");
	/* A frame whose header asks for 64 MiB, of an empty raw block. */
	zstd.len = 0;
	buf_add(&zstd, "\x28\xb5\x2f\xfd\x00\x80\x01\x00\x00", 9);
	ok(decode_in_pieces(&zstd, 1000, &out) < 0 &&
		strstr(e.text, "(window)"),
	    "a window above the limit: %s", e.text);
	limits.window = 64 << 20;
	ok(decode_in_pieces(&zstd, 1000, &out) == 0, "and at the limit");
	limits.window--;
	ok(decode_in_pieces(&zstd, 1, &out) < 0, "one byte less");
	buf_release(&gzip);
	buf_release(&zstd);
	buf_release(&both);
	buf_release(&out);
	return tap_done();
}
