/* SPDX-License-Identifier: MIT */
/* lease.c - who was given which IPv4 address */
#include "cmd/vk-switch/lease.h"

#include "cmd/vk-switch/lan.h"
#include "common/io.h"
#include "common/scope.h"
#include "common/size.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

/* Bounds a search for a free address in a large network. */
#define ADDRESSES_TRIED 4096

static bool
live(const struct lease *l)
{
	return l->state == LEASE_RESERVED ||
	       (l->state != LEASE_FREE && l->until > time(NULL));
}

/* ---- the file ----------------------------------------------------------- */

static void
lease_save(const struct lan *lan, const struct lease *l)
{
	char line[LEASE_LINE + 1], mac[MAC_TEXT_MAX], addr[ADDR_TEXT_MAX];
	int n = 0;

	if (lan->leases.fd < 0 || l->state == LEASE_RESERVED)
		return;
	if (l->state == LEASE_BOUND)
		n = snprintf(line, sizeof(line), "%s %s %lld %s",
		    mac_text(&l->mac, mac), addr_text(&l->addr, addr),
		    (long long)l->until, l->name);
	if (n < 0 || n >= LEASE_LINE)
		return;
	memset(line + n, ' ', (size_t)(LEASE_LINE - n));
	line[LEASE_LINE - 1] = '\n';
	io_pwrite(lan->leases.fd, line, LEASE_LINE,
	    (uint64_t)(l - lan->leases.leases) * LEASE_LINE);
}

static void
lease_load(const struct lan *lan, struct lease *l, const char *line)
{
	char mac[MAC_TEXT_MAX], addr[ADDR_TEXT_MAX], name[STATION_NAME_MAX];
	long long until;
	int n;

	name[0] = '\0';
	n = sscanf(line, "%17s %47s %lld %63s", mac, addr, &until, name);
	if (n < 3 || mac_parse(mac, &l->mac) < 0 ||
	    addr_parse(addr, &l->addr) < 0 ||
	    !cidr_contains(&lan->config.net4, &l->addr) ||
	    addr_equal(&l->addr, &lan->config.gateway4))
		return;
	l->state = LEASE_BOUND;
	l->has_mac = true;
	l->until = until;
	snprintf(l->name, sizeof(l->name), "%s", name);
}

int
leases_open(struct lan *lan, const char *path, struct err *e)
{
	cleanup_fd int fd =
	    open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, 0, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, EX_CONFIG, "%s: not a regular file", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_errno(e, EX_TEMPFAIL, "%s: in use", path);
	for (uint32_t i = 0; i < LEASES_MAX; i++) {
		char line[LEASE_LINE + 1];
		ssize_t n =
		    io_pread(fd, line, LEASE_LINE, (uint64_t)i * LEASE_LINE);

		if (n < LEASE_LINE)
			break;
		line[LEASE_LINE] = '\0';
		if (lan->leases.leases[i].state == LEASE_FREE)
			lease_load(lan, &lan->leases.leases[i], line);
	}
	lan->leases.fd = steal_fd(&fd);
	return 0;
}

void
leases_release(struct lan *lan)
{
	fd_close(&lan->leases.fd);
}

/* ---- looking ------------------------------------------------------------ */

const struct lease *
lease_of_addr(const struct lan *lan, const struct addr *a)
{
	for (uint32_t i = 0; i < LEASES_MAX; i++) {
		const struct lease *l = &lan->leases.leases[i];

		if (live(l) && addr_equal(&l->addr, a))
			return l;
	}
	return NULL;
}

const struct lease *
lease_of_name(const struct lan *lan, const char *name)
{
	for (uint32_t i = 0; i < LEASES_MAX; i++) {
		const struct lease *l = &lan->leases.leases[i];

		if (live(l) && l->name[0] && strcasecmp(l->name, name) == 0)
			return l;
	}
	return NULL;
}

