/* SPDX-License-Identifier: MIT */
/*
 * local_socket.h - a unix socket that others find by its path
 *
 * What a program that was killed has left behind is replaced: a socket at which
 * nobody listens. One at which somebody does, and a file that is no socket, are
 * not touched.
 */
#ifndef VK_COMMON_LOCAL_SOCKET_H
#define VK_COMMON_LOCAL_SOCKET_H

#include "common/err.h"

/* Listens there (mode 0600, not blocking, close-on-exec). folder: of the path,
 * O_PATH, so that the name can be removed later; -1 where it failed. Returns
 * the socket, -1 with err. */
int local_socket_listen(
    const char *path, int backlog, int *folder, struct err *);

/* Removes the name from that folder; -1: there is none. */
void local_socket_remove(int folder, const char *path);

#endif
