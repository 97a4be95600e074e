/* SPDX-License-Identifier: MIT */
/*
 * escape.h - the way out of a raw terminal: Ctrl-] and a point
 *
 * All that a user types goes to the other side but this: Ctrl-] and then "."
 * asks to leave; Ctrl-] twice is one Ctrl-]; before anything else it is itself.
 */
#ifndef VK_COMMON_ESCAPE_H
#define VK_COMMON_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

#define ESCAPE_KEY 0x1d /* Ctrl-] */

struct escape {
	bool pending; /* the key was the last that was typed */
};

/* Moves what is to be passed on into out, which holds len + 1 bytes. Returns
 * how many there are; *leave is set where the user asked to, and what was typed
 * behind that is dropped. */
size_t escape_filter(
    struct escape *, const char *in, size_t len, char *out, bool *leave);

#endif
