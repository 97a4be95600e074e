/* SPDX-License-Identifier: MIT */
/* bzimage.c - fuzz target: a bzImage, read and loaded as it is */
#include "cmd/vk-boot/x86/bzimage.h"

#include "tests/fuzz/vk-boot/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kernel kernel = {.fd = input_file(data, size), .size = size};
	struct bzimage_payload payload;
	struct err e = ERR_INIT;

	if (bzimage_read(&kernel, &payload, &e) == 0) {
		if (payload.len > 0 && (payload.offset > size ||
					   payload.len > size - payload.offset))
			abort();
		input_load(&kernel);
	}
	return 0;
}
