/* SPDX-License-Identifier: MIT */
/* The file of leases, and what a VM is offered after it was read. */
#include "cmd/vk-switch/lease.h"

#include "tests/cmd/vk-switch/wire.h"

#include <fcntl.h>

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[] = "/tmp/vk-fuzz.XXXXXX";
	static int fd = -1;
	struct station s = {.used = true, .mac = vm_mac, .name = "web"};
	struct err e = ERR_INIT;
	struct addr a;

	if (fd < 0) {
		wire_lan();
		fd = mkstemp(path);
	}
	if (ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) < 0)
		exit(1);
	memset(lan.leases.leases, 0, sizeof(lan.leases.leases));
	if (leases_open(&lan, path, &e) < 0)
		abort();
	if (lease_choose(&lan, &s, NULL, &a)) {
		if (!cidr_contains(&lan.config.net4, &a) ||
		    addr_equal(&a, &lan.config.gateway4))
			abort();
		lease_bind(&lan, &s, &a, LEASE_BOUND, LEASE_TIME_S);
		if (!lease_may_use(&lan, &vm_mac, &a))
			abort();
		lease_release(&lan, &vm_mac);
	}
	leases_release(&lan);
	return 0;
}