/* The place of this MAC, live or not; reservations are kept apart. */
static struct lease *
lease_of_mac(struct lan *lan, const struct mac *mac)
{
	for (uint32_t i = 0; i < LEASES_MAX; i++) {
		struct lease *l = &lan->leases.leases[i];

		if ((l->state == LEASE_OFFERED || l->state == LEASE_BOUND) &&
		    mac_equal(&l->mac, mac))
			return l;
	}
	return NULL;
}

static const struct lease *
reservation_for(const struct lan *lan, const struct station *s)
{
	for (uint32_t i = 0; i < LEASES_MAX; i++) {
		const struct lease *l = &lan->leases.leases[i];

		if (l->state != LEASE_RESERVED)
			continue;
		if (l->has_mac
			? mac_equal(&l->mac, &s->mac)
			: s->name[0] && strcasecmp(l->name, s->name) == 0)
			return l;
	}
	return NULL;
}

bool
lease_may_use(
    const struct lan *lan, const struct mac *mac, const struct addr *a)
{
	const struct lease *l;
	const struct station *s;

	if (!addr_is4(a))
		return true;
	l = lease_of_addr(lan, a);
	if (!l)
		return true;
	if (l->state == LEASE_DECLINED)
		return true; /* whoever made it be declined has it */
	if (l->has_mac)
		return mac_equal(&l->mac, mac);
	s = station_by_mac(lan, mac);
	return s && strcasecmp(s->name, l->name) == 0;
}

void
lease_name_of(struct lan *lan, const struct mac *mac, struct station *s)
{
	const struct lease *l = lease_of_mac(lan, mac);

	if (l && l->name[0])
		station_set_name(lan, s, l->name);
}

/* ---- choosing ----------------------------------------------------------- */

static bool
is_free(struct lan *lan, const struct station *s, const struct addr *a)
{
	const struct station *user = station_by_addr(lan, a);
	const struct lease *l = lease_of_addr(lan, a);
	uint32_t n = cidr_index(&lan->config.net4, a);
	uint32_t size = (uint32_t)1 << (128 - lan->config.net4.bits);

	if (!cidr_contains(&lan->config.net4, a) || n == 0 || n >= size - 1 ||
	    addr_equal(a, &lan->config.gateway4))
		return false;
	if (user && user != s)
		return false;
	return !l || (l->state != LEASE_DECLINED && l->has_mac &&
			 mac_equal(&l->mac, &s->mac));
}

/* A VM made anew: the lease of its name, if the old one is not here. */
static const struct lease *
inherited(struct lan *lan, const struct station *s)
{
	const struct lease *l;

	if (!s->name[0])
		return NULL;
	l = lease_of_name(lan, s->name);
	if (!l || l->state != LEASE_BOUND || station_by_mac(lan, &l->mac))
		return NULL;
	return l;
}

static uint32_t
hash_of(const struct mac *m)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (int i = 0; i < 6; i++)
		h = (h ^ m->b[i]) * 16777619u;
	return h;
}

bool
lease_choose(struct lan *lan, const struct station *s, const struct addr *wish,
    struct addr *a)
{
	const struct lease *l = reservation_for(lan, s);
	uint32_t size = (uint32_t)1 << (128 - lan->config.net4.bits);
	uint32_t start = hash_of(&s->mac);

	if (l) {
		*a = l->addr;
		return true;
	}
	l = lease_of_mac(lan, &s->mac);
	if (l && is_free(lan, s, &l->addr)) {
		*a = l->addr;
		return true;
	}
	l = inherited(lan, s);
	if (l) {
		*a = l->addr;
		return true;
	}
	if (wish && is_free(lan, s, wish)) {
		*a = *wish;
		return true;
	}
	for (uint32_t i = 0; i < size && i < ADDRESSES_TRIED; i++) {
		*a = cidr_at(&lan->config.net4, (start + i) % size);
		if (is_free(lan, s, a))
			return true;
	}
	return false;
}

