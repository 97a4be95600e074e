/* SPDX-License-Identifier: MIT */
/* frame.c - frames, greetings and items, as either side gets them */
#include "common/frame.h"
#include "tests/fuzz/common/feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame_reader r;
	struct frame f;
	struct err e = ERR_INIT;
	struct item_view item;
	struct cursor c;
	int fd = feed(data, size);

	if (frame_reader_init(&r, FRAME_OPEN_MAX) < 0)
		return 0;
	while (frame_fill(&r, fd) > 0)
		while (frame_next(&r, &f, &e) > 0) {
			frame_check_hello(&f, &c, "x", &e);
			c = cursor_of(f.data, f.len);
			while (item_next(&c, &item) > 0)
				item_string(&item);
		}
	frame_reader_release(&r);
	close(fd);
	return 0;
}
