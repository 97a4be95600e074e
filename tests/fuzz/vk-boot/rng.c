/* SPDX-License-Identifier: MIT */
/* rng.c - fuzz target: the entropy device, with a hostile driver */
#include "cmd/vk-boot/virtio/rng.h"

#include "tests/fuzz/vk-boot/device.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = {.special = NULL};
	struct err e = ERR_INIT;

	driver_init(&f.d);
	driver_use(&f.d, rng_new(f.d.loop, &f.d.mem, &e));
	fuzz_run(&f, data, size);
	driver_release(&f.d);
	return 0;
}
