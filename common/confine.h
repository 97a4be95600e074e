/* SPDX-License-Identifier: MIT */
/*
 * confine.h - what a process gives up before it meets an enemy
 *
 * In stages, in this order; filter.h is the last, thread by thread:
 *
 *	confine_user		a user namespace, for the right to the others.
 *				Early: later there may be threads, some of them
 *				KVM's, and then there is none to be had
 *	confine_files		everything is open: mount, IPC, UTS, cgroup and
 *				network namespaces, and an empty root
 *	confine_privileges	no capabilities, no new privileges, no core
 *	confine_landlock	no file, no signal, no abstract socket of others
 *
 * What the host does not offer is left out, and told: confine->without.
 *
 * Folders. Of the file system there remain the folders that were kept, by
 * their descriptors (confine_keep), each replaced by one of the new root, from
 * which ".." leads nowhere. Where they have to be reached by a path, for
 * connect(2), they are found where they were before: at /proc/self/fd/N. So
 * the code that uses them is the same in a process that is not confined.
 *
 * Network. A process whose filter lets it make unix sockets only can reach no
 * network, whichever namespace it is in, but abstract sockets. Landlock keeps
 * it from those since its version 6; making a network namespace takes a
 * millisecond or more, and is done only where there is no such Landlock.
 *
 * No PID namespace: it would take a process between the caller and this one.
 * There is no /proc in the new root, and no way to name a process.
 */
#ifndef VK_COMMON_CONFINE_H
#define VK_COMMON_CONFINE_H

#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The sanitizers allocate, read /proc and make calls of their own: what is
 * built with them keeps its root and has no filter. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CONFINE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CONFINE_SANITIZED 1
#endif
#endif
#ifndef CONFINE_SANITIZED
#define CONFINE_SANITIZED 0
#endif

/* A switch has up to 1,184 sockets, each in a folder; nothing has more. */
#define CONFINE_FOLDERS_MAX 1200

enum confine_use {
	CONFINE_REMOVE = 1,   /* files and sockets in it */
	CONFINE_WRITE = 2,    /* make, write and replace files */
	CONFINE_READ = 4,     /* read files, list the folder */
	CONFINE_CONNECT = 8,  /* to sockets in it, by its path (see above) */
	CONFINE_EXECUTE = 16, /* a file, or those in it, and read them */
	CONFINE_DEVICE = 32,  /* its ioctls */
};

struct confine {
	struct {
		int fd; /* borrowed, O_PATH will do */
		unsigned use;
	} folders[CONFINE_FOLDERS_MAX];
	unsigned folder_count;
	bool keep_network; /* it is what the process is for */
	bool empty_root;   /* confine_files came to its end */
	char without[256]; /* what the host does not offer: "A; B" */
};

/* Keeps a folder; -1 is passed over. The same one may be kept twice. 0, -1
 * with err where there are too many. */
int confine_keep(struct confine *, int fd, unsigned use, struct err *);

/* No other threads, and no privileges that a namespace would take away: root
 * stays where it is. */
void confine_user(struct confine *);

/* For who makes a user namespace in another way: the user keeps the name that
 * it had outside, and nobody else has one. 0, -1 with errno. */
int confine_map_user(uid_t, gid_t);

void confine_files(struct confine *);

/* Drops all capabilities, for good. 0, -1 with err. */
int confine_privileges(struct err *);

void confine_landlock(struct confine *);

/* What the kernel has of Landlock: its version, 0 if none. */
int confine_landlock_version(void);

#endif
