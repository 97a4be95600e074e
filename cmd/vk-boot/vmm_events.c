/* SPDX-License-Identifier: MIT */
/* vmm_events.c - what a program tells of its guest */
#include "cmd/vk-boot/vmm_events.h"

#include <string.h>

static void
take_objects(struct vmm_events *events)
{
	json_error_t where;
	json_t *object;
	size_t len;

	while ((object = json_loadb(events->text, events->have,
		    JSON_DISABLE_EOF_CHECK, &where))) {
		events->take(events->owner, object);
		json_decref(object);
		len = (size_t)where.position;
		events->have -= len;
		memmove(events->text, events->text + len, events->have);
	}
}

void
vmm_events_hear(struct vmm_events *events, const char *text, size_t len)
{
	while (len > 0) {
		size_t room = sizeof(events->text) - events->have;
		size_t n = len < room ? len : room;

		memcpy(events->text + events->have, text, n);
		events->have += n;
		text += n;
		len -= n;
		take_objects(events);
		if (events->have == sizeof(events->text))
			vmm_events_forget(events);
	}
}

void
vmm_events_forget(struct vmm_events *events)
{
	events->have = 0;
}
