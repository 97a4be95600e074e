/* SPDX-License-Identifier: MIT */
/*
 * buf.h - bytes that grow up to a limit
 *
 * The limit is given when it is made, because what fills it comes from
 * outside. A buffer that could not grow stays as it was and remembers it
 * (failed), so that a row of additions needs one check at its end. There is
 * always a NUL behind the bytes, which len does not count.
 */
#ifndef VK_COMMON_BUF_H
#define VK_COMMON_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data;  /* NULL or len + 1 bytes at least */
	size_t len;  /* bytes in use */
	size_t size; /* bytes allocated */
	size_t max;  /* len never passes this */
	bool failed; /* an addition did not fit, or memory ran out */
};

#define BUF_INIT(limit)                                                        \
	{                                                                      \
		.max = (limit)                                                 \
	}

void buf_init(struct buf *, size_t max);
void buf_release(struct buf *); /* may be called twice */

/* Makes room for len more and returns it, NULL if that passes the limit. */
void *buf_reserve(struct buf *, size_t len);

/* All return 0, -1 where the addition did not fit (failed is then set). */
int buf_add(struct buf *, const void *from, size_t len);
int buf_puts(struct buf *, const char *string);
int buf_printf(struct buf *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Drops len bytes from the front. */
void buf_drop(struct buf *, size_t len);

/* Hands the bytes over (free(3) them); the buffer is empty afterwards. */
char *buf_take(struct buf *);

#define cleanup_buf __attribute__((cleanup(buf_release)))

#endif
