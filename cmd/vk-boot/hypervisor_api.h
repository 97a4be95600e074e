/* SPDX-License-Identifier: MIT */
/*
 * hypervisor_api.h - orders to Cloud Hypervisor by its API: HTTP over a unix
 * socket
 *
 * The socket listens in the run folder, as "api", before there is a program
 * that accepts; that has it as a descriptor (--api-socket fd=N, since version
 * 15), and so has the next one after a reset. In the sandbox the folder is what
 * it can be connected to by, and others of this user reach it there, too
 * (ch-remote --api-socket). A VM without a name has no folder, and nobody who
 * could ask it for anything.
 *
 * An order is a PUT without a body, on a connection of its own. Of the answer
 * only the status counts, to tell what failed; nothing waits for it. The
 * program may be in the hands of its guest: more than ANSWER_MAX bytes are
 * never read from it.
 */
#ifndef VK_BOOT_HYPERVISOR_API_H
#define VK_BOOT_HYPERVISOR_API_H

#include "cmd/vk-boot/loop.h"
#include "cmd/vk-boot/unix_place.h"

#define HYPERVISOR_API_ANSWER_MAX 16

struct hypervisor_api {
	struct loop *loop;
	struct unix_place place; /* its folder is borrowed */
	int listener;            /* for the program; -1: there is none */
	struct loop_source peer; /* the order that was given last */
	const char *action;
	char answer[HYPERVISOR_API_ANSWER_MAX];
	size_t have;
};

/* Of an HTTP/1 answer's begin: its status (100 to 599), 0: not enough to tell,
 * -1: it is none. */
int http_status(const char *text, size_t len);

/* In a loop that does not run yet. run_folder (-1: there is none) is borrowed
 * for the loop's life. 0, -1 with err. */
int hypervisor_api_open(
    struct hypervisor_api *, struct loop *, int run_folder, struct err *);

/* In the loop: gives an order (a constant string), say "vm.power-button". What
 * goes wrong is told as a warning. */
void hypervisor_api_put(struct hypervisor_api *, const char *action);

/* After the loop has ended. May be called twice, and on zeros. */
void hypervisor_api_release(struct hypervisor_api *);

#endif
