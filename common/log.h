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

#include <stdbool.h>

/* Shown with -v; off from the start. */
extern bool log_verbose;

/* Name before each line; the program's own unless set (borrowed for ever). */
void log_name(const char *name);

/* Always shown: something is wrong, and the program goes on. */
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Shown only with log_verbose. */
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
