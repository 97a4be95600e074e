/* SPDX-License-Identifier: MIT */
/* nic.c - a network interface as the user asks for it */
#include "cmd/vk-boot/nic.h"

#include "cmd/vk-boot/virtio/net.h"

#include "common/scope.h"
#include "common/size.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* One that is administered locally, and the same every time. */
static void
mac_of(const char *name, unsigned index, uint8_t mac[6])
{
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 0x100000001b3;
	hash = (hash ^ index) * 0x100000001b3;
	hash ^= hash >> 32;
	for (unsigned i = 0; i < 6; i++)
		mac[i] = (uint8_t)(hash >> 8 * i);
	mac[0] = (mac[0] & 0xfc) | 2; /* local, one station */
}

static int
parse_mac(uint8_t mac[6], const char *text, struct err *e)
{
	unsigned bytes[6];
	int end = 0;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &bytes[0], &bytes[1],
		&bytes[2], &bytes[3], &bytes[4], &bytes[5], &end) != 6 ||
	    text[end])
		return err_set(e, EX_USAGE, "mac=%s: not a MAC address", text);
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)bytes[i];
	if (mac[0] & 1)
		return err_set(
		    e, EX_USAGE, "mac=%s: a multicast address", text);
	return 0;
}

/* An IPv4 or IPv6 address, with /prefix if prefixed. */
static bool
is_address(const char *text, bool prefixed)
{
	uint8_t binary[16];
	char copy[64];
	char *slash;
	uint64_t prefix;
	bool wide = strchr(text, ':') != NULL;

	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return false;
	slash = strchr(copy, '/');
	if ((slash != NULL) != prefixed)
		return false;
	if (slash) {
		*slash++ = '\0';
		if (number_parse(slash, wide ? 128 : 32, &prefix) < 0)
			return false;
	}
	return inet_pton(wide ? AF_INET6 : AF_INET, copy, binary) == 1;
}

static int
parse_member(struct nic *nic, char *member, struct err *e)
{
	char *value = strchr(member, '=');
	uint64_t number;

	if (!value)
		return err_set(e, EX_USAGE,
		    "%s: not mac=, mtu=, address= or "
		    "gateway=",
		    member);
	*value++ = '\0';
	if (strcmp(member, "mac") == 0)
		return parse_mac(nic->mac, value, e);
	if (strcmp(member, "mtu") == 0) {
		if (number_parse(value, NET_MTU_MAX, &number) < 0 ||
		    number < NET_MTU_MIN)
			return err_set(e, EX_USAGE, "mtu=%s: not %d to %d",
			    value, NET_MTU_MIN, NET_MTU_MAX);
		nic->mtu = (uint16_t)number;
		return 0;
	}
	if (strcmp(member, "address") == 0 && is_address(value, true)) {
		nic->address = value;
		return 0;
	}
	if (strcmp(member, "gateway") == 0 && is_address(value, false)) {
		nic->gateway = value;
		return 0;
	}
	return err_set(e, EX_USAGE,
	    "%s=%s: not mac=, mtu=, address=A/PREFIX or gateway=A", member,
	    value);
}

static int
parse_where(struct nic *nic, const char *where, struct err *e)
{
	uint64_t number;

	if (strncmp(where, "fd:", 3) != 0) {
		nic->path = where;
		return *where ? 0 : err_set(e, EX_USAGE, "no socket named");
	}
	if (number_parse(where + 3, 65535, &number) < 0 ||
	    fcntl((int)number, F_SETFD, FD_CLOEXEC) < 0)
		return err_set(
		    e, EX_USAGE, "%s: not an open descriptor", where);
	nic->fd = (int)number;
	return 0;
}

int
nic_parse(struct nic *nic, const char *text, const char *vm_name,
    unsigned index, struct err *e)
{
	char *at, *member;

	*nic = (struct nic){.fd = -1, .text = strdup(text)};
	if (!nic->text)
		return err_errno(e, EX_OSERR, "%s", text);
	mac_of(vm_name, index, nic->mac);
	at = nic->text;
	member = strsep(&at, ",");
	if (parse_where(nic, member, e) < 0)
		return -1;
	while ((member = strsep(&at, ",")) != NULL)
		if (parse_member(nic, member, e) < 0)
			return -1;
	if (nic->gateway && !nic->address)
		return err_set(e, EX_USAGE, "gateway= goes with address=");
	return 0;
}

void
nic_release(struct nic *nic)
{
	fd_close(&nic->fd);
	free(nic->text);
	nic->text = NULL;
}

void
nic_config(const struct nic *nic, unsigned index, struct buf *config)
{
	char mac[18];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", nic->mac[0],
	    nic->mac[1], nic->mac[2], nic->mac[3], nic->mac[4], nic->mac[5]);
	buf_printf(config, "net %s name eth%u\n", mac, index);
	buf_printf(config, "net %s up\n", mac);
	if (!nic->address) {
		buf_printf(config, "net %s dhcp\n", mac);
		return;
	}
	buf_printf(config, "net %s address %s\n", mac, nic->address);
	if (nic->gateway)
		buf_printf(config, "net %s gateway %s\n", mac, nic->gateway);
}
