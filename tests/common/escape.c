/* SPDX-License-Identifier: MIT */
/* escape.c - the way out of a raw terminal */
#include "common/escape.h"

#include "tests/tap.h"

static void
is_passed(const char *typed, const char *passed, bool left)
{
	/* All at once, and byte by byte. */
	for (size_t step = strlen(typed) + 1; step > 0;
	     step = step > 1 ? 1 : 0) {
		struct escape escape = {.pending = false};
		char out[64];
		size_t count = 0;
		bool leave = false;

		for (size_t at = 0; at < strlen(typed) && !leave; at += step) {
			size_t len = strlen(typed) - at;

			count += escape_filter(&escape, typed + at,
			    len < step ? len : step, out + count, &leave);
		}
		out[count] = '\0';
		is_str(out, passed, "%zu bytes at a time", step);
		ok(leave == left, "left or not");
	}
}

int
main(void)
{
	is_passed("abc", "abc", false);
	is_passed("ab\x1d.cd", "ab", true);
	is_passed("ab.\x1d", "ab.", false);
	is_passed("a\x1d\x1d.", "a\x1d.", false);
	is_passed("a\x1d"
		  "b.",
	    "a\x1d"
	    "b.",
	    false);
	is_passed("\x1d\x1d\x1d.x", "\x1d", true);
	return tap_done();
}
