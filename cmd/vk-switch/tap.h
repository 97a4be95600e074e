/* SPDX-License-Identifier: MIT */
/*
 * tap.h - a tap of the kernel as a port: a network namespace in place of a VM
 *
 * A tap gives and takes one frame a call. Here frames get the length before
 * them that those of a socket have (port.h), so that nothing else sees a
 * difference. A tap that was made with IFF_VNET_HDR has a virtio-net header
 * before each frame, and exchanges large ones: nothing is negotiated, since
 * the kernel takes and cuts all there are.
 *
 * Nothing waits for a tap: what its queue has no room for is lost, as the
 * kernel has it.
 */
#ifndef VK_SWITCH_TAP_H
#define VK_SWITCH_TAP_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum tap_kind {
	TAP_NONE, /* a socket, or whatever it is */
	TAP_PLAIN,
	TAP_HEADERS, /* and every offload */
};

/* What a descriptor is; a tap is made ready for tap_read(). -1 with err: it
 * is a tap that cannot be used. */
int tap_prepare(int fd, struct err *);

/* As many frames as there are and whole ones fit, each behind its length.
 * Returns the bytes, -1 with errno (EAGAIN: there is none now). */
ssize_t tap_read(int fd, uint8_t *into, size_t size);

/* Writes such frames, whole ones. Returns len, -1: the tap is gone. */
ssize_t tap_write(int fd, const uint8_t *from, size_t len);

#endif