/* A place that holds nothing of worth. */
static struct lease *
lease_place(struct lan *lan)
{
	struct lease *oldest = NULL;

	for (uint32_t i = 0; i < LEASES_MAX; i++) {
		struct lease *l = &lan->leases.leases[i];

		if (l->state == LEASE_FREE)
			return l;
		if (l->state != LEASE_RESERVED &&
		    (!oldest || l->until < oldest->until))
			oldest = l;
	}
	return oldest && !live(oldest) ? oldest : NULL;
}

void
lease_bind(struct lan *lan, const struct station *s, const struct addr *a,
    enum lease_state state, int64_t seconds)
{
	const struct lease *old = lease_of_addr(lan, a);
	struct lease *l = lease_of_mac(lan, &s->mac);

	if (old && old->state == LEASE_RESERVED)
		return; /* stands for ever as it is */
	if (old && old->state == LEASE_BOUND && old != l) {
		/* Inherited: that place goes on, its own is given up. */
		if (l) {
			l->state = LEASE_FREE;
			lease_save(lan, l);
		}
		l = (struct lease *)old;
	}
	if (!l)
		l = lease_place(lan);
	if (!l)
		return;
	*l = (struct lease){.state = (uint8_t)state,
	    .has_mac = true,
	    .mac = s->mac,
	    .addr = *a,
	    .until = time(NULL) + seconds};
	snprintf(l->name, sizeof(l->name), "%s", s->name);
	lease_save(lan, l);
}

void
lease_release(struct lan *lan, const struct mac *mac)
{
	struct lease *l = lease_of_mac(lan, mac);

	/* Kept as a wish: the place is only past its time. */
	if (l) {
		l->until = time(NULL);
		lease_save(lan, l);
	}
}

/* Gives up the oldest that a VM declined, where it has declined so many. */
static void
forgive(struct lan *lan, const struct mac *mac)
{
	struct lease *oldest = NULL;
	unsigned count = 0;

	for (uint32_t i = 0; i < LEASES_MAX; i++) {
		struct lease *l = &lan->leases.leases[i];

		if (l->state != LEASE_DECLINED || !live(l) ||
		    !mac_equal(&l->mac, mac))
			continue;
		count++;
		if (!oldest || l->until < oldest->until)
			oldest = l;
	}
	if (count >= DECLINED_MAX)
		oldest->until = 0;
}

void
lease_decline(struct lan *lan, const struct mac *mac, const struct addr *a)
{
	struct lease *l = lease_of_mac(lan, mac);

	if (!l || !addr_equal(&l->addr, a))
		return;
	forgive(lan, mac);
	l->state = LEASE_DECLINED;
	l->until = time(NULL) + DECLINED_TIME_S;
	lease_save(lan, l);
}

int
lease_reserve(struct lan *lan, const char *text, struct err *e)
{
	const char *equals = strchr(text, '=');
	struct lease *l = lease_place(lan);
	struct lease new = {.state = LEASE_RESERVED};
	char who[STATION_NAME_MAX];
	size_t len = equals ? (size_t)(equals - text) : 0;

	if (!l)
		return err_set(e, EX_CONFIG, "more than %d leases", LEASES_MAX);
	if (len == 0 || len >= sizeof(who) ||
	    addr_parse(equals + 1, &new.addr) < 0)
		return err_set(
		    e, EX_USAGE, "%s: neither MAC=ADDR nor NAME=ADDR", text);
	memcpy(who, text, len);
	who[len] = '\0';
	if (!cidr_contains(&lan->config.net4, &new.addr) ||
	    addr_equal(&new.addr, &lan->config.gateway4))
		return err_set(
		    e, EX_USAGE, "%s: not an address of the LAN", equals + 1);
	if (lease_of_addr(lan, &new.addr))
		return err_set(e, EX_USAGE, "%s: reserved already", equals + 1);
	if (mac_parse(who, &new.mac) == 0)
		new.has_mac = true;
	else
		snprintf(new.name, sizeof(new.name), "%s", who);
	*l = new;
	return 0;
}
