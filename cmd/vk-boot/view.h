/* SPDX-License-Identifier: MIT */
/*
 * view.h - who watches the guest's console, and types into it
 *
 * The ring (ring.h) is the one buffer: each view has its place in it and gets
 * what lies behind that as fast as it reads. So a view that is opened late has
 * what was said before, one that reads slowly loses the oldest, and neither
 * costs memory or holds up the guest. What is typed in any view goes to the
 * guest; where it reads slowly, the typist waits.
 *
 * A view is a pair of descriptors, by whatever they are: a terminal, a client's
 * socket, a pseudo-terminal. All of it runs in the main loop.
 */
#ifndef VK_BOOT_VIEW_H
#define VK_BOOT_VIEW_H

#include "cmd/vk-boot/loop.h"
#include "cmd/vk-boot/ring.h"

#include "common/confine.h"
#include "common/filter.h"

/* One too many is closed. */
#define VIEWS_MAX 16

struct views;

/* What they ask of the host in the main thread, beside what a loop does
 * (filter.h). */
extern const struct filter_call views_calls[];

/* The sandbox is about to close: keeps the folder of the socket. 0, -1 with
 * err. */
int views_keep(struct views *, struct confine *, struct err *);

struct view_config {
	int in, out;     /* owned, non-blocking; may be one; in -1: none */
	bool from_start; /* with what was said so far */
	bool escape;     /* what is typed is filtered (escape.h) */
	bool stays;      /* an end of its input is not its end */
	/* The user asked to leave, or the view has ended. May be NULL. */
	void (*left)(void *owner);
	void *owner;
};

/* Both are borrowed. NULL with err. */
struct views *views_new(struct loop *, struct ring *, struct err *);
/* Shows the rest to those who read. NULL is fine. */
void views_free(struct views *);

/* What the guest's console is to read from; borrowed. */
int views_input(const struct views *);

/* Opens one, with some bytes that were typed already. 0, -1 with err: both
 * descriptors are closed then. */
int views_open(struct views *, const struct view_config *, const void *typed,
    size_t len, struct err *);

/* Makes the unix socket at path, 0600, a view for each who connects. */
int views_listen(struct views *, const char *path, struct err *);

/* Makes a pseudo-terminal that is a view; name holds 64. */
int views_terminal(struct views *, char *name, struct err *);

#endif
