/* SPDX-License-Identifier: MIT */
/* size.h - numbers and sizes as users write them */
#ifndef VK_COMMON_SIZE_H
#define VK_COMMON_SIZE_H

#include <stdint.h>

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

/*
 * A whole number with an optional unit, powers of 1024: "512M", "1.5G",
 * "4096", "10KiB". Digits behind a point need a unit. Returns 0, -1 when text
 * is anything else or the value passes 2^63 - 1.
 */
int size_parse(const char *text, uint64_t *bytes);

/* A decimal number and nothing else, at most max. Returns 0, -1. */
int number_parse(const char *text, uint64_t max, uint64_t *value);

/* A duration: "500ms", "10s", "2m", "1h", bare numbers are seconds. Returns 0
 * with milliseconds, -1 when text is anything else or passes a year. */
int duration_parse(const char *text, uint64_t *ms);

/* "1.5 GiB" for people; into must hold SIZE_TEXT_MAX. Returns into. */
#define SIZE_TEXT_MAX 16
char *size_text(uint64_t bytes, char *into);

#endif
