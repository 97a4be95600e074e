/* SPDX-License-Identifier: MIT */
/* die.c - the one way a program's main file gives up */
#include "common/die.h"

#include "common/log.h"

#include <stdio.h>
#include <stdlib.h>

void
die_err(const struct err *e)
{
	log_warn("%s", e->text);
	if (e->hint[0])
		log_warn("%s", e->hint);
	exit(e->status ? e->status : EX_SOFTWARE);
}

void
die(int status, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_warn("%s", text);
	exit(status);
}
