/* SPDX-License-Identifier: MIT */
/* announce.c - a hostile guest on the announcing connection */
#include "common/announce.h"
#include "tests/fuzz/common/feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct announce_event event;
	struct announce a;
	struct err e = ERR_INIT;
	int fd = feed(data, size);

	if (announce_init(&a) == 0)
		while (announce_next(&a, fd, &event, &e) == ANNOUNCE_EVENT)
			if (event.type == FRAME_EVENT &&
			    strlen(event.text) >= ANNOUNCE_TEXT_MAX)
				abort();
	announce_release(&a);
	close(fd);
	return 0;
}
