/* SPDX-License-Identifier: MIT */
/*
 * confine.h - what the switch gives up before it meets a VM
 *
 * In two stages, in main's order:
 *
 *	confine_check    refuses to be root (outside a user namespace)
 *	confine          everything is open: namespaces and an empty root,
 *	                 Landlock, no new privileges, no core dumps, and a
 *	                 filter of at most 30 system calls, without which the
 *	                 process dies
 *
 * Each stage that the host does not offer (user namespaces, Landlock) is left
 * out and logged with -v; the filter is not optional. Unix sockets that
 * services name are bound into the new root, their folders and nothing else.
 */
#ifndef VK_SWITCH_CONFINE_H
#define VK_SWITCH_CONFINE_H

#include "common/err.h"

#include <stdbool.h>

struct lan;

int confine_check(struct err *);
int confine(struct lan *, struct err *);

/* The process ends with its parent. */
int confine_die_with_parent(struct err *);

#endif
