/* SPDX-License-Identifier: MIT */
/*
 * user.h - who "name:group" is, by the image's own /etc/passwd and /etc/group
 *
 * The C library's lookups would need the image's libraries; the two files are
 * all that containers go by. Forms: name, uid, name:group, uid:gid, in any
 * mix. As with other container tools: supplementary groups are those that
 * list the name, unless a group is given; a uid that no line has gets group 0
 * and the home directory "/".
 */
#ifndef VK_AGENT_USER_H
#define VK_AGENT_USER_H

#include "common/err.h"

#include <limits.h>
#include <sys/types.h>

#define USER_GROUPS_MAX 1024
#define USER_TEXT_MAX   256

struct user {
	uid_t uid;
	gid_t gid;
	gid_t groups[USER_GROUPS_MAX];
	unsigned group_count;
	char name[USER_TEXT_MAX]; /* empty: not in the file */
	char home[PATH_MAX];
	char shell[USER_TEXT_MAX];
};

/* Looks it up in the two files of the current root (paths are given for
 * tests). NULL or "" is root. Returns 0, -1 with err. */
int user_find(struct user *, const char *spec, const char *passwd_path,
    const char *group_path, struct err *);

#endif
