/* SPDX-License-Identifier: MIT */
/*
 * control.h - the socket by which a VM is watched and steered: vk-control(5)
 *
 * "control" in the run folder takes a JSON object a line and answers each with
 * one, in order. Those who asked for events get them in between. It lives in
 * the main loop; what a request does is its user's (guest_orders.c).
 *
 * Clients are the VM's owner's own programs, and yet nothing that they do may
 * cost the VM much or end it: CONTROL_CLIENTS_MAX of them, requests of
 * ORDER_LINE_MAX bytes, CONTROL_OUT_MAX bytes of what they do not read; one
 * that passes that is closed. A descriptor may come with a request; what is not
 * wanted is closed.
 */
#ifndef VK_BOOT_CONTROL_H
#define VK_BOOT_CONTROL_H

#include "cmd/vk-boot/loop.h"
#include "cmd/vk-boot/order.h"

#include <jansson.h>

/* Programs that watch, and a few that ask. One too many is closed at once. */
#define CONTROL_CLIENTS_MAX 32
/* An answer, and some hundred events. */
#define CONTROL_OUT_MAX (256u << 10)
/* Events that one who asks late is told of; later ones are told to those who
 * listen. A boot has five. */
#define CONTROL_PAST_MAX 64

struct control;
struct control_client;

struct control_ops {
	/* Does what is asked, and puts what is to be said into answer. 0; -1
	 * with err; 1: the answer comes later (control_hold). */
	int (*perform)(void *owner, struct control_client *,
	    const struct order *, json_t *answer, struct err *);
	/* A client that perform has given away (control_give): it was
	 * answered; fd is owned, and these bytes came behind its request. */
	void (*given)(void *owner, int fd, const void *more, size_t len);
};

/* What serving it asks of the host, beside what a loop does (filter.h). */
extern const struct filter_call control_calls[];

/* Makes the socket in that folder (borrowed); clients wait until it is
 * served. NULL with err. */
struct control *control_new(struct loop *, int folder, struct err *);
void control_free(struct control *); /* NULL is fine */

void control_serve(struct control *, const struct control_ops *, void *owner);

/* Tells an event (borrowed) to those who listen. NULL: nobody does. */
void control_event(struct control *, json_t *event);

/* For perform: the client hears of events from now on; past ones are put into
 * the answer. */
void control_listen(struct control_client *, json_t *answer);
/* Its connection is a stream of another kind behind the answer. */
void control_give(struct control_client *);
/* Its answer comes later: that of control_answer by the number returned, or
 * that of control_release_held. */
unsigned control_hold(struct control_client *);
/* It is not held after all. -1, as perform's caller wants it. */
int control_unhold(struct control_client *);
/* The descriptor that came with the request, the caller's from now on; -1:
 * none. */
int control_take_fd(struct control_client *);

/* The answer to one who was held, if it is still there: done, or err. */
void control_answer(struct control *, unsigned number, const struct err *);

/* The answer to all who were held. */
void control_release_held(struct control *, json_t *answer);

#endif
