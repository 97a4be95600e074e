/* SPDX-License-Identifier: MIT */
/*
 * copy.h - "vk-exec cp": files into a VM, out of it, and between two
 *
 * One side is this process's session, the other a child that walks the file
 * system here, speaks tar, or is the session with the other VM; a pipe of
 * tree records joins them.
 */
#ifndef VK_EXEC_COPY_H
#define VK_EXEC_COPY_H

#include "cmd/vk-exec/options.h"
#include "common/err.h"

#include <stdbool.h>

/* "VM:PATH", "-", or a path here. */
struct place {
	bool is_stream;
	const char *path;
	char vm[64]; /* empty: here, or the one of --socket */
	bool is_remote;
};
void place_parse(struct place *, const char *text, bool by_socket);

/* Operands, ending with NULL. An exit status, -1 with err. */
int copy_run(const struct options *, char **operands, struct err *);

#endif
