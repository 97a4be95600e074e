/* SPDX-License-Identifier: MIT */
/* confine.c - what a process gives up before it meets an enemy */
#include "common/confine.h"

#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Where the new root is built: every Linux has that folder. */
#define NEW_ROOT "/tmp"

static void
lacks(struct confine *confine, const char *what)
{
	int number = errno;
	size_t len = strlen(confine->without);

	snprintf(confine->without + len, sizeof(confine->without) - len,
	    "%s%s (%s)", len ? "; " : "", what, strerror(number));
}

int
confine_keep(struct confine *confine, int fd, unsigned use, struct err *e)
{
	if (fd < 0)
		return 0;
	for (unsigned i = 0; i < confine->folder_count; i++)
		if (confine->folders[i].fd == fd) {
			confine->folders[i].use |= use;
			return 0;
		}
	if (confine->folder_count == CONFINE_FOLDERS_MAX)
		return err_set(
		    e, EX_USAGE, "more than %d folders", CONFINE_FOLDERS_MAX);
	confine->folders[confine->folder_count].fd = fd;
	confine->folders[confine->folder_count++].use = use;
	return 0;
}

/* ---- a user namespace --------------------------------------------------- */

static int
write_file(const char *path, const char *text)
{
	cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len = (ssize_t)strlen(text);

	return fd >= 0 && write(fd, text, (size_t)len) == len ? 0 : -1;
}

int
confine_map_user(uid_t uid, gid_t gid)
{
	char map[64];

	snprintf(map, sizeof(map), "%u %u 1\n", uid, uid);
	if (write_file("/proc/self/uid_map", map) < 0 ||
	    write_file("/proc/self/setgroups", "deny") < 0)
		return -1;
	snprintf(map, sizeof(map), "%u %u 1\n", gid, gid);
	return write_file("/proc/self/gid_map", map);
}

struct attempt {
	uid_t uid;
	gid_t gid;
	int number; /* errno, 0: it went well */
};

static int
try_to_map(void *with)
{
	struct attempt *attempt = with;

	attempt->number =
	    confine_map_user(attempt->uid, attempt->gid) < 0 ? errno : 0;
	return 0;
}

/*
 * There are hosts that give away user namespaces without any right in them
 * (AppArmor). Who finds that out from inside is nobody and cannot go back, so a
 * child that shares our memory goes first. 0, -1 with errno.
 */
static int
try_in_child(struct attempt *attempt)
{
	static _Alignas(16) char stack[16384];
	int child = clone(try_to_map, stack + sizeof(stack),
	    CLONE_VM | CLONE_VFORK | CLONE_NEWUSER | SIGCHLD, attempt);

	if (child < 0)
		return -1;
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		continue;
	errno = attempt->number;
	return attempt->number ? -1 : 0;
}

void
confine_user(struct confine *confine)
{
	struct attempt attempt = {.uid = geteuid(), .gid = getegid()};

	/* Root can do without; and in a namespace where nobody else is, the
	 * files of all others would be out of its reach. */
	if (attempt.uid == 0)
		return;
	if (try_in_child(&attempt) < 0 || unshare(CLONE_NEWUSER) < 0 ||
	    confine_map_user(attempt.uid, attempt.gid) < 0)
		lacks(confine, "user namespaces");
}

/* ---- an empty root ------------------------------------------------------ */

int
confine_landlock_version(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);

	return version < 0 ? 0 : (int)version;
}

static bool
same_file(int fd, int other)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstat(other, &b) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Opens a folder anew: a descriptor from before belongs to the old namespace,
 * whose mounts cannot be bound in this one. */
static int
open_again(int fd)
{
	char link[32], path[4096];
	cleanup_fd int again = -1;
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (len < 0)
		return -1;
	path[len] = '\0';
	again = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (again >= 0 && !same_file(fd, again)) {
		errno = ESTALE;
		return -1;
	}
	return steal_fd(&again);
}

static int
bind_folder(int fd, int again)
{
	char from[32], to[64];

	snprintf(from, sizeof(from), "/proc/self/fd/%d", again);
	snprintf(to, sizeof(to), NEW_ROOT "/proc/self/fd/%d", fd);
	return mkdirat(AT_FDCWD, to, 0700) < 0 ||
		       mount(from, to, NULL, MS_BIND, NULL) < 0
		   ? -1
		   : 0;
}

/* Puts the folder as the new root shows it in the place of its descriptor, and
 * takes it out of the root where nobody needs its path. */
static int
replace_folder(int fd, unsigned use)
{
	char path[32];
	int flags = fcntl(fd, F_GETFL), again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, (flags & O_PATH) | O_DIRECTORY | O_CLOEXEC);
	if (flags < 0 || again < 0 || dup3(again, fd, O_CLOEXEC) < 0)
		return -1;
	close(again);
	return use & CONFINE_CONNECT ? 0 : umount2(path, MNT_DETACH);
}

static int
build_root(const struct confine *confine, const int *again)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	char limits[64];

	snprintf(limits, sizeof(limits), "size=4k,nr_inodes=%u,mode=755",
	    confine->folder_count + 8);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", NEW_ROOT, "tmpfs", flags, limits) < 0 ||
	    mkdir(NEW_ROOT "/proc", 0755) < 0 ||
	    mkdir(NEW_ROOT "/proc/self", 0755) < 0 ||
	    mkdir(NEW_ROOT "/proc/self/fd", 0755) < 0)
		return -1;
	for (unsigned i = 0; i < confine->folder_count; i++)
		if (bind_folder(confine->folders[i].fd, again[i]) < 0)
			return -1;
	return mount(NULL, NEW_ROOT, NULL,
	    MS_REMOUNT | MS_RDONLY | MS_BIND | flags, NULL);
}

