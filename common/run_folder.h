/* SPDX-License-Identifier: MIT */
/*
 * run_folder.h - where a running VM is found by its name
 *
 *	$XDG_RUNTIME_DIR/vk/NAME/	(/tmp/vk-UID/NAME/ without it)
 *		lock		flock(2) held by vk-boot: who holds it lives
 *		vsock		"CONNECT port" reaches the guest
 *		vsock_PORT	the guest's connection to host port PORT
 *		control		JSON lines
 *		console.log	the console's end
 *		api		under Cloud Hypervisor: its API
 *		status.json	written by rename
 *
 * The folder is the owner's alone (0700, checked). A VM that was killed leaves
 * its folder, and nobody holds its lock: the next of that name takes the
 * folder over and clears it. Names are 1 to 63 of [A-Za-z0-9_.-], starting
 * with a letter or digit, so a name can be a host name and never a path.
 */
#ifndef VK_COMMON_RUN_FOLDER_H
#define VK_COMMON_RUN_FOLDER_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

#define RUN_NAME_MAX 63
/* What fits sockaddr_un with the longest member name behind it. */
#define RUN_PATH_MAX 96

struct run_folder {
	char path[RUN_PATH_MAX]; /* of the VM; empty: none is held */
	int dir;                 /* the folder, for *at() calls */
	int lock;
};

#define RUN_FOLDER_INIT                                                        \
	{                                                                      \
		.dir = -1, .lock = -1                                          \
	}

bool run_name_valid(const char *name);

/* The folder of all VMs, created if asked. Returns 0, -1 with err (EX_NOPERM
 * where it is not ours alone). into holds RUN_PATH_MAX. */
int run_base(char *into, bool create, struct err *);

/* The path of a member of a VM's folder, which need not exist. Returns 0, -1
 * with err: the name is not valid, or the path too long for a socket. */
int run_path(const char *name, const char *member, char *into, size_t size,
    struct err *);

/*
 * Takes a name: makes its folder, holds its lock, removes what a dead VM
 * left. NULL takes a name of its own ("vm-" and six characters). Returns 0,
 * -1 with err: EX_TEMPFAIL "NAME: a VM of that name runs".
 */
int run_folder_create(struct run_folder *, const char *name, struct err *);

/* The name, borrowed. */
const char *run_folder_name(const struct run_folder *);

/* Lets go of a folder that somebody else will release, who shares the lock
 * (a child). May be called twice. */
void run_folder_leave(struct run_folder *);

/* Removes the folder's files and the folder, and lets the name go. May be
 * called twice. Only files lie in it: what else is found there stays. */
void run_folder_release(struct run_folder *);

/* Calls back for each VM with its name and whether it lives. Returns 0, the
 * callback's value if that is not 0, -1 with err. */
int run_folder_list(int (*each)(void *context, const char *name, bool alive),
    void *context, struct err *);

/* Whether somebody holds the lock of that name. 1, 0 (dead or never was),
 * -1 with err. */
int run_folder_alive(const char *name, struct err *);

#endif
