/* SPDX-License-Identifier: MIT */
/* session.c - a hostile guest in a session; the first byte picks the kind */
#include "common/session.h"
#include "tests/fuzz/common/feed.h"

#include <fcntl.h>
#include <signal.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum open_kind kinds[] = {
	    OPEN_EXEC, OPEN_LISTEN, OPEN_CONNECT, OPEN_ATTACH};
	static int null = -1;
	char *argv[] = {NULL};
	struct session_request r = SESSION_REQUEST_INIT;
	struct session_result result;
	struct err e = ERR_INIT;
	int fd;

	if (null < 0) {
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		signal(SIGPIPE, SIG_IGN);
	}
	if (size < 1)
		return 0;
	fd = feed_socket(data + 1, size - 1);
	r.kind = kinds[data[0] % 4];
	r.flags = data[0] & 4 ? OPEN_DETACH : OPEN_STDIN;
	r.port = data[0] & 16 ? EXEC_PORT : 0;
	r.argv = argv;
	r.out = data[0] & 8 ? -1 : null;
	r.err = null;
	session_run(fd, &r, &result, &e);
	close(fd);
	return 0;
}
