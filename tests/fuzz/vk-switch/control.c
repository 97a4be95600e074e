/* SPDX-License-Identifier: MIT */
/*
 * The control socket: an input is what a client sends, in pieces (the first
 * byte says of which size). A port is there to be told about. Nothing is
 * published: every place for that is taken.
 */
#include "tests/cmd/vk-switch/wire.h"

#include <stdio.h>
#include <sys/un.h>

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct sockaddr_un at = {.sun_family = AF_UNIX};

static void
begin(void)
{
	char folder[] = "/tmp/vk-fuzz.XXXXXX";
	struct err e = ERR_INIT;

	wire_lan();
	wire_port();
	for (uint32_t i = 0; i < PUBLISHED_MAX; i++)
		lan.publisher.entries[i] =
		    (struct published){.used = true, .fd = -1, .folder = -1};
	if (!mkdtemp(folder))
		exit(1);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/control", folder);
	if (control_open(&lan, at.sun_path, &e) < 0)
		exit(1);
}

static void
answers(int fd)
{
	static char buffer[65536];

	for (int i = 0; i < 8; i++) {
		lan_turn(&lan, 0);
		while (recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) > 0)
			;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool made;
	struct cursor c = cursor_of(data, size);
	size_t piece = get_u8(&c) + 1u;
	int fd;

	if (!made)
		begin();
	made = true;
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		exit(1);
	while (c.left > 0) {
		size_t len = c.left < piece ? c.left : piece;

		if (send(fd, get_bytes(&c, len), len,
			MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			break;
		answers(fd);
	}
	close(fd);
	lan_turn(&lan, 0);
	lan_turn(&lan, 0);
	return 0;
}
