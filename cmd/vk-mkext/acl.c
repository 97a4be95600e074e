/* SPDX-License-Identifier: MIT */
/* acl.c - POSIX access control lists, in the form that ext4 keeps */
#include "cmd/vk-mkext/acl.h"

#include "common/cursor.h"

#include <stdlib.h>

/* Version of each form. */
#define VERSION_LINUX 2
#define VERSION_EXT4  1

int
acl_add(struct acl *a, const struct acl_entry *x)
{
	if (a->count == ACL_ENTRIES_MAX)
		return -1;
	a->entries[a->count++] = *x;
	return 0;
}

static bool
is_named(uint16_t tag)
{
	return tag == ACL_USER || tag == ACL_GROUP;
}

static bool
known(uint16_t tag)
{
	return tag == ACL_OWNER || tag == ACL_USER || tag == ACL_OWNING_GROUP ||
	       tag == ACL_GROUP || tag == ACL_MASK || tag == ACL_OTHER;
}

int
acl_parse(struct acl *a, const void *value, size_t length, struct err *e)
{
	struct cursor c = cursor_of(value, length);

	uint32_t version = get_le32(&c);

	a->count = 0;
	if (version != VERSION_LINUX && version != VERSION_EXT4)
		return err_set(e, EX_DATAERR, "an ACL of an unknown form");
	while (!c.bad && c.left > 0) {
		struct acl_entry x = {.tag = get_le16(&c)};

		x.permissions = get_le16(&c) & 7;
		if (version == VERSION_LINUX || is_named(x.tag))
			x.id = get_le32(&c);
		if (c.bad || !known(x.tag) || acl_add(a, &x) < 0)
			return err_set(
			    e, EX_DATAERR, "an ACL that is not well formed");
	}
	return 0;
}

static int
compare(const void *left, const void *right)
{
	const struct acl_entry *a = left, *b = right;

	if (a->tag != b->tag)
		return a->tag < b->tag ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

size_t
acl_encode(struct acl *a, uint8_t into[ACL_SIZE_MAX])
{
	struct writer w = writer_of(into, ACL_SIZE_MAX);

	qsort(a->entries, a->count, sizeof(*a->entries), compare);
	put_le(&w, VERSION_EXT4, 4);
	for (size_t i = 0; i < a->count; i++) {
		const struct acl_entry *x = &a->entries[i];
		put_le(&w, x->tag, 2);
		put_le(&w, x->permissions, 2);
		if (is_named(x->tag))
			put_le(&w, x->id, 4);
	}
	return writer_len(&w);
}

bool
acl_is_mode(const struct acl *a)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->entries[i].tag & (ACL_USER | ACL_GROUP | ACL_MASK))
			return false;
	return true;
}

uint16_t
acl_mode(const struct acl *a, uint16_t mode)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->entries[i].tag == ACL_MASK)
			return (
			    uint16_t)((mode & ~070u) |
				      (unsigned)a->entries[i].permissions << 3);
	return mode;
}
