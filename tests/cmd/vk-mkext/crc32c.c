/* SPDX-License-Identifier: MIT */
/* crc32c.c - the checksum of ext4's metadata, as libext2fs has it */
#include "cmd/vk-mkext/crc32c.h"
#include "tests/tap.h"

#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>

int
main(void)
{
	uint8_t data[300];
	unsigned wrong = 0;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 167 + 13);
	for (size_t start = 0; start < 9; start++)
		for (size_t n = 0; start + n <= sizeof(data); n++)
			wrong +=
			    crc32c((uint32_t)n * 77, data + start, n) !=
			    ext2fs_crc32c_le((uint32_t)n * 77, data + start, n);
	is_int(wrong, 0, "of every length and at any place");
	/* RFC 3720, B.4, which inverts at both ends. */
	is_int((uint32_t)~crc32c(~0u, "123456789", 9), 0xe3069283, "known");
	return tap_done();
}
