/* SPDX-License-Identifier: MIT */
/* escape.c - the way out of a raw terminal: Ctrl-] and a point */
#include "common/escape.h"

size_t
escape_filter(
    struct escape *escape, const char *in, size_t len, char *out, bool *leave)
{
	size_t count = 0;

	for (size_t i = 0; i < len; i++) {
		if (!escape->pending) {
			escape->pending = in[i] == ESCAPE_KEY;
			if (!escape->pending)
				out[count++] = in[i];
			continue;
		}
		escape->pending = false;
		if (in[i] == '.') {
			*leave = true;
			return count;
		}
		out[count++] = ESCAPE_KEY;
		if (in[i] != ESCAPE_KEY)
			out[count++] = in[i];
	}
	return count;
}
