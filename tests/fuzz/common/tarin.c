/* SPDX-License-Identifier: MIT */
/* tarin.c - tars, in pieces; checksums are made right for the fuzzer */
#include "common/tarin.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	uint64_t left;
	bool any;
};

static int
on_entry(void *into, const struct tar_entry *n, struct err *e)
{
	struct seen *s = into;
	uint64_t sum = 0, at = 0;

	(void)e;
	assert(!s->any || s->left == 0);
	s->any = true;
	s->left = n->stored;
	assert(strlen(n->path) <= 4096 && strlen(n->link) <= 4096);
	assert(n->mode <= 07777 && n->mtime_ns < 1000000000);
	for (size_t i = 0; i < n->segment_count; i++) {
		assert(n->segments[i].offset >= at);
		at = n->segments[i].offset + n->segments[i].len;
		assert(at <= n->size);
		sum += n->segments[i].len;
	}
	assert(!n->sparse || sum == n->stored);
	return 0;
}

static int
on_data(void *into, const void *data, size_t len, struct err *e)
{
	struct seen *s = into;

	(void)data;
	(void)e;
	assert(len <= s->left);
	s->left -= len;
	return 0;
}

/* Blocks that look like headers get the sum that they should have. */
static void
mend(uint8_t *b)
{
	unsigned sum = 0;

	memset(b + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += b[i];
	for (int i = 5; i >= 0; i--, sum >>= 3)
		b[148 + i] = (uint8_t)('0' + (sum & 7));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct tarin_ops ops = {on_entry, on_data, true};
	struct seen s = {0};
	struct tarin *t = tarin_new(&ops, &s, 4096);
	struct err e = ERR_INIT;
	uint8_t *copy = malloc(size + 1);
	size_t piece = size > 0 ? 1 + data[0] * 5u : 1;
	int rc = 0;

	memcpy(copy, data, size);
	for (size_t at = 0; at + 512 <= size; at += 512)
		if (memcmp(copy + at + 257, "ustar", 5) == 0)
			mend(copy + at);
	for (size_t at = 0; at < size && rc == 0; at += piece)
		rc = tarin_feed(
		    t, copy + at, size - at < piece ? size - at : piece, &e);
	if (rc == 0)
		tarin_end(t, &e);
	tarin_free(t);
	free(copy);
	return 0;
}
