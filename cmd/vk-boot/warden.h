/* SPDX-License-Identifier: MIT */
/*
 * warden.h - the process above a program that runs a guest
 *
 *	vk-boot ---- warden (process 1 of a PID namespace) ---- linux.uml ...
 *							in its jail
 *
 * The warden is there for the end: when vk-boot goes, by whatever signal, the
 * warden is killed with it (parent-death signal), and with the namespace's
 * process 1 every process of the guest. It also tells how the program ended,
 * and starts it once more if asked to. Where an ordinary user may have no
 * namespaces the warden is there all the same, and the program dies by its own
 * parent-death signal (UML's processes by theirs).
 *
 * It builds the jail (jail.h) and is in it itself, but for system calls and
 * /proc, which it asks for the time that was used. It hears nothing of the
 * guest, has no capabilities and cannot be looked into.
 *
 * vk-boot speaks to it over a socket, for in its sandbox it can neither send a
 * signal nor read /proc: a byte is an order (enum warden_order), and the
 * socket's end is the order to end it all.
 */
#ifndef VK_BOOT_WARDEN_H
#define VK_BOOT_WARDEN_H

#include "cmd/vk-boot/jail.h"

#include <stdint.h>
#include <sys/types.h>

/* The status of a program that could not be started. */
#define WARDEN_NOT_EXECUTED 127

/* What is run; borrowed. */
struct warden_launch {
	const char *name;  /* the engine's; for messages */
	struct jail *jail; /* not yet built */
	char *const *argv;
	int console; /* written by the program */
	int status;  /* by the warden: its status, as of waitpid(2) */
};

struct warden {
	pid_t pid; /* 0: there is none */
	int line;  /* -1 */
};

enum warden_order {
	WARDEN_BEGIN = 'b', /* it does not run */
	WARDEN_HOLD = 'h',  /* it stops */
	WARDEN_GO_ON = 'g',
	WARDEN_KILL = 'k', /* and its status is told */
	WARDEN_TIME = 't', /* answered with 8 bytes: milliseconds */
};

/* What the following, but for the first, ask of the host (filter.h). */
extern const struct filter_call warden_calls[];

/* Makes the process, which waits for WARDEN_BEGIN; there are no threads yet.
 * 0, -1 with err. */
int warden_make(struct warden *, const struct warden_launch *, struct err *);

/* 0, -1 with err. */
int warden_order(struct warden *, enum warden_order, struct err *);

/* The processor time that the program and its processes have used. 0, -1. */
int warden_time(struct warden *, uint64_t *ms);

/* Ends it, and the program with it. May be called twice. */
void warden_end(struct warden *);

#endif
