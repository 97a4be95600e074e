/* SPDX-License-Identifier: MIT */
/*
 * qmp.h - QEMU's own line of orders and events (QMP): JSON, an object a line
 *
 * QEMU greets, and says nothing of what happens until it was told that we know
 * its capabilities. We give few orders and do not look at the answers; of the
 * events the one that counts is SHUTDOWN, which says why QEMU ends.
 *
 * Of what QEMU says otherwise see vmm_events.h.
 */
#ifndef VK_BOOT_QMP_H
#define VK_BOOT_QMP_H

#include "cmd/vk-boot/vmm_events.h"
#include "cmd/vk-boot/vmm_stream.h"

enum qmp_reason {
	QMP_NONE, /* nothing was said */
	QMP_GUEST_SHUTDOWN,
	QMP_GUEST_RESET,
	QMP_GUEST_PANIC,
	QMP_OTHER, /* a signal, or what is not known */
};

struct qmp {
	struct vmm_stream stream;
	struct vmm_events events;
	enum qmp_reason reason;
};

/* In a loop that does not run yet. 0, -1 with err. */
int qmp_open(struct qmp *, struct loop *, struct err *);

/* In the loop: QEMU has exited; why. Forgotten then, for the next one. */
enum qmp_reason qmp_ended(struct qmp *);

/* In the loop: an order without arguments. */
void qmp_execute(struct qmp *, const char *command);

void qmp_release(struct qmp *); /* as vmm_stream_release */

#endif
