/* SPDX-License-Identifier: MIT */
/* confine.c - what the switch gives up before it meets a VM */
#include "cmd/vk-switch/confine.h"

#include "cmd/vk-switch/lan.h"
#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* The sanitizers allocate and read /proc as they go: they are for finding
 * errors in what comes before the filter's concern. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

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

/* ---- namespaces and an empty root --------------------------------------- */

static int
write_file(const char *path, const char *text)
{
	cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -1 : io_write(fd, text, strlen(text));
}

static int
enter_namespaces(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char map[64];

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS |
		    CLONE_NEWCGROUP) < 0)
		return -1;
	snprintf(map, sizeof(map), "%u %u 1\n", uid, uid);
	if (write_file("/proc/self/uid_map", map) < 0 ||
	    write_file("/proc/self/setgroups", "deny") < 0)
		return -1;
	snprintf(map, sizeof(map), "%u %u 1\n", gid, gid);
	return write_file("/proc/self/gid_map", map);
}

/* Opens the folder of each service's socket; -1 where there is none. */
static void
open_service_folders(const struct lan *lan, int *folders)
{
	for (uint32_t i = 0; i < lan->service_count; i++) {
		const struct service *s = &lan->services[i];
		const char *slash = strrchr(s->at.sun_path, '/');
		char path[sizeof(s->at.sun_path)];

		folders[i] = -1;
		if (!s->is_unix)
			continue;
		snprintf(path, sizeof(path), "%.*s",
		    slash ? (int)(slash - s->at.sun_path) + 1 : 1,
		    slash ? s->at.sun_path : ".");
		folders[i] = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
}

/* In the new root the folder of service i is /i. */
static int
bind_service_folders(struct lan *lan, const int *folders)
{
	for (uint32_t i = 0; i < lan->service_count; i++) {
		struct service *s = &lan->services[i];
		char from[64], to[32], path[sizeof(s->at.sun_path)];
		const char *slash = strrchr(s->at.sun_path, '/');

		if (folders[i] < 0)
			continue;
		snprintf(from, sizeof(from), "/proc/self/fd/%d", folders[i]);
		snprintf(to, sizeof(to), "/tmp/%u", i);
		if (mkdir(to, 0700) < 0 ||
		    mount(from, to, NULL, MS_BIND, NULL) < 0)
			return -1;
		snprintf(path, sizeof(path), "/%u/%.80s", i,
		    slash ? slash + 1 : s->at.sun_path);
		memcpy(s->at.sun_path, path, sizeof(path));
	}
	return 0;
}

static int
empty_root(struct lan *lan, const int *folders)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (mount("none", "/tmp", "tmpfs", flags, "size=4k,nr_inodes=64") < 0 ||
	    bind_service_folders(lan, folders) < 0 ||
	    mount(NULL, "/tmp", NULL, MS_REMOUNT | MS_RDONLY | MS_BIND | flags,
		NULL) < 0 ||
	    chdir("/tmp") < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0)
		return -1;
	return chdir("/");
}

static void
isolate(struct lan *lan)
{
	int folders[SERVICES_MAX];

	if (enter_namespaces() < 0) {
		log_info(
		    "user namespaces are not to be had: %s", strerror(errno));
		return;
	}
	/* What was opened before belongs to the other namespace, and cannot
	 * be bound in this one. */
	open_service_folders(lan, folders);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    empty_root(lan, folders) < 0)
		log_info("no empty root: %s", strerror(errno));
	for (uint32_t i = 0; i < lan->service_count; i++)
		fd_close(&folders[i]);
}

