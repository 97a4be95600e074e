/* SPDX-License-Identifier: MIT */
/* names.c - what the LAN itself knows: VMs, --host entries, services */
#include "cmd/vk-switch/names.h"

#include "cmd/vk-switch/lan.h"

#include <stdio.h>
#include <strings.h>

/* A VM may be gone in a moment. */
#define LOCAL_TTL_S 5
#define ANSWERS_MAX 16

int
name_add_host(struct lan *lan, const char *text, struct err *e)
{
	const char *equals = strchr(text, '=');
	struct host_name *h = &lan->hosts[lan->host_count];
	size_t len = equals ? (size_t)(equals - text) : 0;
	struct dns_name checked;

	if (lan->host_count == HOSTS_MAX)
		return err_set(e, EX_CONFIG, "more than %d hosts", HOSTS_MAX);
	if (len == 0 || len >= sizeof(h->name) ||
	    addr_parse(equals + 1, &h->addr) < 0)
		return err_set(e, EX_USAGE, "%s: not NAME=ADDR", text);
	memcpy(h->name, text, len);
	h->name[len] = '\0';
	if (dns_name_of(h->name, &checked) < 0)
		return err_set(e, EX_USAGE, "%s: not a name", h->name);
	lan->host_count++;
	return 0;
}

bool
name_is_host(const struct lan *lan, const char *name)
{
	for (uint32_t i = 0; i < lan->host_count; i++)
		if (strcasecmp(lan->hosts[i].name, name) == 0)
			return true;
	return strcasecmp(name, "gateway") == 0 || service_has_name(lan, name);
}

bool
name_addr_of_vm(
    const struct lan *lan, const char *name, bool four, struct addr *a)
{
	const struct station *s = station_by_name(lan, name);
	const struct addr *have = s ? station_addr(lan, s, four) : NULL;
	const struct lease *l = four ? lease_of_name(lan, name) : NULL;

	if (!have && l && l->state != LEASE_DECLINED)
		have = &l->addr;
	if (!have)
		return false;
	*a = *have;
	return true;
}

/* Takes ".DOMAIN" off; false where the name is not of the LAN. */
static bool
local_part(const struct lan *lan, const char *text, char *into, size_t size)
{
	size_t len = strlen(text), domain = strlen(lan->config.domain);
	const char *tail = len > domain ? text + len - domain : NULL;

	if (tail && tail[-1] == '.' &&
	    strcasecmp(tail, lan->config.domain) == 0)
		len -= domain + 1;
	else if (strchr(text, '.'))
		return false;
	/* Longer than any that is known: one that nobody has. */
	if (len >= size) {
		text = "?";
		len = 1;
	}
	memcpy(into, text, len);
	into[len] = '\0';
	return true;
}

/* All addresses of both families that a name has. */
static size_t
addresses_of(const struct lan *lan, const char *name, struct addr *addrs)
{
	size_t count = 0;

	for (uint32_t i = 0; i < lan->host_count && count < ANSWERS_MAX; i++)
		if (strcasecmp(lan->hosts[i].name, name) == 0)
			addrs[count++] = lan->hosts[i].addr;
	if (count)
		return count;
	if (strcasecmp(name, "gateway") == 0 || service_has_name(lan, name)) {
		addrs[0] = lan->config.gateway4;
		addrs[1] = lan->config.gateway6;
		return 2;
	}
	count += name_addr_of_vm(lan, name, true, &addrs[count]);
	count += name_addr_of_vm(lan, name, false, &addrs[count]);
	return count;
}

static size_t
answer_addresses(struct lan *lan, const struct dns_query *q, const char *name,
    bool local, uint8_t *into, size_t size)
{
	struct addr all[ANSWERS_MAX + 2], wanted[ANSWERS_MAX + 2];
	size_t count = addresses_of(lan, name, all);
	struct dns_answer a = {.addrs = wanted, .ttl_s = LOCAL_TTL_S};

	if (count == 0) {
		if (!local)
			return 0;
		a.code = DNS_NXDOMAIN;
		/* The domain itself and the root exist. */
		if (!*name || strcasecmp(name, lan->config.domain) == 0)
			a.code = DNS_NOERROR;
	}
	for (size_t i = 0; i < count; i++)
		if (q->type == DNS_ANY ||
		    q->type == (addr_is4(&all[i]) ? DNS_A : DNS_AAAA))
			wanted[a.addr_count++] = all[i];
	return dns_put_answer(into, size, q, &a);
}

/* Of our own networks only; others are the world's. */
static size_t
answer_pointer(struct lan *lan, const struct dns_query *q,
    const struct addr *addr, uint8_t *into, size_t size)
{
	struct dns_answer a = {.ttl_s = LOCAL_TTL_S};
	const struct station *s = station_by_addr(lan, addr);
	const struct lease *l = lease_of_addr(lan, addr);
	const char *name = NULL;
	char full[DNS_NAME_MAX + 1];

	for (uint32_t i = 0; i < lan->host_count && !name; i++)
		if (addr_equal(&lan->hosts[i].addr, addr))
			name = lan->hosts[i].name;
	if (!name && !cidr_contains(&lan->config.net4, addr) &&
	    !cidr_contains(&lan->config.net6, addr))
		return 0;
	if (addr_equal(addr, &lan->config.gateway4) ||
	    addr_equal(addr, &lan->config.gateway6))
		name = "gateway";
	else if (!name && s && s->name[0])
		name = s->name;
	else if (!name && l && l->name[0])
		name = l->name;
	if (!name) {
		a.code = DNS_NXDOMAIN;
		return dns_put_answer(into, size, q, &a);
	}
	snprintf(full, sizeof(full), "%s%s%s", name,
	    strchr(name, '.') ? "" : ".",
	    strchr(name, '.') ? "" : lan->config.domain);
	a.pointer = full;
	return dns_put_answer(into, size, q, &a);
}

size_t
name_answer(
    struct lan *lan, const struct dns_query *q, uint8_t *into, size_t size)
{
	char name[64];
	struct addr addr;

	if (q->type == DNS_PTR && dns_reverse_addr(q->name.text, &addr) == 0)
		return answer_pointer(lan, q, &addr, into, size);
	if (local_part(lan, q->name.text, name, sizeof(name)))
		return answer_addresses(lan, q, name, true, into, size);
	if (strlen(q->name.text) >= sizeof(name))
		return 0;
	return answer_addresses(lan, q, q->name.text, false, into, size);
}

void
name_learn(struct lan *lan, const struct port *port, const struct dns_query *q)
{
	for (uint32_t i = 0; i < lan->host_count; i++)
		if (strcasecmp(lan->hosts[i].name, q->name.text) == 0)
			learned_add(lan, port, &lan->hosts[i].addr,
			    q->name.text, LOCAL_TTL_S);
}
