/* SPDX-License-Identifier: MIT */
/*
 * xattr.h - extended attributes: sets of them, and their form in ext4
 *
 * Files that have the same attributes share one set. A set is put together
 * with xattr_add and gets its number with xattr_keep; 0 is the empty one.
 *
 * In ext4 a name is a number for its namespace and the rest of it. What fits
 * goes into the inode behind its fields (XATTR_INODE_ROOM), the rest into one
 * block, which up to XATTR_SHARED_MAX inodes with the same set share. Where a
 * set is too large for a block, its largest values move to inodes of their own
 * (the feature ea_inode, Linux 4.13 and later; see values.h). POSIX ACLs have a
 * form of their own (see acl.h).
 */
#ifndef VK_MKEXT_XATTR_H
#define VK_MKEXT_XATTR_H

#include "common/buf.h"
#include "common/err.h"
#include "common/siphash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 256 bytes less the 128 of old and the 32 of new fields. */
#define XATTR_INODE_ROOM 96u

/* As many as Linux lets share one block. */
#define XATTR_SHARED_MAX 1024u

/* As long as Linux lets programs read and write a value (limits.h). */
#define XATTR_VALUE_MAX ((size_t)64 << 10)

/* Namespaces, as numbered on the disk. */
enum xattr_space {
	XATTR_USER = 1,
	XATTR_ACL_ACCESS = 2,
	XATTR_ACL_DEFAULT = 3,
	XATTR_TRUSTED = 4,
	XATTR_SECURITY = 6,
};

/* A value that lies in an inode of its own. */
struct xattr_value {
	uint32_t set;
	uint32_t offset, length; /* in the sets' bytes */
	uint32_t hash;           /* of its bytes, for the inode's checksum */
	uint32_t object, inode;  /* of the tree; 0: nothing uses the set */
};

/* All sets of a tree. */
struct xattr_sets {
	struct buf bytes; /* of all sets, one behind the other */
	struct xattr_set *sets;
	uint32_t count, room;       /* the first is the empty one */
	struct xattr_value *values; /* by rising set, in its order */
	uint32_t value_count, value_room;
	uint32_t *buckets; /* by hash of the bytes */
	struct siphash_key key;
	uint32_t bucket_count;
};

int xattr_sets_init(struct xattr_sets *, struct err *);
void xattr_sets_release(struct xattr_sets *); /* may be called twice */

/* A set being put together. */
struct xattr_draft {
	struct buf bytes;
};

void xattr_draft_init(struct xattr_draft *);
void xattr_draft_release(struct xattr_draft *);

/*
 * Adds an attribute by its full name ("security.capability"); a second one of
 * the same name takes the place of the first. Returns 1 if it was taken, 0 if
 * ext4 has no such namespace, -1 with err if it is not well formed.
 */
int xattr_add(struct xattr_draft *, const char *name, const void *value,
    size_t length, struct err *);

/* The same with the name as ext4 has it. */
int xattr_add_raw(struct xattr_draft *, enum xattr_space, const char *name,
    const void *value, size_t length, struct err *);

/* Gives the set's number and empties the draft. Errors: its names are more than
 * ext4 can keep (some 4 KiB). */
int xattr_keep(
    struct xattr_sets *, struct xattr_draft *, uint32_t *set, struct err *);

/* Whether it needs a block, and what goes there and into the inode. The block
 * of 4096 bytes lacks only the checksum. Both start as zeros. For the block,
 * hashes and inodes of the set's values must be known. */
bool xattr_needs_block(const struct xattr_sets *, uint32_t set);
void xattr_put_block(const struct xattr_sets *, uint32_t set,
    uint32_t references, uint8_t *block);
void xattr_put_inode(const struct xattr_sets *, uint32_t set, uint8_t *room);

/* Blocks that its values in inodes of their own take: they count as the
 * file's. */
uint64_t xattr_value_blocks(const struct xattr_sets *, uint32_t set);

/* Calls with each attribute of a set: for what compares trees. */
void xattr_each(const struct xattr_sets *, uint32_t set,
    void (*each)(void *with, enum xattr_space, const char *name,
	size_t name_length, const void *value, size_t length),
    void *with);

#endif
