/* SPDX-License-Identifier: MIT */
/* elf.c - fuzz target: a vmlinux, read and loaded */
#include "cmd/vk-boot/x86/elf.h"

#include "tests/fuzz/vk-boot/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kernel kernel = {.format = KERNEL_ELF,
	    .fd = input_file(data, size),
	    .size = size,
	    .cmdline_max = 2047};
	struct err e = ERR_INIT;

	if (elf_read(&kernel, &e) == 0) {
		kernel_find_version(&kernel);
		input_load(&kernel);
	}
	return 0;
}