static int
enter_root(const struct confine *confine)
{
	if (chdir(NEW_ROOT) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -1;
	for (unsigned i = 0; i < confine->folder_count; i++)
		if (replace_folder(
			confine->folders[i].fd, confine->folders[i].use) < 0)
			return -1;
	return 0;
}

static int
leave_root(const struct confine *confine)
{
	int again[CONFINE_FOLDERS_MAX], result = 0;
	unsigned count = 0;

	while (count < confine->folder_count && result == 0) {
		again[count] = open_again(confine->folders[count].fd);
		result = again[count++] < 0 ? -1 : 0;
	}
	if (result == 0)
		result = build_root(confine, again);
	while (count > 0)
		fd_close(&again[--count]);
	return result == 0 ? enter_root(confine) : -1;
}

void
confine_files(struct confine *confine)
{
	int spaces =
	    CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;

	if (!confine->keep_network && confine_landlock_version() < 6)
		spaces |= CLONE_NEWNET;
	if (unshare(spaces) < 0)
		lacks(confine, "namespaces");
	else if (!CONFINE_SANITIZED && leave_root(confine) < 0)
		lacks(confine, "an empty root");
	else
		confine->empty_root = !CONFINE_SANITIZED;
}

/* ---- privileges --------------------------------------------------------- */

int
confine_privileges(struct err *e)
{
	struct __user_cap_header_struct head = {
	    .version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};
	static const struct rlimit zero;

	/* Up to the last that there is, or none where we may not. */
	for (unsigned long cap = 0; prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0;
	     cap++)
		continue;
	if (syscall(SYS_capset, &head, none) < 0)
		return err_errno(e, EX_OSERR, "capabilities");
	/* Not dumpable: a core that goes to a program has no limit. */
	if (setrlimit(RLIMIT_CORE, &zero) < 0 ||
	    (!CONFINE_SANITIZED && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(e, EX_OSERR, "privileges");
	return 0;
}

/* ---- Landlock ----------------------------------------------------------- */

/* What came after the oldest kernel headers that this is built with. */
enum {
	ACCESS_FS_REFER = 1 << 13,     /* version 2 */
	ACCESS_FS_TRUNCATE = 1 << 14,  /* 3 */
	ACCESS_NET_ALL = 3,            /* 4: TCP, bind and connect */
	ACCESS_FS_IOCTL_DEV = 1 << 15, /* 5 */
	SCOPE_ALL = 3,                 /* 6: abstract sockets, signals */
};

struct ruleset {
	uint64_t files, network, scopes;
};

/* All that this version knows to forbid. */
static struct ruleset
everything(int version, bool network)
{
	struct ruleset all = {
	    .files = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1,
	};

	all.files |= version >= 2 ? ACCESS_FS_REFER : 0;
	all.files |= version >= 3 ? ACCESS_FS_TRUNCATE : 0;
	all.network = version >= 4 && !network ? ACCESS_NET_ALL : 0;
	all.files |= version >= 5 ? ACCESS_FS_IOCTL_DEV : 0;
	all.scopes = version >= 6 ? SCOPE_ALL : 0;
	return all;
}

/* A rule for a file may have these only. */
#define FILE_RIGHTS                                                            \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |          \
	    LANDLOCK_ACCESS_FS_READ_FILE | ACCESS_FS_TRUNCATE |                \
	    ACCESS_FS_IOCTL_DEV)

static uint64_t
rights_of(int fd, unsigned use)
{
	uint64_t rights = 0;
	struct stat st;

	if (use & CONFINE_REMOVE)
		rights |= LANDLOCK_ACCESS_FS_REMOVE_FILE;
	if (use & CONFINE_WRITE)
		rights |= LANDLOCK_ACCESS_FS_REMOVE_FILE |
			  LANDLOCK_ACCESS_FS_MAKE_REG |
			  LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_FS_TRUNCATE;
	if (use & CONFINE_READ)
		rights |=
		    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
	if (use & CONFINE_EXECUTE)
		rights |=
		    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE;
	if (use & CONFINE_DEVICE)
		rights |= ACCESS_FS_IOCTL_DEV;
	if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rights &= FILE_RIGHTS;
	return rights;
}

void
confine_landlock(struct confine *confine)
{
	int version = confine_landlock_version();
	struct ruleset all = everything(version, confine->keep_network);
	/* An older kernel takes the part of it that it knows. */
	size_t size = version >= 6   ? sizeof(all)
		      : version >= 4 ? sizeof(uint64_t[2])
				     : sizeof(uint64_t);
	cleanup_fd int rules =
	    (int)syscall(SYS_landlock_create_ruleset, &all, size, 0);

	if (CONFINE_SANITIZED || rules < 0) {
		lacks(confine, "Landlock");
		return;
	}
	for (unsigned i = 0; i < confine->folder_count; i++) {
		struct landlock_path_beneath_attr rule = {
		    .allowed_access = rights_of(confine->folders[i].fd,
					  confine->folders[i].use) &
				      all.files,
		    .parent_fd = confine->folders[i].fd,
		};

		/* Without any right it would not be a rule. */
		if (rule.allowed_access)
			syscall(SYS_landlock_add_rule, rules,
			    LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	}
	if (syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		lacks(confine, "Landlock");
}
