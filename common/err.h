/* SPDX-License-Identifier: MIT */
/*
 * err.h - what went wrong, carried up to whoever talks to the user
 *
 * The caller owns a struct err and passes it down; a function that fails fills
 * it in and returns -1 (or NULL). Nothing is allocated, so an error can be
 * reported when memory is what ran out. Functions on the way up put where they
 * were in front, so that the line reads from the object to the reason:
 *
 *	root.ext4: superblock: No such file or directory
 *
 * Only a program's main file prints it (die_err) and exits with err->status, a
 * code of sysexits(3).
 */
#ifndef VK_COMMON_ERR_H
#define VK_COMMON_ERR_H

#include <stdarg.h>
#include <sysexits.h>

/* A path of the usual length and a sentence; longer texts end in "...". */
#define ERR_TEXT_MAX 512
#define ERR_HINT_MAX 256

struct err {
	int status;              /* exit status, sysexits(3) */
	char text[ERR_TEXT_MAX]; /* "object: reason", one line */
	char hint[ERR_HINT_MAX]; /* how to mend it; empty if unknown */
};

#define ERR_INIT                                                               \
	{                                                                      \
		.status = 0                                                    \
	}

/* Says what went wrong. Returns -1, for "return err_set(...)". */
int err_set(struct err *, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * The same with ": " and the text of errno behind it. The status is chosen
 * from errno when the one given is 0: EX_NOINPUT for a missing file, EX_NOPERM
 * for a refusal, EX_OSERR for want of resources, EX_IOERR otherwise.
 */
int err_errno(struct err *, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "fmt: " in front of what is said already. Returns -1. */
int err_prefix(struct err *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A second line: how the user can mend it. Returns -1. */
int err_hint(struct err *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Bytes of the control character at s, in ASCII or UTF-8; 0: there is none. */
size_t err_control(const char *s);

/*
 * Makes s printable in place: control characters become '?', so that a name
 * from an image or a registry cannot write to the user's terminal. The
 * functions above do it to what they store.
 */
void err_printable(char *s);

#endif
