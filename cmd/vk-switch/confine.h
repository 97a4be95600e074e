/* SPDX-License-Identifier: MIT */
/*
 * confine.h - what the switch gives up before it meets a VM
 *
 * In two stages, in main's order:
 *
 *	confine_check    refuses to be root (outside a user namespace)
 *	confine          everything is open by now: namespaces and an empty
 *	                 root, no capabilities, Landlock, no core dumps, and a
 *	                 filter of at most 30 system calls, outside of which
 *	                 the process dies
 *
 * What the host does not offer (user namespaces, Landlock) is left out and
 * told with -v; the filter is not optional. Of the file system there remain
 * the folders of the unix sockets that services name (common/confine.h).
 *
 * Neither mmap nor brk is among the calls: nothing is allocated from here on.
 */
#ifndef VK_SWITCH_CONFINE_H
#define VK_SWITCH_CONFINE_H

#include "common/err.h"

#include <stdbool.h>

struct lan;

int confine_check(struct err *);

/* die_with_parent: SIGTERM when the parent ends. */
int confine(struct lan *, bool die_with_parent, struct err *);

#endif
