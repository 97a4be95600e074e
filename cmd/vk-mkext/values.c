/* SPDX-License-Identifier: MIT */
/* values.c - values of extended attributes that have inodes of their own */
#include "cmd/vk-mkext/values.h"

#include "cmd/vk-mkext/crc32c.h"
#include "common/scope.h"

#include <ext2fs/ext2_fs.h>
#include <stdlib.h>

/* Inodes that use each set; NULL without memory. To be freed. */
static uint32_t *
count_users(const struct tree *t)
{
	uint32_t *users = calloc(t->xattrs.count, sizeof(*users));

	for (uint32_t i = 1; users && i < t->object_count; i++)
		if (tree_object(t, i)->links > 0)
			users[tree_object(t, i)->xattrs]++;
	return users;
}

static int
make_value(struct tree *t, struct store *s, uint32_t value, uint32_t users,
    uint32_t seed, struct err *e)
{
	struct xattr_value *v = &t->xattrs.values[value];
	const char *bytes = t->xattrs.bytes.data + v->offset;
	struct object *o;

	v->object = tree_make_nameless(t, e);
	if (!v->object)
		return -1;
	v->hash = crc32c(seed, bytes, v->length);
	o = tree_object(t, v->object);
	o->flags = EXT4_EA_INODE_FL;
	o->accessed.seconds = (int32_t)v->hash; /* all 32 bits, no more */
	o->references = (users + XATTR_SHARED_MAX - 1) / XATTR_SHARED_MAX;
	return store_solid(s, v->object, bytes, v->length, e);
}

int
values_make(struct tree *t, struct store *s, const uint8_t uuid[UUID_SIZE],
    struct err *e)
{
	uint32_t seed = crc32c(~0u, uuid, UUID_SIZE);
	cleanup_free uint32_t *users = NULL;

	if (t->xattrs.value_count == 0)
		return 0;
	users = count_users(t);
	if (!users)
		return err_set(e, EX_OSERR, "out of memory");
	for (uint32_t i = 0; i < t->xattrs.value_count; i++) {
		uint32_t set = t->xattrs.values[i].set;

		if (users[set] > 0 &&
		    make_value(t, s, i, users[set], seed, e) < 0)
			return -1;
	}
	return 0;
}