static int
drop_capabilities(struct err *e)
{
	struct __user_cap_header_struct head = {
	    .version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};

	for (unsigned long cap = 0; cap <= 63; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (syscall(SYS_capset, &head, none) < 0)
		return err_errno(e, EX_OSERR, "capabilities");
	return 0;
}

/* ---- Landlock ----------------------------------------------------------- */

/* The sockets that we made may be removed; nothing else is left. */
static void
allow_removal(int rules, int folder)
{
	struct landlock_path_beneath_attr path = {
	    .allowed_access = LANDLOCK_ACCESS_FS_REMOVE_FILE,
	    .parent_fd = folder};

	if (folder >= 0)
		syscall(SYS_landlock_add_rule, rules,
		    LANDLOCK_RULE_PATH_BENEATH, &path, 0);
}

static void
restrict_files(const struct lan *lan)
{
	struct landlock_ruleset_attr attr = {
	    /* All of the first version: each kernel that has any has these. */
	    .handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1};
	cleanup_fd int rules =
	    (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	if (rules < 0) {
		log_info("Landlock is not to be had: %s", strerror(errno));
		return;
	}
	for (uint32_t i = 0; i < lan->listener_count; i++)
		allow_removal(rules, lan->listeners[i].folder);
	for (uint32_t i = 0; i < PUBLISHED_MAX; i++)
		allow_removal(rules, lan->publisher.entries[i].folder);
	allow_removal(rules, lan->control.folder);
	if (syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		log_info("Landlock: %s", strerror(errno));
}

/* ---- the filter --------------------------------------------------------- */

/* What the loop, the sockets and the end need. */
static const int calls[] = {
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait), /* epoll_wait where that is all there is */
    SCMP_SYS(epoll_ctl), SCMP_SYS(read), /* signalfd */
    SCMP_SYS(write),                     /* log, events, pcap */
    SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(recvmsg), SCMP_SYS(sendmsg),
    SCMP_SYS(recvmmsg), SCMP_SYS(sendmmsg), SCMP_SYS(connect),
    SCMP_SYS(bind),   /* publishing */
    SCMP_SYS(listen), /* at run time */
    SCMP_SYS(accept4), SCMP_SYS(shutdown), SCMP_SYS(close),
    SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getrandom),
    SCMP_SYS(clock_gettime), /* where the vDSO cannot */
    SCMP_SYS(pwrite64),      /* leases */
    SCMP_SYS(unlinkat),      /* our sockets, at the end */
    SCMP_SYS(madvise),       /* a VM's buffers, when it goes */
    SCMP_SYS(munmap),        /* at the end */
    SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall), SCMP_SYS(exit_group),
    /* socket and socketpair: for some families only, below */
};
#define CALLS_MAX 30
_Static_assert(sizeof(calls) / sizeof(calls[0]) + 2 <= CALLS_MAX,
    "a filter that grows is none");

static int
load_filter(scmp_filter_ctx filter)
{
	static const int families[] = {AF_UNIX, AF_INET, AF_INET6};
	int result = 0;

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!result)
			result = seccomp_rule_add(
			    filter, SCMP_ACT_ALLOW, calls[i], 0);
	for (size_t i = 0; i < 3 && !result; i++)
		result =
		    seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket),
			1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i], 0));
	if (!result)
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW,
		    SCMP_SYS(socketpair), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0));
	return result ? result : seccomp_load(filter);
}

static int
filter_calls(struct err *e)
{
	scmp_filter_ctx filter;
	int result;

	if (SANITIZED)
		return 0;
	filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!filter)
		return err_set(e, EX_OSERR, "seccomp: no memory");
	result = load_filter(filter);
	seccomp_release(filter);
	if (result < 0)
		return err_set(e, EX_OSERR, "seccomp: %s", strerror(-result));
	return 0;
}

int
confine(struct lan *lan, bool die_with_parent, struct err *e)
{
	static const struct rlimit none;
	pid_t parent = getppid();

	/* Under a sanitizer the root stays: its reports need /proc. */
	if (!SANITIZED)
		isolate(lan);
	if (drop_capabilities(e) < 0)
		return -1;
	/* After the namespaces: gaining capabilities forgets the signal. */
	if (die_with_parent) {
		if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0)
			return err_errno(e, EX_OSERR, "parent's death");
		if (getppid() != parent)
			lan->stop = true;
	}
	if (setrlimit(RLIMIT_CORE, &none) < 0 ||
	    (!SANITIZED && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(e, EX_OSERR, "privileges");
	restrict_files(lan);
	return filter_calls(e);
}
