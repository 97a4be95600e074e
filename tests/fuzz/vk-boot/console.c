/* SPDX-License-Identifier: MIT */
/* console.c - fuzz target: console and its ring, with a hostile driver */
#include "cmd/vk-boot/virtio/console.h"

#include "cmd/vk-boot/ring.h"
#include "tests/fuzz/vk-boot/device.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static int input[2];

static void
output(void *owner, const void *text, size_t len)
{
	ring_add(owner, text, len);
}

/* Somebody types, leaves, or makes the window another size. */
static void
type(struct fuzz *f)
{
	uint8_t what = get_u8(&f->in), len = get_u8(&f->in);

	if (what < 200 && input[1] >= 0) {
		if (len > f->in.left)
			len = (uint8_t)f->in.left;
		if (len > 0 && write(input[1], get_bytes(&f->in, len), len) < 0)
			return;
	} else if (what < 220) {
		console_resize(f->d.dev, what, len);
	} else {
		close(input[1]);
		input[1] = -1;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = {.special = type};
	struct err e = ERR_INIT;
	struct ring *ring = ring_new(memfd_create("ring", MFD_CLOEXEC), &e);
	struct console_config config = {
	    .output = output, .owner = ring, .columns = 80, .rows = 25};
	char last[512];

	if (!ring || pipe2(input, O_CLOEXEC | O_NONBLOCK) < 0)
		abort();
	config.input = input[0];
	driver_init(&f.d);
	driver_use(&f.d, console_new(f.d.loop, &f.d.mem, &config, &e));
	fuzz_run(&f, data, size);
	driver_release(&f.d);
	for (size_t i = ring_last(ring, 5, last, sizeof(last)); i-- > 0;)
		if ((unsigned char)last[i] < ' ' && last[i] != '\n' &&
		    last[i] != '\t')
			abort();
	ring_free(ring);
	close(input[0]);
	if (input[1] >= 0)
		close(input[1]);
	return 0;
}
