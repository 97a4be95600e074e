/* SPDX-License-Identifier: MIT */
/*
 * vmm_stream.h - a stream that the program (vmm.h) opens to us: its console,
 * or the line on which it takes orders
 *
 * A unix socket that the jail names. Whoever connects first has it until it is
 * gone; a program that is started anew connects again. Of what is sent the
 * program takes its time to read: up to VMM_STREAM_SEND bytes are kept for it.
 */
#ifndef VK_BOOT_VMM_STREAM_H
#define VK_BOOT_VMM_STREAM_H

#include "cmd/vk-boot/jail.h"
#include "cmd/vk-boot/loop.h"

#define VMM_STREAM_SEND 4096

struct vmm_stream {
	struct loop *loop;
	struct loop_source listener, peer;
	int given; /* the jail binds it; closed by vmm_stream_release */
	/* In the loop: it has connected; it has said something. */
	void (*arrived)(void *owner);
	void (*said)(void *owner, const char *text, size_t len);
	/* In the loop: all that was to be sent is sent. May be NULL. */
	void (*sent)(void *owner);
	void *owner;
	char rest[VMM_STREAM_SEND]; /* not yet sent */
	size_t rest_len;
};

/* What it asks of the host. */
extern const struct filter_call vmm_stream_calls[];

/* With loop, arrived, said, sent and owner filled in, before the loop runs. 0,
 * -1 with err. */
int vmm_stream_open(struct vmm_stream *, struct err *);

/* In the loop: reads what is there, until nothing is. */
void vmm_stream_drain(struct vmm_stream *);

/* In the loop: true if it takes that much; else nothing is sent. */
bool vmm_stream_send(struct vmm_stream *, const void *text, size_t len);

/* After the loop has ended. May be called twice, and on zeros. */
void vmm_stream_release(struct vmm_stream *);

#endif
