/* SPDX-License-Identifier: MIT */
/*
 * jail.h - a program that is executed where there is nothing but what it needs
 *
 * For programs that run a guest: who breaks out of it is a program with the
 * rights of a user, and shall find nothing to use them on.
 *
 *	root		an empty one: the program's interpreter and libraries,
 *			to be read, /dev/null and /dev/random, and what is
 *			given, by the path that jail_give tells; the files that
 *			it needs, but not the program; /dev/shm, for as many
 *			bytes as are granted
 *	namespaces	mounts, IPC, host name, cgroups, and the network where
 *			Landlock cannot yet keep abstract sockets away. The
 *			caller has seen to that of users, and of processes
 *	privileges	no capabilities, no way to any, no core, no locked
 *			memory, and a limit of processes
 *	Landlock	to read these files, to write /dev/shm
 *	filter		the system calls that the program makes
 *	environment	TMPDIR, for what it writes, and one variable more
 *
 * What the host does not offer is left out, and told (confine.without). Where
 * there can be no root of its own, what is given is open in the program under
 * the same paths (/proc/self/fd/N), Landlock keeps it from all other files, and
 * libraries are the host's.
 *
 * A process builds the jail, and is in it from then on; its children run the
 * program, one after the other: what each changes in the files that were given
 * is gone for the next.
 */
#ifndef VK_BOOT_JAIL_H
#define VK_BOOT_JAIL_H

#include "cmd/vk-boot/libraries.h"

#include "common/confine.h"
#include "common/filter.h"

#include <stdint.h>

/* An initrd and as many sockets as a guest has devices, and some. */
#define JAIL_FILES_MAX 40
/* Guests' processes are processes here. Linux' own limit is 32768 for all. */
#define JAIL_PROCESSES_MAX 16384

struct jail {
	const char *program; /* on the host */
	/* What it opens or executes beside itself and its libraries, by the
	 * same paths: an array that ends with NULL, or none. What the host
	 * does not have is passed over. */
	const char *const *needs;
	/* The program's folder (its path is absolute) is there, and empty:
	 * it looks for what it needs in ".." of that. */
	bool own_folder;
	const char *device;  /* beside the two that all have; or NULL */
	uint64_t shm;        /* bytes in /dev/shm */
	const char *folder;  /* in its place if there is no root of its own */
	const char *setting; /* "NAME=VALUE", or NULL */
	/* Compiled; NULL: all calls are allowed. */
	const struct filter *filter;
	bool open; /* nothing is given up, but the same paths hold */
	struct jail_file {
		int fd;     /* its number is its name, too */
		int writer; /* the file in the root, or -1 */
		bool socket;
		bool left; /* by jail_leave */
	} files[JAIL_FILES_MAX];
	unsigned file_count;
	/* What follows is filled in by jail_build. */
	int program_fd;
	struct libraries libraries;
	struct confine confine;
};

#define JAIL_PATH_MAX 32

/* Gives a file whose content is in the descriptor (a memfd), or a unix socket
 * that is not bound yet: the jail binds it, and listens. The descriptor is
 * borrowed; what is done by another copy of it counts. into: the path in the
 * jail. 0, -1 with err. */
int jail_give(
    struct jail *, int fd, bool socket, char into[JAIL_PATH_MAX], struct err *);

/* Leaves a copy of a descriptor open in the program: its number, -1 with err.
 */
int jail_leave(struct jail *, int fd, struct err *);

/*
 * In a process of its own, without threads: makes the root and moves into it,
 * and gives up privileges. 0, -1 with err.
 */
int jail_build(struct jail *, struct err *);

/* In a child of that process: gives up the rest, and executes the program.
 * Returns on failure only. */
void jail_run(struct jail *, char *const *argv, struct err *);

/* Closes what it holds in this process. May be called twice. */
void jail_release(struct jail *);

#endif
