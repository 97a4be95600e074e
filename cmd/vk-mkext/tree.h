/* SPDX-License-Identifier: MIT */
/*
 * tree.h - a file system in memory: names, objects, where their content lies
 *
 * An object is what becomes an inode, a name is what becomes a directory
 * entry; hard links are several names of one object. Both are small and kept
 * in arrays, so that a hundred thousand files cost some fifteen megabytes.
 * Content is never here: a file has runs of blocks of the image.
 *
 * Paths are resolved inside the root as a kernel does it after chroot(2): a
 * symbolic link in the middle of a path is followed, an absolute target
 * starts at the root again, and ".." of the root is the root. So no path
 * leads out, and a name reached through a link is the same name. Parents that
 * are missing are made.
 *
 * Identifiers: object 0 and name 0 mean none. They stay valid until
 * tree_release, pointers only until the next call that may add something.
 */
#ifndef VK_MKEXT_TREE_H
#define VK_MKEXT_TREE_H

#include "cmd/vk-mkext/xattr.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/siphash.h"

#include <stdbool.h>
#include <stdint.h>

#define TREE_ROOT       1u
#define TREE_LOST_FOUND 2u

/* ext4: a name has at most 255 bytes, a link's target less than a block. */
#define TREE_NAME_MAX   255
#define TREE_TARGET_MAX 4095

/* More than any image has; bounds what a hostile tar can make us hold
 * (about 2 GiB). */
#define TREE_OBJECTS_MAX (16u << 20)

/* As many links as Linux follows in one path. */
#define TREE_LINKS_MAX 40

struct moment {
	int64_t seconds; /* since 1970 */
	uint32_t nanoseconds;
};

/* What an entry says of its object. Flags are FS_*_FL of linux/fs.h. */
struct meta {
	uint16_t mode; /* type and permissions, as st_mode */
	uint32_t uid, gid;
	struct moment modified, accessed, changed;
	uint32_t device_major, device_minor;
	uint32_t flags;
	uint32_t xattrs;    /* set of the tree's xattrs, 0: none */
	const char *target; /* of a symbolic link */
};

struct object {
	uint64_t size;
	struct moment modified, accessed, changed;
	uint32_t uid, gid;
	uint32_t links; /* names of it (of a directory: 1, 0 when gone) */
	uint32_t xattrs;
	uint32_t flags;
	uint32_t inode;  /* given by tree_number */
	uint32_t parent; /* of a directory */
	union {
		struct {
			uint32_t first, last; /* names in a directory */
		} entries;
		struct {
			uint32_t text, length; /* of a symbolic link */
		} target;
		struct {
			uint32_t major, minor;
		} device;
		uint32_t references; /* of an attribute's value */
	};
	/* Runs of the image's blocks: of a file, and once they are laid out
	 * also of a directory and of a long symbolic link. */
	uint32_t run, runs;
	uint16_t mode;
	bool implied;  /* a parent nobody described */
	bool promised; /* a hard link's target that has not come yet */
};

struct name {
	uint32_t parent;  /* directory object */
	uint32_t object;  /* 0: removed */
	uint32_t sibling; /* next name of the directory */
	uint32_t chain;   /* next name of the hash bucket */
	uint32_t hash;
	uint32_t text; /* offset in texts */
	uint8_t length;
};

/* count blocks of a file from logical on lie at physical. */
struct run {
	uint64_t physical;
	uint32_t logical, count;
};

struct tree {
	struct object *objects;
	struct name *names;
	struct run *runs;
	uint32_t *buckets;
	struct siphash_key key;
	uint32_t object_count, object_room;
	uint32_t name_count, name_room;
	uint32_t run_count, run_room;
	uint32_t bucket_count; /* a power of two */
	uint32_t inode_count;  /* highest inode number, by tree_number */
	struct buf texts;      /* names and targets */
	struct xattr_sets xattrs;
	struct moment newest; /* latest modification since 1970 */
};

int tree_init(struct tree *, struct err *);
void tree_release(struct tree *); /* may be called twice */

/*
 * Makes path what meta says and gives its object. What was there goes away,
 * a directory with all that it holds, except that a directory over a
 * directory only takes the new meta. Errors: names too long, a parent that is
 * a file, too many symbolic links, the root or lost+found as anything but a
 * directory.
 */
int tree_make(struct tree *, const char *path, const struct meta *,
    uint32_t *object, struct err *);

/* The same, but where path is a symbolic link, what it leads to is made. */
int tree_make_through(struct tree *, const char *path, const struct meta *,
    uint32_t *object, struct err *);

/*
 * Makes path another name of target's object. The target may come later: it
 * is promised until then. Gives the object.
 */
int tree_link(struct tree *, const char *path, const char *target,
    uint32_t *object, struct err *);

/* The object at path, symbolic links followed (the last one only if follow);
 * 0 if there is none. */
uint32_t tree_find(const struct tree *, const char *path, bool follow);

/* Adds count blocks behind the object's last run. */
int tree_add_run(
    struct tree *, uint32_t object, const struct run *, struct err *);

/* A further object like this one, without names or runs; 0 and err. */
uint32_t tree_clone(struct tree *, uint32_t object, struct err *);

/* A file that no name leads to, for what the file system keeps itself; 0 and
 * err. */
uint32_t tree_make_nameless(struct tree *, struct err *);

/* Names of a directory in the order in which they came; 0 behind the last. */
uint32_t tree_first_name(const struct tree *, uint32_t directory);
uint32_t tree_next_name(const struct tree *, uint32_t name);

/*
 * After the last entry: fails if a hard link's target never came; gives
 * parents that nobody described the newest time; gives inode numbers, root 2,
 * lost+found 11, the others from 12 in the order of their appearance; and tells
 * them to attributes whose values are among them.
 */
int tree_number(struct tree *, struct err *);

static inline struct object *
tree_object(const struct tree *t, uint32_t object)
{
	return &t->objects[object];
}

static inline const struct name *
tree_name(const struct tree *t, uint32_t name)
{
	return &t->names[name];
}

/* The bytes of a name or of a symbolic link's target; not terminated. */
static inline const char *
tree_text(const struct tree *t, uint32_t text)
{
	return t->texts.data + text;
}

#endif
