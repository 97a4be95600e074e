/* SPDX-License-Identifier: MIT */
/* request.c - what a client asks for with OPEN */
#include "agent/request.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request r;
	struct err e = ERR_INIT;
	size_t total = 0;

	if (request_parse(&r, data, size, &e) == 0) {
		for (char **at = r.argv; *at; at++)
			total += strlen(*at);
		for (char **at = r.env; *at; at++)
			total += strlen(*at);
		for (char **at = r.paths; *at; at++)
			total += strlen(*at);
		if (total > size || r.signal > 64)
			abort();
	}
	request_release(&r);
	return 0;
}
