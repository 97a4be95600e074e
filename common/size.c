/* SPDX-License-Identifier: MIT */
/* size.c - numbers and sizes as users write them */
#include "common/size.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DURATION_MAX_MS ((uint64_t)366 * 24 * 3600 * 1000)

/* Leading decimal digits; *at moves behind them. -1: none, or above max. */
static int
digits(const char **at, uint64_t max, uint64_t *value)
{
	const char *p = *at;

	*value = 0;
	if (!isdigit((unsigned char)*p))
		return -1;
	for (; isdigit((unsigned char)*p); p++) {
		uint64_t d = (uint64_t)(*p - '0');

		if (d > max || *value > (max - d) / 10)
			return -1;
		*value = *value * 10 + d;
	}
	*at = p;
	return 0;
}

int
number_parse(const char *text, uint64_t max, uint64_t *value)
{
	return digits(&text, max, value) < 0 || *text ? -1 : 0;
}

/* The unit's shift; -1 if it is none. "", K, KB, KiB, ... in either case. */
static int
unit_shift(const char *unit)
{
	static const char letters[] = "kmgtpe";
	const char *found;

	if (*unit == '\0' || strcasecmp(unit, "b") == 0)
		return 0;
	found = strchr(letters, tolower((unsigned char)*unit));
	if (!found)
		return -1;
	unit++;
	if (*unit && strcasecmp(unit, "b") != 0 && strcasecmp(unit, "ib") != 0)
		return -1;
	return 10 * (int)(found - letters + 1);
}

int
size_parse(const char *text, uint64_t *bytes)
{
	uint64_t whole, part = 0, scale = 1;
	int shift;

	if (digits(&text, INT64_MAX, &whole) < 0)
		return -1;
	if (*text == '.') {
		for (text++; isdigit((unsigned char)*text); text++) {
			if (scale > 100000)
				return -1;
			part = part * 10 + (uint64_t)(*text - '0');
			scale *= 10;
		}
	}
	shift = unit_shift(text);
	if (shift < 0 || (shift == 0 && scale > 1))
		return -1;
	if (whole > (uint64_t)INT64_MAX >> shift)
		return -1;
	/* part < scale <= 10^6 < 2^20, so part << shift fits up to 2^43. */
	*bytes = whole << shift;
	if (scale > 1 && shift <= 40)
		*bytes += (part << shift) / scale;
	else if (scale > 1)
		*bytes += ((part << 40) / scale) << (shift - 40);
	return *bytes > INT64_MAX ? -1 : 0;
}

int
duration_parse(const char *text, uint64_t *ms)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = {{"", 1000}, {"s", 1000}, {"ms", 1}, {"m", 60000},
	    {"h", 3600000}, {"d", 86400000}};
	uint64_t n;

	if (digits(&text, DURATION_MAX_MS, &n) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text, units[i].unit) != 0)
			continue;
		if (n > DURATION_MAX_MS / units[i].ms)
			return -1;
		*ms = n * units[i].ms;
		return 0;
	}
	return -1;
}

char *
size_text(uint64_t bytes, char *into)
{
	static const char *const units[] = {
	    "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes;
	unsigned unit = 0;

	while (value >= 1024 && unit < 6) {
		value /= 1024;
		unit++;
	}
	snprintf(into, SIZE_TEXT_MAX,
	    unit && value < 100 ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return into;
}
