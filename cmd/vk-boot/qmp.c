/* SPDX-License-Identifier: MIT */
/* qmp.c - QEMU's own line of orders and events */
#include "cmd/vk-boot/qmp.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	enum qmp_reason reason;
} reasons[] = {
    {"guest-shutdown", QMP_GUEST_SHUTDOWN},
    {"guest-reset", QMP_GUEST_RESET},
    {"guest-panic", QMP_GUEST_PANIC},
};

static enum qmp_reason
reason_of(const char *name)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (strcmp(reasons[i].name, name) == 0)
			return reasons[i].reason;
	return QMP_OTHER;
}

static void
take_event(void *owner, json_t *object)
{
	struct qmp *qmp = owner;
	const char *event, *reason;

	if (json_unpack(object, "{s:s,s:{s:s}}", "event", &event, "data",
		"reason", &reason) == 0 &&
	    strcmp(event, "SHUTDOWN") == 0)
		qmp->reason = reason_of(reason);
}

static void
said(void *owner, const char *text, size_t len)
{
	struct qmp *qmp = owner;

	vmm_events_hear(&qmp->events, text, len);
}

static void
arrived(void *owner)
{
	struct qmp *qmp = owner;

	vmm_events_forget(&qmp->events);
	qmp_execute(qmp, "qmp_capabilities");
}

int
qmp_open(struct qmp *qmp, struct loop *loop, struct err *e)
{
	*qmp = (struct qmp){
	    .stream =
		{
		    .loop = loop,
		    .arrived = arrived,
		    .said = said,
		    .owner = qmp,
		},
	    .events = {.take = take_event, .owner = qmp},
	};
	return vmm_stream_open(&qmp->stream, e);
}

enum qmp_reason
qmp_ended(struct qmp *qmp)
{
	enum qmp_reason reason;

	vmm_stream_drain(&qmp->stream);
	reason = qmp->reason;
	qmp->reason = QMP_NONE;
	return reason;
}

void
qmp_execute(struct qmp *qmp, const char *command)
{
	char order[64];
	int len =
	    snprintf(order, sizeof(order), "{\"execute\":\"%s\"}\n", command);

	vmm_stream_send(&qmp->stream, order, (size_t)len);
}

void
qmp_release(struct qmp *qmp)
{
	vmm_stream_release(&qmp->stream);
}
