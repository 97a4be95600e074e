/* SPDX-License-Identifier: MIT */
/*
 * vsock_host.h - the unix sockets of the vsock device in a VM's run folder
 *
 * Listens on "vsock", hears out who connects ("CONNECT <port>\n", nothing read
 * beyond it) and hands the descriptor on; connects to "vsock_<port>", or where
 * it is asked to do as HyperKit does, "00000002.<port, of 8 hexadecimal
 * digits>".
 */
#ifndef VK_BOOT_VIRTIO_VSOCK_HOST_H
#define VK_BOOT_VIRTIO_VSOCK_HOST_H

#include "cmd/vk-boot/loop.h"

#include <stdint.h>
#include <sys/queue.h>

struct vsock_greeting;

struct vsock_host {
	struct loop *loop;
	int run_folder; /* borrowed; -1: no sockets */
	bool hyperkit;  /* names are as those of HyperKit */
	struct loop_source listener;
	TAILQ_HEAD(, vsock_greeting) greetings; /* oldest first */
	unsigned count;
	bool starved; /* a client waits for a free descriptor */
	/* A client asked for port; owns fd (non-blocking). */
	void (*asked)(void *owner, int fd, uint32_t port);
	void *owner;
};

/* Before, the caller has set loop, run_folder, asked and owner. 0, -1 with
 * err. */
int vsock_host_init(struct vsock_host *, struct err *);

/* Closes and removes the sockets. May be called twice, and on zeros. */
void vsock_host_release(struct vsock_host *);

/* Accepts whom there was no descriptor for: call when one was closed. */
void vsock_host_retry(struct vsock_host *);

/* A connection to vsock_<port>, non-blocking; -1 with errno. Never waits. */
int vsock_host_connect(const struct vsock_host *, uint32_t port);

#endif
