/* SPDX-License-Identifier: MIT */
/* DHCP: a message of a client. */
#include "cmd/vk-switch/dhcp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dhcp_message m;

	if (dhcp_parse(data, size, &m) == 0 && strlen(m.name) > 63)
		abort();
	return 0;
}
