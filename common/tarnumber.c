/* SPDX-License-Identifier: MIT */
/* tarnumber.c - numbers in tar headers */
#include "common/tarnumber.h"

/* A base-256 number (GNU): two's complement, the top bit marks it. */
static int
number_base256(const uint8_t *field, size_t len, int64_t *value)
{
	uint64_t v = field[0] & 0x40 ? UINT64_MAX : 0;
	uint64_t sign = v;

	for (size_t i = 0; i < len; i++) {
		uint8_t byte = field[i];

		if (i == 0)
			byte = (uint8_t)((byte & 0x7f) | (sign ? 0x80 : 0));
		/* What is shifted out must be sign only. */
		if ((v >> 56) != (sign >> 56))
			return -1;
		v = v << 8 | byte;
	}
	if ((v >> 63) != (sign >> 63))
		return -1;
	*value = (int64_t)v;
	return 0;
}

/* Octal, padded with spaces or NULs on either side; empty is 0. */
int
tar_number(const uint8_t *field, size_t len, int64_t *value)
{
	uint64_t v = 0;
	size_t i = 0;

	if (field[0] & 0x80)
		return number_base256(field, len, value);
	while (i < len && (field[i] == ' ' || field[i] == '\0'))
		i++;
	for (; i < len && field[i] >= '0' && field[i] <= '7'; i++) {
		if (v >> 60)
			return -1;
		v = v << 3 | (uint64_t)(field[i] - '0');
	}
	for (; i < len; i++)
		if (field[i] != ' ' && field[i] != '\0')
			return -1;
	*value = (int64_t)v;
	return 0;
}

int
tar_natural(const uint8_t *field, size_t len, uint64_t *value)
{
	int64_t v;

	if (tar_number(field, len, &v) < 0 || v < 0)
		return -1;
	*value = (uint64_t)v;
	return 0;
}

int
tar_natural32(const uint8_t *field, size_t len, uint32_t *value)
{
	uint64_t v;

	if (tar_natural(field, len, &v) < 0 || v > UINT32_MAX)
		return -1;
	*value = (uint32_t)v;
	return 0;
}
