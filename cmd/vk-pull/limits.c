/* SPDX-License-Identifier: MIT */
/* limits.c - how much an image may ask of us */
#include "cmd/vk-pull/limits.h"

#include "common/size.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

const struct limits limits_default = {
    .size = 64 * GIB,
    .download = 32 * GIB,
    /* About 100 bytes of memory each. */
    .entries = 4000000,
    /* Docker stops at 127. */
    .layers = 1000,
    .name = 4096,
    /* What registries take is 4 MiB. */
    .manifest = 4 * MIB,
    .depth = 64,
    /* deflate reaches 1032; usual layers 2 to 5. */
    .ratio = 200,
    /* What RFC 8878 asks of every decoder; "zstd --ultra" needs more. */
    .window = 8 * MIB,
};

static const struct {
	const char *name;
	size_t offset;
	uint64_t most; /* what the code can hold */
} table[] = {
    {"size", offsetof(struct limits, size), (uint64_t)1 << 60},
    {"download", offsetof(struct limits, download), (uint64_t)1 << 60},
    {"entries", offsetof(struct limits, entries), (uint64_t)1 << 31},
    {"layers", offsetof(struct limits, layers), 10000},
    {"name", offsetof(struct limits, name), 1 << 16},
    {"manifest", offsetof(struct limits, manifest), 1 << 30},
    {"depth", offsetof(struct limits, depth), 2000},
    {"ratio", offsetof(struct limits, ratio), 1000000},
    {"window", offsetof(struct limits, window), (uint64_t)1 << 31},
};

int
limits_set(struct limits *l, const char *text, struct err *e)
{
	const char *equals = strchr(text, '=');
	size_t len = equals ? (size_t)(equals - text) : 0;
	uint64_t value;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strlen(table[i].name) != len ||
		    memcmp(table[i].name, text, len) != 0)
			continue;
		if (size_parse(equals + 1, &value) < 0 || value == 0 ||
		    value > table[i].most)
			return err_set(e, EX_USAGE,
			    "%s: not a size from 1 to %llu", text,
			    (unsigned long long)table[i].most);
		memcpy((char *)l + table[i].offset, &value, sizeof(value));
		return 0;
	}
	err_set(e, EX_USAGE, "%s: no such limit", text);
	return err_hint(e, "limits are size, download, entries, layers, name, "
			   "manifest, depth, ratio, window");
}
