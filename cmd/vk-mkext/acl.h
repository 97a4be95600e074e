/* SPDX-License-Identifier: MIT */
/*
 * acl.h - POSIX access control lists, in the form that ext4 keeps
 *
 * ext4 keeps a list as an attribute: a version (1) and entries of 4 bytes, or
 * of 8 where they name a user or a group. Linux hands lists to programs in
 * another form (version 2, all entries of 8 bytes), which is what a tar may
 * hold as system.posix_acl_access.
 */
#ifndef VK_MKEXT_ACL_H
#define VK_MKEXT_ACL_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As many entries as an attribute of 4 KiB takes. */
#define ACL_ENTRIES_MAX 512
#define ACL_SIZE_MAX    (4 + 8 * ACL_ENTRIES_MAX)

enum acl_tag {
	ACL_OWNER = 0x01,
	ACL_USER = 0x02,
	ACL_OWNING_GROUP = 0x04,
	ACL_GROUP = 0x08,
	ACL_MASK = 0x10,
	ACL_OTHER = 0x20,
};

struct acl_entry {
	uint16_t tag;
	uint16_t permissions; /* rwx as 4, 2, 1 */
	uint32_t id;          /* of ACL_USER and ACL_GROUP */
};

struct acl {
	struct acl_entry entries[ACL_ENTRIES_MAX];
	size_t count;
};

/* Returns 0, -1 when the list is full. */
int acl_add(struct acl *, const struct acl_entry *);

/* Reads either form. Returns 0, -1 with err. */
int acl_parse(struct acl *, const void *value, size_t length, struct err *);

/* Sorts the list and writes the form of ext4; gives its length. */
size_t acl_encode(struct acl *, uint8_t into[ACL_SIZE_MAX]);

/* Whether a file's list says no more than its mode does. */
bool acl_is_mode(const struct acl *);

/* The mode of a file with this list: its group bits show the mask. */
uint16_t acl_mode(const struct acl *, uint16_t mode);

#endif
