/* SPDX-License-Identifier: MIT */
/*
 * serve.h - one device as a process of its own, for another program's guest
 *
 *	vk-boot --serve DEVICE --socket PATH
 *
 *	blk:FILE[,...]		a disk, as -d has it, of as many queues as -c
 *	net:SOCKET[,...]	a network interface, as -n has it
 *	vsock:DIR[,cid=N]	the guest's AF_VSOCK, joined to sockets in DIR
 *	rng			random numbers
 *
 * Whoever runs the guest (QEMU, any VMM) connects to PATH and speaks
 * vhost-user (virtio/vhost_user.h). Front ends come one after the other; each
 * finds the device as new. SIGTERM is the end.
 */
#ifndef VK_BOOT_SERVE_H
#define VK_BOOT_SERVE_H

#include "cmd/vk-boot/options.h"

/* Until the end. 0, -1 with err. */
int serve(const struct options *, struct err *);

#endif
