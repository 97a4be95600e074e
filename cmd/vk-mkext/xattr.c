/* SPDX-License-Identifier: MIT */
/*
 * xattr.c - extended attributes: sets of them, and their form in ext4
 *
 * A set's bytes are its attributes in the order in which ext4 wants those of
 * a block: by namespace, length of the name, name. Each is four bytes of
 * header (namespace, name's length, value's length), the name, the value.
 *
 * Which values leave the block is told by the longest that stays: a set starts
 * with all of them inside and gives up the longest until the rest fits.
 */
#include "cmd/vk-mkext/xattr.h"

#include "cmd/vk-mkext/array.h"
#include "cmd/vk-mkext/space.h"
#include "common/cursor.h"

#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LENGTH 255

/* An entry without its name: struct ext2_ext_attr_entry. */
#define ENTRY 16u

/* A word of zeros ends the entries. */
#define END 4u

/* In the inode a magic word comes first, in a block a header. */
#define INODE_HEAD 4u
#define BLOCK_HEAD 32u
#define BLOCK_ROOM (BLOCK_SIZE - BLOCK_HEAD - END)

/* Distinct sets of an image: as many as there can be files would take, but an
 * attribute for each of a million files is already odd. They are held in
 * memory, which bounds what a hostile tar can make us hold. */
#define SETS_MAX  (4u << 20)
#define BYTES_MAX ((size_t)1 << 30)

/* Of one entry. A tar's header has up to 1 MiB. */
#define DRAFT_MAX ((size_t)4 << 20)

struct xattr_set {
	uint32_t offset, length; /* in bytes */
	uint32_t hash, chain;
	uint32_t longest; /* longer values lie in inodes of their own */
	uint32_t value;   /* the first of these */
};

/* In a set's bytes, before the name. */
#define HEADER 6u

/* One attribute within a set's bytes. */
struct attribute {
	enum xattr_space space;
	const uint8_t *name, *value;
	size_t name_length, length;
};

static bool
next(struct cursor *c, struct attribute *a)
{
	if (c->left == 0)
		return false;
	a->space = get_u8(c);
	a->name_length = get_u8(c);
	a->length = get_le32(c);
	a->name = get_bytes(c, a->name_length);
	a->value = get_bytes(c, a->length);
	return !c->bad;
}

static size_t
padded(size_t length)
{
	return (length + 3) & ~(size_t)3;
}

/* What it takes in an inode or a block. */
static size_t
cost(const struct attribute *a, uint32_t longest)
{
	size_t value = a->length > longest ? 0 : padded(a->length);

	return ENTRY + padded(a->name_length) + value;
}

/* Whether it goes into the inode, of which so much is used. */
static bool
fits_inode(const struct attribute *a, uint32_t longest, size_t used)
{
	return a->length <= longest &&
	       cost(a, longest) <= XATTR_INODE_ROOM - used;
}

static int
compare(const struct attribute *a, const struct attribute *b)
{
	if (a->space != b->space)
		return a->space < b->space ? -1 : 1;
	if (a->name_length != b->name_length)
		return a->name_length < b->name_length ? -1 : 1;
	return memcmp(a->name, b->name, a->name_length);
}

/* ---- putting a set together --------------------------------------------- */

void
xattr_draft_init(struct xattr_draft *d)
{
	buf_init(&d->bytes, DRAFT_MAX);
}

void
xattr_draft_release(struct xattr_draft *d)
{
	buf_release(&d->bytes);
}

static int
too_large(const char *what, struct err *e)
{
	return err_set(e, EX_DATAERR, "extended attributes: %s", what);
}

static void
write_attribute(struct writer *w, const struct attribute *a)
{
	put_le(w, a->space, 1);
	put_le(w, a->name_length, 1);
	put_le(w, a->length, 4);
	put_bytes(w, a->name, a->name_length);
	put_bytes(w, a->value, a->length);
}

