/* SPDX-License-Identifier: MIT */
/* vm.h - the VM that is meant, and sessions with it */
#ifndef VK_EXEC_VM_H
#define VK_EXEC_VM_H

#include "common/err.h"
#include "common/session.h"

#include <stdint.h>

struct vm {
	const char *name; /* for messages */
	char path[108];   /* of its vsock socket */
};

/* By name, or by the socket's path where that is not NULL. 0, -1 with err. */
int vm_find(struct vm *, const char *name, const char *socket, struct err *);

/* Its socket is there. 0, -1 with err: EX_NOINPUT "no such VM runs". */
int vm_expect(const struct vm *, struct err *);

/* What stands in front of a line that its agent says. */
#define VM_LINES_MAX 128
void vm_lines(const struct vm *, char front[VM_LINES_MAX]);

/* A session over a connection of its own, as session_run() does it. */
int vm_session(const struct vm *, struct session_request *,
    struct session_result *, struct err *);

/* Whether the agent answers, within that time. 0, -1. */
int vm_ping(const struct vm *, int64_t limit_ms, struct err *);

/* Waits until the agent answers, at most that long (0: a minute). 0, -1. */
int vm_wait(const struct vm *, uint64_t timeout_ms, struct err *);

#endif
