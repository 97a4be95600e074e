/* SPDX-License-Identifier: MIT */
/*
 * vsock.h - virtio socket device (virtio 1.2, 5.10), in user space
 *
 * The guest's AF_VSOCK streams are joined to unix sockets; the host needs no
 * kernel module, and any program that speaks unix sockets reaches the guest.
 * Four ways lead in and out:
 *
 *   run folder, "vsock"      a listening socket. A client writes
 *                            "CONNECT <port>\n", port being the guest's, and
 *                            reads "OK <port>\n", the port its connection has
 *                            on the host's side. From then on the socket is
 *                            the stream. Where the guest refuses, it is closed
 *                            without an answer.
 *   run folder, "vsock_P"    a connection of the guest to CID 2, port P, is a
 *                            connection to this unix socket, made by whoever
 *                            wants to be reached. Where there is none, or its
 *                            backlog is full, the guest is refused.
 *   vsock_ports              single ports that have a socket of their own,
 *                            wherever it is.
 *   vsock_dial, vsock_answer the first two within this process.
 *
 * shutdown(2) of one direction is passed on, both ways. Nothing is lost in an
 * orderly end: what the guest sent before it closed still reaches the host's
 * reader, at the reader's own pace, and the other way round.
 *
 * Limits, each with its reason where it is defined: VSOCK_CONNECTIONS_MAX in
 * all, half of which the guest may open; VSOCK_BUFFER bytes on their way to a
 * slow reader a connection, less where many are open. Each connection holds one
 * descriptor (two for one that was dialled): raise RLIMIT_NOFILE to its hard
 * limit at start. Where none is left, the guest is refused.
 *
 * The run folder is reached through /proc/self/fd/N, so that its path may be
 * longer than a socket's address; a confined process needs /proc for that.
 */
#ifndef VK_BOOT_VIRTIO_VSOCK_H
#define VK_BOOT_VIRTIO_VSOCK_H

#include "cmd/vk-boot/virtio/device.h"
#include "cmd/vk-boot/virtio/vsock_ports.h"

/* The host's CID, and the first that a guest can have (5.10.4). */
#define VSOCK_CID_HOST  2
#define VSOCK_CID_GUEST 3

/* Connections at once. Each costs about 200 bytes until it has to buffer; the
 * number is what a hard limit of 4096 descriptors has room for. */
#define VSOCK_CONNECTIONS_MAX 4000

struct vsock_config {
	uint64_t cid;    /* the guest's; 0: VSOCK_CID_GUEST */
	int run_folder;  /* directory, borrowed for the device's life; -1 */
	unsigned limit;  /* connections; 0: VSOCK_CONNECTIONS_MAX */
	uint32_t buffer; /* of a connection; 0: VSOCK_BUFFER */
	bool hyperkit;   /* names in the run folder: see vsock_host.h */
	const struct vsock_port_wish *ports;
	unsigned port_count;
};

/* NULL with err. Makes the socket "vsock", replacing one that is there (the
 * folder's lock says that its owner is gone). Free with virtio_device_free,
 * which removes it again. */
struct virtio_device *vsock_new(struct loop *, const struct gmem *,
    const struct vsock_config *, struct err *);

/*
 * Connects to the guest's port. Returns one end of a pair of stream sockets,
 * blocking and close-on-exec; what is written waits until the guest accepts.
 * Where the guest refuses, reads give end of file. -1 with errno: ENOTCONN
 * while no driver runs, ENOBUFS at the limit, EMFILE and the like. Any thread.
 */
int vsock_dial(struct virtio_device *, uint32_t port);

/*
 * The guest's connections to host port are handed to accepted, which owns fd
 * from then on (blocking, close-on-exec). It is called in the device's loop and
 * must be quick. Goes before vsock_P. A second call for a port replaces the
 * first, NULL ends it. 0, -1 where VSOCK_ANSWERS_MAX ports are taken. Any
 * thread.
 */
#define VSOCK_ANSWERS_MAX 16
int vsock_answer(struct virtio_device *, uint32_t port,
    void (*accepted)(void *owner, int fd), void *owner);

/* For status: open connections, and bytes since the start. Any thread. */
struct vsock_stats {
	unsigned connections;
	uint64_t to_guest, from_guest;
	uint64_t resets; /* connections and packets answered with RST */
};
void vsock_stats(struct virtio_device *, struct vsock_stats *);

#endif