/* Copies the draft with the new attribute in its place. */
int
xattr_add_raw(struct xattr_draft *d, enum xattr_space space, const char *name,
    const void *value, size_t length, struct err *e)
{
	struct attribute new = {.space = space,
	    .name = (const uint8_t *)name,
	    .value = value,
	    .name_length = strlen(name),
	    .length = length};
	struct attribute old;
	struct cursor c = cursor_of(d->bytes.data, d->bytes.len);
	struct buf into;
	struct writer w;
	size_t room;
	bool placed = false;

	if (new.name_length > NAME_MAX_LENGTH)
		return err_set(e, EX_DATAERR,
		    "an extended attribute's name longer than 255 bytes");
	if (length > XATTR_VALUE_MAX)
		return too_large("a value of more than 64 KiB", e);
	buf_init(&into, d->bytes.max);
	room = d->bytes.len + HEADER + new.name_length + new.length;
	w = writer_of(buf_reserve(&into, room), room);
	if (!w.start)
		return too_large("more than 4 MiB of one file", e);
	while (next(&c, &old)) {
		int order = compare(&old, &new);

		if (order >= 0 && !placed) {
			write_attribute(&w, &new);
			placed = true;
		}
		if (order != 0)
			write_attribute(&w, &old);
	}
	if (!placed)
		write_attribute(&w, &new);
	into.len = writer_len(&w);
	buf_release(&d->bytes);
	d->bytes = into;
	return 1;
}

int
xattr_add(struct xattr_draft *d, const char *name, const void *value,
    size_t length, struct err *e)
{
	static const struct {
		const char *prefix;
		enum xattr_space space;
	} spaces[] = {
	    {"user.", XATTR_USER},
	    {"trusted.", XATTR_TRUSTED},
	    {"security.", XATTR_SECURITY},
	};

	for (size_t i = 0; i < sizeof(spaces) / sizeof(*spaces); i++) {
		size_t prefix = strlen(spaces[i].prefix);

		if (strncmp(name, spaces[i].prefix, prefix) == 0 &&
		    name[prefix])
			return xattr_add_raw(d, spaces[i].space, name + prefix,
			    value, length, e);
	}
	return 0;
}

/* ---- the sets ----------------------------------------------------------- */

static struct cursor
bytes_of(const struct xattr_sets *s, uint32_t set)
{
	const struct xattr_set *x = &s->sets[set];

	return cursor_of(s->bytes.data + x->offset, x->length);
}

static int
grow(struct xattr_sets *s)
{
	uint32_t room = s->room ? s->room * 2 : 16;
	uint32_t *buckets = calloc(room, sizeof(*buckets));
	struct xattr_set *sets = reallocarray(s->sets, room, sizeof(*s->sets));

	if (sets)
		s->sets = sets;
	if (!sets || !buckets) {
		free(buckets);
		return -1;
	}
	for (uint32_t i = 1; i < s->count; i++) {
		uint32_t *head = &buckets[sets[i].hash & (room - 1)];

		sets[i].chain = *head;
		*head = i;
	}
	free(s->buckets);
	s->buckets = buckets;
	s->bucket_count = s->room = room;
	return 0;
}

int
xattr_sets_init(struct xattr_sets *s, struct err *e)
{
	*s = (struct xattr_sets){.count = 1, .key = siphash_new_key()};
	buf_init(&s->bytes, BYTES_MAX);
	if (grow(s) < 0)
		return err_set(e, EX_OSERR, "out of memory");
	s->sets[0] = (struct xattr_set){.length = 0};
	return 0;
}

void
xattr_sets_release(struct xattr_sets *s)
{
	buf_release(&s->bytes);
	free(s->sets);
	free(s->values);
	free(s->buckets);
	s->sets = NULL;
	s->values = NULL;
	s->buckets = NULL;
}

/* What goes into the inode: as much as fits, in order. */
struct split {
	size_t inode, block; /* bytes */
};

