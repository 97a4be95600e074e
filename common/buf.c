/* SPDX-License-Identifier: MIT */
/* buf.c - bytes that grow up to a limit */
#include "common/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf)BUF_INIT(max);
}

void
buf_release(struct buf *b)
{
	free(b->data);
	b->data = NULL;
	b->len = b->size = 0;
}

void *
buf_reserve(struct buf *b, size_t len)
{
	size_t want, size;
	char *data;

	if (len > b->max - b->len) {
		b->failed = true;
		return NULL;
	}
	want = b->len + len + 1;
	if (want <= b->size)
		return b->data + b->len;
	size = b->size < 64 ? 64 : b->size;
	while (size < want)
		size += size / 2;
	if (size > b->max + 1)
		size = b->max + 1;
	data = realloc(b->data, size);
	if (!data) {
		b->failed = true;
		return NULL;
	}
	b->data = data;
	b->size = size;
	return b->data + b->len;
}

int
buf_add(struct buf *b, const void *from, size_t len)
{
	char *room = buf_reserve(b, len);

	if (!room)
		return -1;
	if (len > 0)
		memcpy(room, from, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

int
buf_puts(struct buf *b, const char *string)
{
	return buf_add(b, string, strlen(string));
}

int
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	char *room;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len < 0)
		return -1;
	room = buf_reserve(b, (size_t)len);
	if (!room)
		return -1;
	va_start(ap, fmt);
	vsnprintf(room, (size_t)len + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)len;
	return 0;
}

void
buf_drop(struct buf *b, size_t len)
{
	if (len == 0)
		return;
	if (len > b->len)
		len = b->len;
	b->len -= len;
	memmove(b->data, b->data + len, b->len + 1);
}

char *
buf_take(struct buf *b)
{
	char *data = b->data ? b->data : calloc(1, 1);

	b->data = NULL;
	b->len = b->size = 0;
	return data;
}
