/* SPDX-License-Identifier: MIT */
/*
 * tarnumber.h - numbers in tar headers
 *
 * Octal digits, padded with blanks or NULs on either side, or where the top bit
 * is set big-endian two's complement (GNU). All return 0, -1 for what is
 * neither or does not fit.
 */
#ifndef VK_COMMON_TARNUMBER_H
#define VK_COMMON_TARNUMBER_H

#include <stddef.h>
#include <stdint.h>

int tar_number(const uint8_t *field, size_t len, int64_t *);
int tar_natural(const uint8_t *field, size_t len, uint64_t *);
int tar_natural32(const uint8_t *field, size_t len, uint32_t *);

#endif
