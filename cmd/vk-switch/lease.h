/* SPDX-License-Identifier: MIT */
/*
 * lease.h - who was given which IPv4 address
 *
 * An address is chosen by a hash of the MAC, so that a VM gets the same one
 * even where no file is kept; a VM known by the same name but a new MAC (it
 * was made anew) inherits the address of the old. What a station uses
 * without having asked (static), what is reserved and what was declined is
 * never given out.
 *
 * The file has one line of LEASE_LINE bytes for each place, padded with blanks
 * and rewritten in place by one pwrite(2): a kill at any moment leaves each
 * line old or new, and a line that does not parse is ignored:
 *
 *	52:54:00:12:34:56 10.76.0.17 1767225600 web
 */
#ifndef VK_SWITCH_LEASE_H
#define VK_SWITCH_LEASE_H

#include "cmd/vk-switch/addr.h"
#include "cmd/vk-switch/station.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

#define LEASES_MAX   1024
#define LEASE_LINE   128
#define LEASE_TIME_S (12 * 3600)
/* An offer that nobody took. */
#define OFFER_TIME_S 60
/* RFC 2131, 4.4.4 leaves it open how long a declined address rests. */
#define DECLINED_TIME_S 600
/* Of one VM: more would be all there are. */
#define DECLINED_MAX 4

enum lease_state {
	LEASE_FREE,
	LEASE_OFFERED,
	LEASE_BOUND,
	LEASE_RESERVED, /* by the user: for a MAC or a name, for ever */
	LEASE_DECLINED, /* another host has it */
};

struct lease {
	uint8_t state;
	bool has_mac; /* a reservation may have a name only */
	struct mac mac;
	struct addr addr;
	int64_t until; /* seconds since 1970 */
	char name[STATION_NAME_MAX];
};

struct lease_table {
	int fd; /* -1: no file */
	struct lease leases[LEASES_MAX];
};

struct lan;

/* Reads the file and keeps it open; made if it is not there. */
int leases_open(struct lan *, const char *path, struct err *);
void leases_release(struct lan *);

/* "MAC=ADDR" or "NAME=ADDR" */
int lease_reserve(struct lan *, const char *text, struct err *);

/*
 * The address for a station: what it has, what is reserved for it, what it
 * wishes (NULL: nothing) if that is free, or a new one. Returns false if all
 * are taken. Nothing is recorded.
 */
bool lease_choose(struct lan *, const struct station *, const struct addr *wish,
    struct addr *);
void lease_bind(struct lan *, const struct station *, const struct addr *,
    enum lease_state, int64_t seconds);
void lease_release(struct lan *, const struct mac *);
void lease_decline(struct lan *, const struct mac *, const struct addr *);

/* Whom the address is promised to; NULL: nobody. */
const struct lease *lease_of_addr(const struct lan *, const struct addr *);
const struct lease *lease_of_name(const struct lan *, const char *name);
/* May this MAC use the address, as far as leases go? */
bool lease_may_use(const struct lan *, const struct mac *, const struct addr *);
/* Gives a station that comes back the name it had. */
void lease_name_of(struct lan *, const struct mac *, struct station *);

#endif
