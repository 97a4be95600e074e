/* SPDX-License-Identifier: MIT */
/* A policy's text: taken whole or not at all. */
#include "cmd/vk-switch/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct policy p;
	struct err e = ERR_INIT;

	p.count = 0;
	if (policy_parse(&p, (const char *)data, size, &e) < 0 && p.count != 0)
		__builtin_trap();
	return 0;
}
