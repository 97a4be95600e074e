/* SPDX-License-Identifier: MIT */
/* array.h - arrays that double, up to a limit */
#ifndef VK_MKEXT_ARRAY_H
#define VK_MKEXT_ARRAY_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Makes room for one more element of size bytes in the array whose pointer is
 * at array; max is its limit. Returns 0, -1 where it cannot grow. */
static inline int
array_grow(
    void *array, uint32_t count, uint32_t *room, size_t size, uint32_t max)
{
	void **at = array;
	uint32_t wanted = *room > max / 2 ? max : *room < 64 ? 64 : *room * 2;
	void *grown;

	if (count < *room)
		return 0;
	if (wanted <= count)
		return -1;
	grown = reallocarray(*at, wanted, size);
	if (!grown)
		return -1;
	*at = grown;
	*room = wanted;
	return 0;
}

#endif
