/* SPDX-License-Identifier: MIT */
/* image.c - fuzz target: the superblock of an image */
#include "cmd/vk-boot/image.h"

#include "tests/fuzz/vk-boot/load.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = input_file(data, size);
	struct image image;
	struct err e = ERR_INIT;

	if (image_identify(fd, &image, &e) == 0 &&
	    (image.size > size || image.block_size < 512 ||
		strchr(image.label, '\033')))
		abort();
	return 0;
}
