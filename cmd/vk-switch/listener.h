/* SPDX-License-Identifier: MIT */
/*
 * listener.h - the sockets that VMs connect to
 *
 * PATH[,name=NAME][,mac=MAC][,ip=ADDR][,rate=BYTES][,policy=FILE][,isolate]
 *
 * With a name the socket belongs to one VM: a second connection is refused
 * while the first is there. A socket left behind by a switch that was killed
 * is replaced; one that answers is not.
 */
#ifndef VK_SWITCH_LISTENER_H
#define VK_SWITCH_LISTENER_H

#include "cmd/vk-switch/addr.h"
#include "common/err.h"

#include <stdbool.h>
#include <sys/un.h>

#define LISTENERS_MAX 128

struct listener {
	int fd;         /* -1: an inherited connection */
	int folder;     /* O_PATH of its folder, to remove it */
	char path[108]; /* of sun_path */
	char name[64];  /* empty: any number of VMs */
	bool has_mac, has_addr, isolate;
	struct mac mac;
	struct addr addr;
	uint64_t rate;   /* bytes a second, each way; 0: no limit */
	uint32_t policy; /* of its own; 0: none */
	char policy_path[256];
};

struct lan;

/* Adds one; nothing is opened. */
int listener_add(struct lan *, const char *text, struct err *);
/* Binds and listens on all of them. */
int listeners_open(struct lan *, struct err *);
/* Closes, and removes the sockets. */
void listeners_release(struct lan *);

#endif