static struct split
split(struct cursor c, uint32_t longest)
{
	struct split s = {.inode = INODE_HEAD + END};
	struct attribute a;

	while (next(&c, &a))
		if (fits_inode(&a, longest, s.inode))
			s.inode += cost(&a, longest);
		else
			s.block += cost(&a, longest);
	return s;
}

/* Gives up the longest values until the rest fits a block. Returns 0, -1 where
 * the names alone are too many. */
static int
fit_block(struct cursor bytes, uint32_t *longest)
{
	*longest = XATTR_VALUE_MAX;
	while (split(bytes, *longest).block > BLOCK_ROOM) {
		struct cursor c = bytes;
		struct attribute a;
		size_t most = 0;

		while (next(&c, &a))
			if (a.length <= *longest && a.length > most)
				most = a.length;
		if (most == 0)
			return -1;
		*longest = (uint32_t)most - 1;
	}
	return 0;
}

/* Notes the values of the newest set that lie in inodes of their own. */
static int
add_values(struct xattr_sets *s, const struct xattr_set *x)
{
	const uint8_t *start = (const uint8_t *)s->bytes.data;
	struct cursor c = cursor_of(start + x->offset, x->length);
	struct attribute a;

	while (next(&c, &a)) {
		if (a.length <= x->longest)
			continue;
		if (array_grow(&s->values, s->value_count, &s->value_room,
			sizeof(*s->values), UINT32_MAX) < 0)
			return -1;
		s->values[s->value_count++] =
		    (struct xattr_value){.set = s->count,
			.offset = (uint32_t)(a.value - start),
			.length = (uint32_t)a.length};
	}
	return 0;
}

int
xattr_keep(
    struct xattr_sets *s, struct xattr_draft *d, uint32_t *set, struct err *e)
{
	const struct buf *b = &d->bytes;
	struct xattr_set new = {
	    .offset = (uint32_t)s->bytes.len, .length = (uint32_t)b->len};
	uint32_t *head;

	*set = 0;
	if (b->len == 0)
		return 0;
	if (fit_block(cursor_of(b->data, b->len), &new.longest) < 0)
		return too_large("more names than fit a block", e);
	new.hash = (uint32_t)siphash(&s->key, b->data, b->len);
	head = &s->buckets[new.hash &(s->bucket_count - 1)];
	for (uint32_t i = *head; i; i = s->sets[i].chain) {
		const struct xattr_set *x = &s->sets[i];

		if (x->hash == new.hash &&
		    x->length ==
			new.length &&memcmp(
			    s->bytes.data + x->offset, b->data, b->len) == 0) {
			*set = i;
			d->bytes.len = 0;
			return 0;
		}
	}
	if (s->count == SETS_MAX)
		return err_set(e, EX_DATAERR,
		    "more than %u different sets of extended attributes",
		    SETS_MAX);
	if (b->len > BYTES_MAX - s->bytes.len)
		return too_large("more than 1 GiB of all files", e);
	new.value = s->value_count;
	if ((s->count == s->room && grow(s) < 0) ||
	    buf_add(&s->bytes, b->data, b->len) < 0 || add_values(s, &new) < 0)
		return err_set(e, EX_OSERR, "out of memory");
	head = &s->buckets[new.hash &(s->bucket_count - 1)];
	new.chain = *head;
	*head = s->count;
	s->sets[s->count] = new;
	*set = s->count++;
	d->bytes.len = 0;
	return 0;
}

void
xattr_each(const struct xattr_sets *s, uint32_t set,
    void (*each)(void *with, enum xattr_space, const char *name,
	size_t name_length, const void *value, size_t length),
    void *with)
{
	struct cursor c = bytes_of(s, set);
	struct attribute a;

	while (next(&c, &a))
		each(with, a.space, (const char *)a.name, a.name_length,
		    a.value, a.length);
}

/* ---- their form in ext4 ------------------------------------------------- */

/* Entries grow from the front, values from the back. Offsets count from base
 * on, which in a block is its start, in an inode behind the magic word. */
