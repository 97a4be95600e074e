/* SPDX-License-Identifier: MIT */
/*
 * warden.h - the process above User-mode Linux
 *
 *	vk-boot ---- warden (process 1 of a PID namespace) ---- linux.uml ...
 *							in its jail
 *
 * The warden is there for the end: when vk-boot goes, by whatever signal, the
 * warden is killed with it (parent-death signal), and with the namespace's
 * process 1 every process of the guest. It also tells how UML ended, and starts
 * it once more if asked to. Where an
 * ordinary user may have no namespaces the warden is there all the same, and
 * UML and its processes die by their own parent-death signals.
 *
 * It builds UML's jail (jail.h) and is in it itself, but for system calls and
 * /proc, which it asks for the time that UML used. It hears nothing of the
 * guest, has no capabilities and cannot be looked into.
 *
 * vk-boot speaks to it over a socket, for in its sandbox it can neither send a
 * signal nor read /proc: a byte is an order (enum warden_order), and the
 * socket's end is the order to end UML.
 */
#ifndef VK_BOOT_WARDEN_H
#define VK_BOOT_WARDEN_H

#include "cmd/vk-boot/jail.h"

#include <stdint.h>
#include <sys/types.h>

/* What is run; borrowed. */
struct warden_launch {
	struct jail *jail; /* not yet built */
	char *const *argv;
	int console; /* written by UML */
	int status;  /* written by the warden: UML's status, as of waitpid(2) */
};

struct warden {
	pid_t pid; /* 0: there is none */
	int line;  /* -1 */
};

enum warden_order {
	WARDEN_BEGIN = 'b', /* UML does not run */
	WARDEN_HOLD = 'h',  /* UML stops */
	WARDEN_GO_ON = 'g',
	WARDEN_TIME = 't', /* answered with 8 bytes: milliseconds */
};

/* What the following, but for the first, ask of the host (filter.h). */
extern const struct filter_call warden_calls[];

/* Makes the process, which waits for WARDEN_BEGIN; there are no threads yet.
 * 0, -1 with err. */
int warden_make(struct warden *, const struct warden_launch *, struct err *);

/* 0, -1 with err. */
int warden_order(struct warden *, enum warden_order, struct err *);

/* The processor time that UML and its processes have used. 0, -1. */
int warden_time(struct warden *, uint64_t *ms);

/* Ends it, and UML with it. May be called twice. */
void warden_end(struct warden *);

#endif
