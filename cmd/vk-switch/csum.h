/* SPDX-License-Identifier: MIT */
/*
 * csum.h - the Internet checksum, RFC 1071
 *
 * A sum is carried unfolded and in the machine's order, and folded once at the
 * end; csum_fold() gives the 16 bits as they stand in memory.
 */
#ifndef VK_SWITCH_CSUM_H
#define VK_SWITCH_CSUM_H

#include "cmd/vk-switch/addr.h"

#include <stddef.h>
#include <stdint.h>

/* Adds len bytes to sum. A block of odd length may only be the last. */
uint64_t csum_add(uint64_t sum, const void *data, size_t len);

/* The complement, ready to be stored with memcpy. */
uint16_t csum_fold(uint64_t sum);

/* The pseudo header of either family (RFC 9293, 3.1; RFC 8200, 8.1). */
uint64_t csum_pseudo(
    const struct addr *from, const struct addr *to, uint8_t proto, size_t len);

#endif
