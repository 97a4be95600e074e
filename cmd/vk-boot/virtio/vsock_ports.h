/* SPDX-License-Identifier: MIT */
/*
 * vsock_ports.h - ports of the vsock device with a unix socket of their own
 *
 *	connect	the guest's connections to the host's port P are connections
 *		to a socket that somebody else listens on
 *	listen	connections to a socket that is made here are connections to
 *		the guest's port P; nothing is said beforehand
 */
#ifndef VK_BOOT_VIRTIO_VSOCK_PORTS_H
#define VK_BOOT_VIRTIO_VSOCK_PORTS_H

#include "cmd/vk-boot/loop.h"
#include "cmd/vk-boot/unix_place.h"

#include "common/confine.h"

#include <stdint.h>

/* As many as somebody names by hand. */
#define VSOCK_PORTS_MAX 32

struct vsock_port_wish {
	uint32_t port;
	char *path; /* NULL: listens in the run folder */
	bool listens;
};

/* Reads "P", "P=unix:PATH" or "P=unix:PATH,listen". 0, -1 with err. */
int vsock_port_parse(struct vsock_port_wish *, const char *text, struct err *);

struct vsock_ports;

struct vsock_port {
	struct vsock_ports *all;
	uint32_t number;
	struct unix_place place;
	struct loop_source listener; /* fd -1: it is connected to */
};

struct vsock_ports {
	struct loop *loop;
	struct vsock_port list[VSOCK_PORTS_MAX];
	unsigned count;
	bool starved; /* a client waits for a free descriptor */
	/* A client wants the guest's port; owns fd (non-blocking). */
	void (*asked)(void *owner, int fd, uint32_t port);
	void *owner;
};

/* The caller has set loop, asked and owner; path is the wish's, or the one that
 * stands for it. 0, -1 with err. */
int vsock_ports_add(struct vsock_ports *, const struct vsock_port_wish *,
    const char *path, struct err *);

/* Removes the sockets. May be called twice, and on zeros. */
void vsock_ports_release(struct vsock_ports *);

/* The sandbox is about to close. 0, -1 with err. */
int vsock_ports_keep(
    const struct vsock_ports *, struct confine *, struct err *);

/* Accepts whom there was no descriptor for: call when one was closed. */
void vsock_ports_retry(struct vsock_ports *);

/* Whether the host's port has a socket; and a connection to that, -1. */
bool vsock_ports_has(const struct vsock_ports *, uint32_t port);
int vsock_ports_connect(const struct vsock_ports *, uint32_t port);

#endif
