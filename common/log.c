/* SPDX-License-Identifier: MIT */
/* log.c - lines on stderr: "program: text" */
#include "common/log.h"

#include "common/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool log_verbose;
static const char *own_name;

void
log_name(const char *name)
{
	own_name = name;
}

static void
line(const char *fmt, va_list ap)
{
	char text[1024];
	const char *name = own_name ? own_name : program_invocation_short_name;
	int head = snprintf(text, 64, "%s: ", name);
	size_t len;

	if (head < 0 || head >= 64)
		head = 0;
	if (vsnprintf(text + head, sizeof(text) - (size_t)head - 1, fmt, ap) <
	    0)
		return;
	err_printable(text);
	len = strlen(text);
	text[len++] = '\n';
	if (write(STDERR_FILENO, text, len) < 0)
		return; /* nobody is left to tell */
}

void
log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(fmt, ap);
	va_end(ap);
}

void
log_info(const char *fmt, ...)
{
	va_list ap;

	if (!log_verbose)
		return;
	va_start(ap, fmt);
	line(fmt, ap);
	va_end(ap);
}
