/* SPDX-License-Identifier: MIT */
/* ref.c - references: what is taken keeps the promises of its header */
#include "cmd/vk-pull/ref.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	struct err e = ERR_INIT;
	struct ref r;

	if (ref_parse(&r, text, &e) == 0 && r.kind == REF_REGISTRY) {
		assert(!strstr(r.name, "..") && r.name[0] != '/');
		assert(!strpbrk(r.name, " \n\r%?#@"));
		assert(!strpbrk(r.tag, " \n\r%?#@/"));
		assert(!strpbrk(r.host, " \n\r%?#@/"));
		ref_is_loopback(r.host);
		if (!r.host[0])
			ref_on(&r, "docker.io");
	}
	free(text);
	return 0;
}
