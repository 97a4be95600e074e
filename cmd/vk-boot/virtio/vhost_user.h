/* SPDX-License-Identifier: MIT */
/*
 * vhost_user.h - a virtio device behind another program's CPUs: the back end
 * of the vhost-user protocol (QEMU, docs/interop/vhost-user.rst)
 *
 * The front end (User-mode Linux, QEMU, any VMM) connects to a unix socket,
 * hands over its guest's memory as descriptors and each queue's rings and
 * eventfds, and asks for configuration. The same device that sits on our PCI
 * bus does the work.
 *
 * What is understood: feature negotiation, CONFIG, REPLY_ACK, MQ and
 * BACKEND_REQ (configuration changes are told), rings enabled one by one.
 *
 * Not offered, and a breach to ask for: LOG_SHMFD, of which a front end learns
 * that its guest cannot be moved while it runs; INFLIGHT, by which a back end
 * that takes the place of one that crashed would know the requests that were
 * under way. So a guest does not outlive its device: who connects anew, to the
 * same back end or to another, starts the device anew, and its guest with it.
 * A back end that is told to end does so with nothing under way.
 *
 * The front end is hostile, too: every message is bounded and checked, memory
 * regions against the files behind them, ring addresses against the regions. A
 * breach ends that connection, is said once, and the socket waits for the
 * next. A file that is cut while it is mapped can still end us with SIGBUS: a
 * front end that cannot be trusted with that belongs to somebody else's back
 * end process.
 */
#ifndef VK_BOOT_VIRTIO_VHOST_USER_H
#define VK_BOOT_VIRTIO_VHOST_USER_H

#include "cmd/vk-boot/virtio/device.h"

struct vhost_user;

struct vhost_user_config {
	struct virtio_device *device; /* borrowed; made over mem */
	struct gmem *mem; /* borrowed, empty: filled by the front end */
	int listener;     /* taken over */
	/* In the device's loop: the front end is gone, and what it has shown
	 * of the memory is about to go. May be NULL. */
	void (*leaving)(void *owner);
	void *owner;
};

/* Before the device's loop runs. NULL with err. */
struct vhost_user *vhost_user_new(
    const struct vhost_user_config *, struct err *);

/* The front end is gone, if there is one, and another may come. In the
 * device's loop. */
void vhost_user_disconnect(struct vhost_user *);

/* After the device's loop has ended. NULL is fine. */
void vhost_user_free(struct vhost_user *);

#endif
