/* SPDX-License-Identifier: MIT */
/* crc32c.c - the checksum of ext4's metadata */
#include "cmd/vk-mkext/crc32c.h"

#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>
#include <string.h>

#ifdef __x86_64__
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t
by_instruction(uint32_t seed, const uint8_t *at, size_t length)
{
	uint64_t sum = seed, word;

	for (; length >= sizeof(word); length -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		sum = _mm_crc32_u64(sum, word);
		at += sizeof(word);
	}
	for (; length > 0; length--)
		sum = _mm_crc32_u8((uint32_t)sum, *at++);
	return (uint32_t)sum;
}

uint32_t
crc32c(uint32_t seed, const void *data, size_t length)
{
	return __builtin_cpu_supports("sse4.2")
		   ? by_instruction(seed, data, length)
		   : ext2fs_crc32c_le(seed, data, length);
}
#else
uint32_t
crc32c(uint32_t seed, const void *data, size_t length)
{
	return ext2fs_crc32c_le(seed, data, length);
}
#endif
