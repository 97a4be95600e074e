/* SPDX-License-Identifier: MIT */
/*
 * acl_text.h - POSIX access control lists as a tar holds them
 *
 * The records SCHILY.acl.access and SCHILY.acl.default of star, which GNU tar
 * and libarchive write too: entries between commas or newlines, each
 *
 *	[default:]user|group|mask|other:[NAME]:rwx[:NUMBER]
 *
 * the first two words also as their initials, mask and other also without the
 * field that is always empty. NAME may be a number itself.
 */
#ifndef VK_MKEXT_ACL_TEXT_H
#define VK_MKEXT_ACL_TEXT_H

#include "cmd/vk-mkext/acl.h"
#include "common/buf.h"
#include "common/err.h"

#include <stddef.h>

/* Of a user's or a group's name, as much as anybody wants to be told. */
#define ACL_TEXT_NAME_MAX 64

struct acl_text {
	const char *at;
	size_t left;
	/* of the last entry taken, if it has a name and no number, else "" */
	char name[ACL_TEXT_NAME_MAX];
};

/* Takes the next entry. Returns 1, 0 at the end, -1 with err. */
int acl_text_next(struct acl_text *, struct acl_entry *, struct err *);

/* Appends the list; names are numbers. Whether that failed, the buffer says. */
void acl_text_write(struct buf *, const struct acl *);

#endif
