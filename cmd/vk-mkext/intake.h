/* SPDX-License-Identifier: MIT */
/*
 * intake.h - entries on their way from a source into the tree
 *
 * Both sources, a tar and a directory, hand every entry over here: what the
 * user leaves out is left out, what belongs to somebody else is given to whom
 * the user says, and what the image cannot hold is noted once for all.
 */
#ifndef VK_MKEXT_INTAKE_H
#define VK_MKEXT_INTAKE_H

#include "cmd/vk-mkext/acl.h"
#include "cmd/vk-mkext/store.h"
#include "cmd/vk-mkext/tree.h"
#include "cmd/vk-mkext/xattr.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct intake_rules {
	const char **excludes; /* patterns, see vk-mkext(1) */
	size_t exclude_count;
	bool owner; /* all belong to uid and gid */
	uint32_t uid, gid;
};

/* Things left out, of one kind. */
struct intake_note {
	uint64_t count;
	char first[128]; /* where it happened first */
};

struct intake {
	struct tree *tree;
	struct store *store;
	const struct intake_rules *rules;
	struct xattr_draft xattrs; /* of the entry at hand, by the source */
	struct intake_note sockets, attributes, names;
	/* Told of every entry and every piece of content, or NULL. */
	void (*progress)(void *with);
	void *with;
};

void intake_init(struct intake *, struct tree *, struct store *,
    const struct intake_rules *);
void intake_release(struct intake *); /* may be called twice */

/* Whether the path is left out. */
bool intake_excludes(const struct intake_rules *, const char *path);

/* Makes an entry of what meta and the xattrs say. Gives its object, 0 if it
 * was left out (a socket). */
int intake_entry(struct intake *, const char *path, struct meta *,
    uint32_t *object, struct err *);

/* Makes a hard link; gives its object. */
int intake_link(struct intake *, const char *path, const char *target,
    uint32_t *object, struct err *);

/* Adds an attribute to the entry at hand, ACLs in the form of Linux among
 * them; these change the mode. */
int intake_xattr(struct intake *, struct meta *, const char *name,
    const void *value, size_t length, struct err *);

/* Adds an ACL to the entry at hand (and sorts it); it changes the mode. */
int intake_acl(struct intake *, struct meta *, enum xattr_space, struct acl *,
    struct err *);

void intake_note(struct intake_note *, const char *where);

/* Says on stderr what was left out. */
void intake_report(const struct intake *);

#endif
