/* SPDX-License-Identifier: MIT */
/*
 * forward.h - -L, -R and -W: connections through the VM's agent
 *
 * Each connection is a process of its own with a session of its own, so that
 * none holds up another; they end with this one.
 */
#ifndef VK_EXEC_FORWARD_H
#define VK_EXEC_FORWARD_H

#include "cmd/vk-exec/options.h"
#include "cmd/vk-exec/vm.h"
#include "common/err.h"

/* "[BIND:]PORT:TARGET" or "SOCKET:TARGET", as of ssh(1). */
struct forward {
	char listen[256]; /* "address:port" or a path */
	char target[256]; /* "host:port", "port" or a path */
};
int forward_parse(struct forward *, const char *text, struct err *);

/* All of -L and -R, until a signal. An exit status, -1 with err. */
int forward_run(const struct vm *, const struct options *, struct err *);

/* -W: stdin and stdout are the connection. The same. */
int forward_join_stdio(const struct vm *, const struct options *, struct err *);

#endif
