/* SPDX-License-Identifier: MIT */
/*
 * die.h - the one way a program's main file gives up
 *
 * Prints one line (and the hint as a second) and exits. Called only from
 * cmd/vk-x.c: modules return a struct err. The agent never links this: it is
 * process 1, and its exit is a kernel panic.
 */
#ifndef VK_COMMON_DIE_H
#define VK_COMMON_DIE_H

#include "common/err.h"

/* Exits with status; see sysexits(3). */
_Noreturn void die(int status, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Exits with err->status (EX_SOFTWARE if it was never set). */
_Noreturn void die_err(const struct err *);

#endif
