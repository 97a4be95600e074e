/* SPDX-License-Identifier: MIT */
/*
 * nic.h - a network interface as the user asks for it (vk-boot -n)
 *
 *	SOCKET|fd:N[,mac=MAC][,mtu=N][,address=A/P][,gateway=A]
 *
 * Without an address the guest asks for one by DHCP.
 */
#ifndef VK_BOOT_NIC_H
#define VK_BOOT_NIC_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

/* -n; each is a device on the bus. */
#define NICS_MAX 8

struct nic {
	char *text;       /* owns what the following point to */
	const char *path; /* NULL: fd */
	int fd;           /* connected; -1 once it was handed over */
	uint8_t mac[6];
	uint16_t mtu;                  /* 0: not said */
	const char *address, *gateway; /* NULL: not said */
};

/* Reads it; MAC addresses that are not given come from the VM's name and the
 * interface's number, so that they stay. 0, -1 with err (EX_USAGE). */
int nic_parse(struct nic *, const char *text, const char *vm_name,
    unsigned index, struct err *);
void nic_release(struct nic *);

/* Its lines for the agent (vk-agent(8)). */
void nic_config(const struct nic *, unsigned index, struct buf *config);

#endif
