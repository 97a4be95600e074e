/* SPDX-License-Identifier: MIT */
/*
 * sandbox.h - what vk-boot gives up before the guest's first instruction
 *
 *	sandbox_begin	before anything is opened: a user namespace, which
 *			gives an ordinary user the right to the rest
 *	sandbox_close	everything is open and no thread is made: an empty
 *			root, no capabilities, no other file, no cores, and
 *			the filters are made of what the VM consists of
 *	gate.h		each thread is bound by its filter (filter.h) before
 *			any of them goes on
 *
 * What remains of the file system: the run folder (status.json, vsock_PORT,
 * connected to and replaced there), and the folders of the sockets that -n
 * names (connected to again when they come back). Files and devices are the
 * descriptors that are open. Whoever adds something to a VM that is reached
 * later keeps its folder (virtio_device_ops.keep), or takes a descriptor from
 * whoever asks, over a socket.
 *
 * What remains of the system calls: each module's list beside its code, joined
 * for each thread. vCPUs' threads have at most 25, others at most 40.
 *
 * The sweeper (sweep.h) is outside: it holds the run folder, and hears nothing
 * of the guest. A build with sanitizers keeps its root and has no filters.
 */
#ifndef VK_BOOT_SANDBOX_H
#define VK_BOOT_SANDBOX_H

#include "common/err.h"
#include "common/filter.h"

struct vm;

/* Nothing is open, and no thread is there. */
void sandbox_begin(struct vm *);

/* Compiles a thread's filter and tells it with -v. 0, -1 with err. */
int sandbox_filter(struct filter *, struct err *);

/* After vm_build. 0, -1 with err. */
int sandbox_close(struct vm *, struct err *);

#endif
