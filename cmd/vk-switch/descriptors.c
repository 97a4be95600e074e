/* SPDX-License-Identifier: MIT */
/* descriptors.c - how many files may be open, and what happens when they are */
#include "cmd/vk-switch/descriptors.h"

#include "cmd/vk-switch/lan.h"
#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"

#include <errno.h>

/* Besides what the options name: VMs, DNS queries, both ends of DNS over TCP,
 * readers of the control socket, and some that there are one of. */
#define KEPT                                                                   \
	(PORTS_MAX + QUERIES_MAX + 2 * DNS_STREAMS_MAX + CONTROL_CLIENTS_MAX + \
	    32)

/* What the options name, with a folder for each unix socket. */
static uint32_t
named(const struct lan *lan)
{
	uint32_t count = 2 * lan->listener_count + lan->service_count;

	for (uint32_t i = 0; i < PUBLISHED_MAX; i++) {
		const struct published *p = &lan->publisher.entries[i];

		if (p->used)
			count += p->is_unix ? 2 : 1;
	}
	return count;
}

/* Closed where a descriptor is wanted for a moment. */
static int
spare(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

int
descriptors_init(struct lan *lan, struct err *e)
{
	uint64_t kept = KEPT + named(lan), may = io_allow_descriptors(), most;

	if (may == 0)
		return err_errno(e, EX_OSERR, "descriptor limit");
	if (may < kept + FLOWS_LEAST) {
		err_set(
		    e, EX_OSERR, "only %ju files may be open", (uintmax_t)may);
		return err_hint(e, "raise the limit: ulimit -n %ju",
		    (uintmax_t)(kept < 3072 ? 4096 : 2 * kept));
	}
	lan->spare = spare();
	if (lan->spare < 0)
		return err_errno(e, EX_OSERR, "socket");
	most = may - kept;
	if (lan->config.flows <= most)
		return 0;
	/* Who asked for a number wants to know. */
	(lan->config.flows_wanted ? log_warn : log_info)(
	    "%u connections at the same time, not %u: %ju files may be open",
	    (unsigned)most, lan->config.flows, (uintmax_t)may);
	lan->config.flows = (uint32_t)most;
	return 0;
}

void
descriptors_release(struct lan *lan)
{
	fd_close(&lan->spare);
}

/* After a call that failed: is there one more now? */
static bool
given(struct lan *lan, const struct port *asking)
{
	int number = errno;
	bool result = (number == EMFILE || number == ENFILE) &&
		      flow_make_place(lan, asking);

	errno = number;
	return result;
}

int
descriptor_socket(struct lan *lan, const struct port *asking, int family,
    int type, int protocol)
{
	int fd;

	type |= SOCK_NONBLOCK | SOCK_CLOEXEC;
	fd = socket(family, type, protocol);
	if (fd < 0 && given(lan, asking))
		fd = socket(family, type, protocol);
	return fd;
}

static int
take(int listener, struct sockaddr_storage *from)
{
	socklen_t len = sizeof(*from);

	return accept4(listener, (struct sockaddr *)from, from ? &len : NULL,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int
descriptor_accept(struct lan *lan, const struct port *asking, int listener,
    struct sockaddr_storage *from)
{
	int fd = take(listener, from);

	if (fd < 0 && given(lan, asking))
		fd = take(listener, from);
	if (fd >= 0 || (errno != EMFILE && errno != ENFILE))
		return fd;
	fd_close(&lan->spare);
	fd = take(listener, NULL);
	fd_close(&fd);
	lan->spare = spare();
	lan->flows.refused++;
	return errno = EMFILE, -1;
}
