/* SPDX-License-Identifier: MIT */
/*
 * log.h - lines on stderr: "program: text"
 *
 * One write(2) a line, so that lines of programs in a pipeline do not mix.
 * Control characters in the text become '?'. Safe from any thread, not from a
 * signal handler.
 */
#ifndef VK_COMMON_LOG_H
#define VK_COMMON_LOG_H

#include "common/filter.h"

#include <stdbool.h>

/* Shown with -v; off from the start. */
extern bool log_verbose;

/* Name before each line; the program's own unless set (borrowed for ever). */
void log_name(const char *name);

/* Always shown: something is wrong, and the program goes on. */
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Shown only with log_verbose. */
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Always shown, as it is: lines, each with its newline. */
void log_text(const char *text);

/*
 * For a program that must go on whoever reads its stderr: where that is a pipe,
 * a terminal or a socket (a service's), nobody is waited for any more. What
 * there is no room for waits, up to LOG_WAITING_MAX, and goes with the next
 * line; log_release writes the rest, however long that takes, and all is as it
 * was. For one thread, while there is no other, and /proc can be seen.
 */
#define LOG_WAITING_MAX (64u << 10)
void log_hold(void);
/* What any thread that says something asks of the host then, beside filter_libc
 * (filter.h). */
const struct filter_call *log_calls(void);
/* Whether anything waits. */
bool log_waits(void);
void log_release(void);

#endif
