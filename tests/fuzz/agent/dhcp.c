/* SPDX-License-Identifier: MIT */
/* dhcp.c - a hostile DHCP server */
#include "agent/dhcp.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* The transaction and the address that the seeds have. */
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	struct dhcp_lease lease;

	if (dhcp_parse(&lease, data, size, 0x01020304, mac) == 0 &&
	    (lease.prefix > 32 || lease.dns_count > DHCP_SERVERS_MAX ||
		strlen(lease.domain) >= sizeof(lease.domain)))
		abort();
	return 0;
}
