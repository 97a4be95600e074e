/* SPDX-License-Identifier: MIT */
/*
 * csum.c - the Internet checksum, RFC 1071
 *
 * The sum is the same in either byte order (RFC 1071, 2 (B)), so memory is
 * added as it lies. 32-bit words go into 64-bit lanes, in a form that compilers
 * turn into vector instructions; lanes cannot overflow below 2^32 words.
 */
#include "cmd/vk-switch/csum.h"

#include <stdbool.h>
#include <string.h>

typedef uint64_t lanes __attribute__((vector_size(32)));

/* Below this a call costs more than wide lanes save. */
#define WIDE_MIN 256

/* All whole blocks of 64 bytes; what is left is the caller's. */
static inline __attribute__((always_inline)) uint64_t
add_blocks(const uint8_t *p, size_t len)
{
	const uint64_t word = 0xffffffff;
	const lanes low = {word, word, word, word};
	lanes even = {0}, odd = {0};

	for (; len >= 64; p += 64, len -= 64) {
		lanes a, b;

		memcpy(&a, p, 32);
		memcpy(&b, p + 32, 32);
		even += (a & low) + (b & low);
		odd += (a >> 32) + (b >> 32);
	}
	even += odd;
	/* Each lane is below 2^48 for 64 KiB: folding is enough. */
	return even[0] + even[1] + even[2] + even[3];
}

#ifdef __x86_64__
static bool
has_wide(void)
{
	return __builtin_cpu_supports("avx2");
}

/* The same with registers of 32 bytes, which not every machine has. */
__attribute__((target("avx2"))) static uint64_t
add_blocks_wide(const uint8_t *p, size_t len)
{
	return add_blocks(p, len);
}
#else
#define add_blocks_wide add_blocks
#define has_wide()      false
#endif

uint64_t
csum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;

	if (len >= WIDE_MIN && has_wide())
		sum += add_blocks_wide(p, len);
	else if (len >= 64)
		sum += add_blocks(p, len);
	p += len / 64 * 64;
	len %= 64;
	for (; len >= 4; p += 4, len -= 4) {
		uint32_t word;

		memcpy(&word, p, 4);
		sum += word;
	}
	if (len >= 2) {
		uint16_t half;

		memcpy(&half, p, 2);
		sum += half;
		p += 2;
		len -= 2;
	}
	if (len) {
		uint8_t last[2] = {*p, 0};
		uint16_t half;

		memcpy(&half, last, 2);
		sum += half;
	}
	return sum;
}

uint16_t
csum_fold(uint64_t sum)
{
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)~sum;
}

uint64_t
csum_pseudo(
    const struct addr *from, const struct addr *to, uint8_t proto, size_t len)
{
	uint8_t tail[8] = {[0] = (uint8_t)(len >> 24),
	    [1] = (uint8_t)(len >> 16),
	    [2] = (uint8_t)(len >> 8),
	    [3] = (uint8_t)len,
	    [7] = proto};
	uint64_t sum = csum_add(0, tail, sizeof(tail));

	if (addr_is4(from)) {
		sum = csum_add(sum, from->b + 12, 4);
		return csum_add(sum, to->b + 12, 4);
	}
	sum = csum_add(sum, from->b, 16);
	return csum_add(sum, to->b, 16);
}
