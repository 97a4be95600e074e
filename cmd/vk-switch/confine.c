/* SPDX-License-Identifier: MIT */
/* confine.c - what the switch gives up before it meets a VM */
#include "cmd/vk-switch/confine.h"

#include "cmd/vk-switch/lan.h"
#include "common/confine.h"
#include "common/filter.h"
#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

int
confine_check(struct err *e)
{
	cleanup_fd int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
	char map[128];
	ssize_t n = fd < 0 ? -1 : io_read(fd, map, sizeof(map) - 1);
	unsigned inside, outside, count;

	if (geteuid() != 0)
		return 0;
	map[n > 0 ? n : 0] = '\0';
	if (n > 0 && sscanf(map, "%u %u %u", &inside, &outside, &count) == 3 &&
	    count != 0xffffffff)
		return 0; /* root of a namespace only */
	err_set(e, EX_NOPERM, "not as root");
	return err_hint(e, "run it as an ordinary user");
}

/* ---- folders ------------------------------------------------------------ */

/* A service's socket is reached through its folder from now on. */
static int
keep_service(struct service *s, struct confine *c, struct err *e)
{
	char path[sizeof(s->at.sun_path)];
	const char *slash = strrchr(s->at.sun_path, '/');
	const char *name = slash ? slash + 1 : s->at.sun_path;
	int folder;

	snprintf(path, sizeof(path), "%.*s",
	    slash ? (int)(name - s->at.sun_path) : 1,
	    slash ? s->at.sun_path : ".");
	folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return 0; /* as with any service that is not there */
	if (snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", folder, name) >=
	    (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return err_errno(e, EX_USAGE, "%s", s->at.sun_path);
	}
	memcpy(s->at.sun_path, path, sizeof(path));
	return confine_keep(c, folder, CONFINE_CONNECT, e);
}

/* The sockets that we made may be removed; those of services be connected to;
 * nothing else is left. */
static int
keep_folders(struct lan *lan, struct confine *c, struct err *e)
{
	for (uint32_t i = 0; i < lan->listener_count; i++)
		if (confine_keep(
			c, lan->listeners[i].folder, CONFINE_REMOVE, e) < 0)
			return -1;
	for (uint32_t i = 0; i < PUBLISHED_MAX; i++)
		if (confine_keep(c, lan->publisher.entries[i].folder,
			CONFINE_REMOVE, e) < 0)
			return -1;
	for (uint32_t i = 0; i < lan->service_count; i++)
		if (lan->services[i].is_unix &&
		    keep_service(&lan->services[i], c, e) < 0)
			return -1;
	return confine_keep(c, lan->control.folder, CONFINE_REMOVE, e);
}

/* ---- the filter --------------------------------------------------------- */

/* What the loop, the sockets and the end need. */
static const struct filter_call calls[] = {
#ifdef SYS_epoll_wait
    CALL(epoll_wait),
#else
    CALL(epoll_pwait), /* all there is on younger machines */
#endif
    CALL(epoll_ctl),
    CALL(read),  /* signalfd */
    CALL(write), /* log, events, pcap */
    CALL(recvfrom),
    CALL(sendto),
    CALL(recvmsg),
    CALL(sendmsg),
    CALL(recvmmsg),
    CALL(sendmmsg),
    CALL(connect),
    CALL(bind),   /* publishing */
    CALL(listen), /* at run time */
    CALL(accept4),
    CALL(shutdown),
    CALL(close),
    CALL(getsockopt),
    CALL(setsockopt),
    CALL(getrandom),
    CALL(clock_gettime), /* where the vDSO cannot */
    CALL(pwrite64),      /* leases */
    CALL(unlinkat),      /* our sockets, at the end */
    CALL(madvise),       /* a VM's buffers, when it goes */
    CALL(munmap),        /* at the end */
    CALL(exit_group),
    CALL_IF(socket, 0, AF_UNIX),
    CALL_IF(socket, 0, AF_INET),
    CALL_IF(socket, 0, AF_INET6),
    CALL_IF(socketpair, 0, AF_UNIX),
    CALLS_END,
};
#define CALLS_MAX 30

static int
filter_calls(struct err *e)
{
	struct filter filter;
	int result;

	if (CONFINE_SANITIZED)
		return 0;
	filter_init(&filter, "switch", CALLS_MAX);
	filter_add(&filter, calls);
	result = filter_compile(&filter, e);
	if (result == 0)
		result = filter_load(&filter, e);
	filter_release(&filter);
	return result;
}

int
confine(struct lan *lan, bool die_with_parent, struct err *e)
{
	struct confine c = {.keep_network = true};
	pid_t parent = getppid();

	if (keep_folders(lan, &c, e) < 0)
		return -1;
	confine_user(&c);
	confine_files(&c);
	if (confine_privileges(e) < 0)
		return -1;
	/* After the namespaces: gaining capabilities forgets the signal. */
	if (die_with_parent) {
		if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0)
			return err_errno(e, EX_OSERR, "parent's death");
		if (getppid() != parent)
			lan->stop = true;
	}
	confine_landlock(&c);
	if (*c.without)
		log_info("confined without: %s", c.without);
	return filter_calls(e);
}
