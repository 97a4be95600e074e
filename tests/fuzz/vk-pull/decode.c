/* SPDX-License-Identifier: MIT */
/* decode.c - compressed layers, in pieces */
#include "cmd/vk-pull/decode.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
sink(void *into, uint8_t **room, size_t len, struct err *e)
{
	uint64_t *sum = into;

	(void)e;
	for (size_t i = 0; i < len; i += 61)
		*sum += (*room)[i];
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *room = malloc(DECODE_CHUNK);
	uint64_t sum = 0;
	struct decode *d = decode_new(&limits_default, room, sink, &sum);
	size_t piece = size > 0 ? 1 + data[size - 1] * 3u : 1;
	struct err e = ERR_INIT;
	int rc = 0;

	for (size_t at = 0; at < size && rc == 0; at += piece) {
		size_t n = size - at < piece ? size - at : piece;
		uint8_t *copy = malloc(n);

		memcpy(copy, data + at, n);
		rc = decode_feed(d, copy, n, &e);
		free(copy);
	}
	if (rc == 0)
		decode_end(d, &e);
	decode_free(d);
	free(room);
	return 0;
}
