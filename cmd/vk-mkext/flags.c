/* SPDX-License-Identifier: MIT */
/* flags.c - flags of files (chattr(1)) as a tar holds them */
#include "cmd/vk-mkext/flags.h"

#include <string.h>

/* The first name of each is the one that is written. */
static const struct {
	const char *name;
	uint32_t flag;
} flags[] = {
    {"schg", FS_IMMUTABLE_FL},
    {"schange", FS_IMMUTABLE_FL},
    {"simmutable", FS_IMMUTABLE_FL},
    {"sappnd", FS_APPEND_FL},
    {"sappend", FS_APPEND_FL},
    {"nodump", FS_NODUMP_FL},
    {"noatime", FS_NOATIME_FL},
    {"sync", FS_SYNC_FL},
    {"dirsync", FS_DIRSYNC_FL},
};

#define FLAGS (sizeof(flags) / sizeof(flags[0]))

uint32_t
flags_parse(const char *text, size_t len)
{
	uint32_t all = 0;

	while (len > 0) {
		const char *comma = memchr(text, ',', len);
		size_t n = comma ? (size_t)(comma - text) : len;

		for (size_t i = 0; i < FLAGS; i++)
			if (strlen(flags[i].name) == n &&
			    memcmp(flags[i].name, text, n) == 0)
				all |= flags[i].flag;
		n += comma != NULL;
		text += n;
		len -= n;
	}
	return all;
}

void
flags_write(struct buf *b, uint32_t value)
{
	const char *between = "";

	for (size_t i = 0; i < FLAGS; i++) {
		if (!(value & flags[i].flag))
			continue;
		buf_printf(b, "%s%s", between, flags[i].name);
		between = ",";
		value &= ~flags[i].flag;
	}
}
