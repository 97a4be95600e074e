/* SPDX-License-Identifier: MIT */
/*
 * publish.h - ports of the host that lead to a VM
 *
 *	[ADDR:]PORT[-PORT]:[VM:]PORT[/tcp|/udp]
 *	unix:PATH:[VM:]PORT
 *
 * ADDR is 127.0.0.1 unless given; without VM there must be one VM only when a
 * connection comes. The VM sees the client's own address, and the gateway's
 * for clients on the host itself. A client is connected to the VM, or reset:
 * the host's kernel has accepted it by then.
 *
 * A UDP client gets a flow with a socket of its own, bound to the same port
 * (SO_REUSEPORT) and connected to it, so the kernel sorts the datagrams.
 */
#ifndef VK_SWITCH_PUBLISH_H
#define VK_SWITCH_PUBLISH_H

#include "cmd/vk-switch/addr.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

#define PUBLISHED_MAX 1024

struct published {
	bool used;
	int fd;     /* -1: not open yet */
	int folder; /* of a unix socket */
	uint8_t proto;
	bool is_unix;
	uint32_t generation;
	char path[108];
	struct addr addr;
	uint16_t port;
	char vm[64]; /* empty: the only one */
	uint16_t vm_port;
};

struct published_range {
	struct published first;
	uint16_t count;
};

struct publisher {
	bool running; /* new ones are opened at once */
	struct published entries[PUBLISHED_MAX];
};

struct lan;

/* The text form; nothing is opened. Returns 0, -1. */
int publish_parse(const char *text, struct published_range *, struct err *);

void publish_init(struct lan *);
/* Adds one or a range; opens them where the switch runs already. */
int publish_add(struct lan *, const char *text, struct err *);
/* Removes what publish_add() took by the same words. */
int publish_remove(struct lan *, const char *text, struct err *);
int publish_open_all(struct lan *, struct err *);
void publish_release(struct lan *);

#endif
