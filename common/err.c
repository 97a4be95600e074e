/* SPDX-License-Identifier: MIT */
/* err.c - what went wrong, carried up to whoever talks to the user */
#include "common/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

size_t
err_control(const char *s)
{
	const unsigned char *c = (const unsigned char *)s;

	/* U+0080 to U+009F are control characters as well. */
	if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
		return 2;
	return (c[0] != 0 && c[0] < 0x20) || c[0] == 0x7f;
}

void
err_printable(char *s)
{
	for (size_t n; *s; s += n > 0 ? n : 1) {
		n = err_control(s);
		memset(s, '?', n);
	}
}

/* Marks a text that did not fit, which ends with a whole character of UTF-8. */
static void
mark_cut(char *text, size_t size, int wanted)
{
	char *at = text + size - sizeof("...");

	if (wanted < 0 || (size_t)wanted < size)
		return;
	while (at > text && (*at & 0xc0) == 0x80)
		at--;
	memcpy(at, "...", sizeof("..."));
}

static void
format(char *text, size_t size, const char *fmt, va_list ap)
{
	int n = vsnprintf(text, size, fmt, ap);

	mark_cut(text, size, n);
	err_printable(text);
}

int
err_set(struct err *e, int status, const char *fmt, ...)
{
	va_list ap;

	e->status = status;
	e->hint[0] = '\0';
	va_start(ap, fmt);
	format(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return -1;
}

static int
status_of_errno(int number)
{
	switch (number) {
	case ENOENT:
	case ENOTDIR:
	case EISDIR:
		return EX_NOINPUT;
	case EACCES:
	case EPERM:
	case EROFS:
		return EX_NOPERM;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case EAGAIN:
	case ENOSYS:
		return EX_OSERR;
	default:
		return EX_IOERR;
	}
}

int
err_errno(struct err *e, int status, const char *fmt, ...)
{
	int number = errno;
	char what[ERR_TEXT_MAX];
	va_list ap;
	int n;

	e->status = status ? status : status_of_errno(number);
	e->hint[0] = '\0';
	va_start(ap, fmt);
	format(what, sizeof(what), fmt, ap);
	va_end(ap);
	n = snprintf(
	    e->text, sizeof(e->text), "%s: %s", what, strerror(number));
	mark_cut(e->text, sizeof(e->text), n);
	errno = number;
	return -1;
}

int
err_prefix(struct err *e, const char *fmt, ...)
{
	char where[ERR_TEXT_MAX], rest[ERR_TEXT_MAX];
	va_list ap;
	int n;

	va_start(ap, fmt);
	format(where, sizeof(where), fmt, ap);
	va_end(ap);
	memcpy(rest, e->text, sizeof(rest));
	n = snprintf(e->text, sizeof(e->text), "%s: %s", where, rest);
	mark_cut(e->text, sizeof(e->text), n);
	return -1;
}

int
err_hint(struct err *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	format(e->hint, sizeof(e->hint), fmt, ap);
	va_end(ap);
	return -1;
}
