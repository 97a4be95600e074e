/* SPDX-License-Identifier: MIT */
/* forward.c - what stands behind -L, -R and cp */
#include "cmd/vk-exec/forward.h"
#include "cmd/vk-exec/copy.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct forward f;
	struct place p;
	struct err e = ERR_INIT;
	char *text = calloc(1, size + 1);

	memcpy(text, data, size);
	forward_parse(&f, text, &e);
	place_parse(&p, text, size & 1);
	free(text);
	return 0;
}
