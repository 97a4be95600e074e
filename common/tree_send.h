/* SPDX-License-Identifier: MIT */
/*
 * tree_send.h - files and directories of this system into a stream
 *
 * What cannot be read is told by failed() and left out, and the rest goes on:
 * the count says so at the end. Only a stream that cannot be written ends it.
 */
#ifndef VK_COMMON_TREE_SEND_H
#define VK_COMMON_TREE_SEND_H

#include "common/err.h"
#include "common/tree.h"

#include <stdbool.h>

struct tree_links;

struct tree_sender {
	struct tree_writer writer;
	bool recursive;
	void (*failed)(const struct err *); /* one thing was left out */
	unsigned failures;
	struct tree_links *links; /* files seen that have several names */
};

/* Returns 0, -1 when memory ran out. */
int tree_sender_init(struct tree_sender *, int fd);
void tree_sender_release(struct tree_sender *);

/* Sends what is at path under the name `as` (tree_name() if NULL). A
 * symbolic link given by name is followed unless recursive. 0, -1 with err. */
int tree_send(
    struct tree_sender *, const char *path, const char *as, struct err *);

/* END. 0, -1 with err. */
int tree_send_end(struct tree_sender *, struct err *);

#endif
