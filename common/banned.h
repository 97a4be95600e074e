/* SPDX-License-Identifier: MIT */
/*
 * banned.h - calls that this project does without, as compile errors
 *
 * Forced into every file by the Makefile. The headers that declare the names
 * come first, so that only our own use of them is an error.
 */
#ifndef VK_COMMON_BANNED_H
#define VK_COMMON_BANNED_H

#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No length: snprintf, memcpy with a checked one, buf_puts. */
#pragma GCC poison strcpy stpcpy strcat strncpy strncat sprintf vsprintf gets
/* Hidden state. */
#pragma GCC poison strtok
/* No error: number_parse, size_parse. */
#pragma GCC poison atoi atol atoll
/* Neither random nor repeatable. Not poisoned: openssl has arguments of that
 * name. */
#define rand()      rand_is_banned_neither_random_nor_repeatable
#define srand(seed) srand_is_banned_neither_random_nor_repeatable
/* The stack has no limit that it tells. */
#undef alloca
#pragma GCC poison alloca

#endif
