/* SPDX-License-Identifier: MIT */
/*
 * crc32c.h - the checksum of ext4's metadata
 *
 * As ext2fs_crc32c_le, by the processor's own instruction where it has one:
 * libext2fs has tables only, and 100,000 inodes are 25 MB.
 */
#ifndef VK_MKEXT_CRC32C_H
#define VK_MKEXT_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Goes on from seed; nothing is inverted, before or after. */
uint32_t crc32c(uint32_t seed, const void *data, size_t length);

#endif
