/* SPDX-License-Identifier: MIT */
/* balloon.c - fuzz target: the balloon, with a hostile driver */
#include "cmd/vk-boot/virtio/balloon.h"

#include "tests/fuzz/vk-boot/device.h"

static void
ask(struct fuzz *f)
{
	struct balloon_stats stats;

	balloon_stats(f->d.dev, &stats);
	balloon_target(f->d.dev, get_le64(&f->in));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = {.special = ask};
	struct err e = ERR_INIT;

	driver_init(&f.d);
	driver_use(&f.d, balloon_new(f.d.loop, &f.d.mem, &e));
	fuzz_run(&f, data, size);
	driver_release(&f.d);
	return 0;
}
