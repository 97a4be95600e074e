/* SPDX-License-Identifier: MIT */
/* connection.h - lines of JSON to a control socket and back */
#ifndef VK_CONTROL_CONNECTION_H
#define VK_CONTROL_CONNECTION_H

#include "common/buf.h"
#include "common/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The longest answer: vk-boot's and vk-switch's are at most 256 KiB. */
#define CONNECTION_LINE_MAX (1u << 20)

struct connection {
	const char *name; /* for messages; borrowed */
	int fd, lock;     /* lock: held by the VM while it lives; or -1 */
	bool ended;       /* by the other end */
	struct buf in;
};

/* To a VM by its name, or to the socket at path unless that is NULL. 0, -1
 * with err (EX_NOINPUT: no such VM runs). */
int connection_open(
    struct connection *, const char *name, const char *path, struct err *);
void connection_close(struct connection *);

/* Sends requests (an array), in one piece: no later than the first is done,
 * the others are known; with the first, a descriptor, unless it is -1. 0, -1
 * with err. */
int connection_say(
    struct connection *, const json_t *requests, int fd, struct err *);

/* The next line, waited for at most that long (-1: for ever). 1 with the
 * object, which is the caller's; 0 at the end; -1 with err. */
int connection_hear(
    struct connection *, int timeout_ms, json_t **line, struct err *);

/* Waits until the other end has closed and, of a VM, its name is free. 0, -1
 * with err. */
int connection_outlive(struct connection *, struct err *);

#endif