struct area {
	uint8_t *base;
	size_t entry, value;
};

static struct ext2_ext_attr_entry *
put_name(struct area *r, const struct attribute *a)
{
	struct ext2_ext_attr_entry *x =
	    (struct ext2_ext_attr_entry *)(r->base + r->entry);

	x->e_name_len = (uint8_t)a->name_length;
	x->e_name_index = (uint8_t)a->space;
	memcpy(x + 1, a->name, a->name_length);
	r->entry += ENTRY + padded(a->name_length);
	return x;
}

static void
put_attribute(struct area *r, const struct attribute *a)
{
	struct ext2_ext_attr_entry *x = put_name(r, a);
	uint8_t *value;

	r->value -= padded(a->length);
	value = r->base + r->value;
	x->e_value_offs = a->length > 0 ? (uint16_t)r->value : 0;
	x->e_value_size = (uint32_t)a->length;
	if (a->length > 0)
		memcpy(value, a->value, a->length);
	x->e_hash = ext2fs_ext_attr_hash_entry(x, value);
}

/* Its value is elsewhere; in its place the value's hash is hashed, as if it
 * were a value of four bytes. */
static void
put_large(
    struct area *r, const struct attribute *a, const struct xattr_value *v)
{
	struct ext2_ext_attr_entry *x = put_name(r, a);
	uint32_t hash = v->hash;

	x->e_value_size = sizeof(hash);
	x->e_hash = ext2fs_ext_attr_hash_entry(x, &hash);
	x->e_value_inum = v->inode;
	x->e_value_size = (uint32_t)a->length;
}

bool
xattr_needs_block(const struct xattr_sets *s, uint32_t set)
{
	return split(bytes_of(s, set), s->sets[set].longest).block > 0;
}

uint64_t
xattr_value_blocks(const struct xattr_sets *s, uint32_t set)
{
	uint64_t blocks = 0;

	for (uint32_t i = s->sets[set].value;
	     i < s->value_count && s->values[i].set == set; i++)
		blocks += (s->values[i].length + BLOCK_SIZE - 1) / BLOCK_SIZE;
	return blocks;
}

void
xattr_put_inode(const struct xattr_sets *s, uint32_t set, uint8_t *room)
{
	struct cursor c = bytes_of(s, set);
	struct area r = {
	    .base = room + INODE_HEAD, .value = XATTR_INODE_ROOM - INODE_HEAD};
	uint32_t longest = s->sets[set].longest;
	size_t used = INODE_HEAD + END;
	struct attribute a;

	while (next(&c, &a))
		if (fits_inode(&a, longest, used)) {
			used += cost(&a, longest);
			put_attribute(&r, &a);
		}
	if (r.entry > 0) {
		struct writer w = writer_of(room, INODE_HEAD);

		put_le(&w, EXT2_EXT_ATTR_MAGIC, INODE_HEAD);
	}
}

void
xattr_put_block(const struct xattr_sets *s, uint32_t set, uint32_t references,
    uint8_t *block)
{
	struct cursor c = bytes_of(s, set);
	struct area r = {
	    .base = block, .entry = BLOCK_HEAD, .value = BLOCK_SIZE};
	struct ext2_ext_attr_header *h = (struct ext2_ext_attr_header *)block;
	uint32_t longest = s->sets[set].longest;
	uint32_t value = s->sets[set].value;
	size_t used = INODE_HEAD + END;
	struct attribute a;

	while (next(&c, &a))
		if (fits_inode(&a, longest, used))
			used += cost(&a, longest);
		else if (a.length > longest)
			put_large(&r, &a, &s->values[value++]);
		else
			put_attribute(&r, &a);
	h->h_magic = EXT2_EXT_ATTR_MAGIC;
	h->h_refcount = references;
	h->h_blocks = 1;
	ext2fs_ext_attr_block_rehash(
	    h, (struct ext2_ext_attr_entry *)(block + r.entry));
}
