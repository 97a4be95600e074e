/* SPDX-License-Identifier: MIT */
/*
 * vhost_message.h - a message of the vhost-user protocol
 *
 * A header of 12 bytes (request, flags, size, in the host's own byte order), a
 * payload, and up to eight descriptors beside it. One at a time is read, whole,
 * from a blocking socket: front ends write them in one go, and one that does
 * not holds up only its own device, for VHOST_PATIENCE_S.
 */
#ifndef VK_BOOT_VIRTIO_VHOST_MESSAGE_H
#define VK_BOOT_VIRTIO_VHOST_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#define VHOST_HEADER_SIZE 12
/* The largest is a table of 8 regions, or a configuration space. */
#define VHOST_PAYLOAD_MAX 4096
#define VHOST_FDS_MAX     8
#define VHOST_PATIENCE_S  5

/* Flags of the header: version 1, "this is a reply", "I want a reply". */
#define VHOST_VERSION      1
#define VHOST_VERSION_MASK 3
#define VHOST_REPLY        4
#define VHOST_NEED_REPLY   8

struct vhost_message {
	uint32_t request, flags, size;
	uint8_t payload[VHOST_PAYLOAD_MAX];
	int fds[VHOST_FDS_MAX]; /* owned; who takes one makes it -1 */
	unsigned fd_count;
};

/* Waits no longer than that, in either direction. */
void vhost_message_patience(int socket);

/* Takes the next one; its descriptors are the caller's to close. 0, -1: the
 * front end is gone, or what it sent is no message. */
int vhost_message_receive(int socket, struct vhost_message *);
void vhost_message_close(struct vhost_message *);

/* Takes the only descriptor out of it; -1: there is not one. */
int vhost_message_take_fd(struct vhost_message *);

/* Sends len bytes as a message with these flags. 0, -1: it did not go. */
int vhost_message_send(int socket, uint32_t request, uint32_t flags,
    const void *payload, uint32_t len);

/* The payload as a number; 0 where it is shorter. */
uint64_t vhost_message_u64(const struct vhost_message *);

#endif
