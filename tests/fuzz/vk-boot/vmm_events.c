/* SPDX-License-Identifier: MIT */
/* vmm_events.c - fuzz target: what QEMU and Cloud Hypervisor tell, in two
 * pieces, of which the first byte says where the first ends */
#include "cmd/vk-boot/vmm_events.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
take(void *owner, json_t *object)
{
	(void)owner;
	if (!json_is_object(object) && !json_is_array(object))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vmm_events events = {.take = take};
	size_t first;

	if (size == 0)
		return 0;
	first = data[0] < size - 1 ? data[0] : size - 1;
	events.have = 0;
	vmm_events_hear(&events, (const char *)data + 1, first);
	vmm_events_hear(
	    &events, (const char *)data + 1 + first, size - 1 - first);
	if (events.have >= sizeof(events.text))
		abort();
	return 0;
}
