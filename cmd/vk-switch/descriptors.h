/* SPDX-License-Identifier: MIT */
/*
 * descriptors.h - how many files may be open, and what happens when they are
 *
 * Each flow has a descriptor of its own, and so has each VM, DNS query,
 * published port and more. At start the limit of the process is raised as far
 * as it goes, and the flow table made no larger than what that leaves.
 *
 * What this did not foresee ends at the limit all the same: ports published at
 * run time, descriptors inherited, a host whose own table is full. Then the VM
 * with the most flows gives one, as where the table is full; and where there is
 * none to give, what was asked for is refused. A connection that waits to be
 * accepted is taken and closed: one that stays would wake the loop for ever.
 */
#ifndef VK_SWITCH_DESCRIPTORS_H
#define VK_SWITCH_DESCRIPTORS_H

#include "common/err.h"

#include <sys/socket.h>

struct lan;
struct port;

/* Raises the limit; lessens the number of flows. When all that the options
 * want opened is known. */
int descriptors_init(struct lan *, struct err *);
void descriptors_release(struct lan *);

/* socket(2) and accept4(2), not blocking, for that VM (NULL: for nobody). -1
 * with errno. */
int descriptor_socket(
    struct lan *, const struct port *, int family, int type, int protocol);
int descriptor_accept(struct lan *, const struct port *, int listener,
    struct sockaddr_storage *from);

#endif
