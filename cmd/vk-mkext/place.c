/* SPDX-License-Identifier: MIT */
/* place.c - names in a tree's directories, there or not */
#include "cmd/vk-mkext/place.h"

#include "cmd/vk-mkext/array.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Twice as many as objects: each may have had another name before. */
#define NAMES_MAX (2 * TREE_OBJECTS_MAX)

static int
no_memory(struct err *e)
{
	return err_set(e, EX_OSERR, "out of memory");
}

static uint32_t
hash_of(const struct tree *t, const struct place *p)
{
	struct siphash_key key = {t->key.k0 ^ p->directory, t->key.k1};

	return (uint32_t)siphash(&key, p->name, p->length);
}

static int
rehash(struct tree *t, uint32_t bucket_count)
{
	uint32_t *buckets = calloc(bucket_count, sizeof(*buckets));

	if (!buckets)
		return -1;
	for (uint32_t i = 1; i < t->name_count; i++) {
		uint32_t *head =
		    &buckets[t->names[i].hash & (bucket_count - 1)];

		t->names[i].chain = *head;
		*head = i;
	}
	free(t->buckets);
	t->buckets = buckets;
	t->bucket_count = bucket_count;
	return 0;
}

uint32_t
place_name(const struct tree *t, const struct place *p)
{
	uint32_t hash = hash_of(t, p);
	uint32_t i = t->buckets[hash & (t->bucket_count - 1)];

	for (; i; i = t->names[i].chain) {
		const struct name *n = &t->names[i];

		if (n->hash == hash && n->parent == p->directory &&
		    n->length == p->length &&
		    memcmp(tree_text(t, n->text), p->name, p->length) == 0)
			return i;
	}
	return 0;
}

uint32_t
place_object(const struct tree *t, const struct place *p)
{
	uint32_t name = place_name(t, p);

	return name ? t->names[name].object : 0;
}

static uint32_t
add_name(struct tree *t, const struct place *p, struct err *e)
{
	struct object *d = &t->objects[p->directory];
	uint32_t id = t->name_count, *head;
	struct name n = {.parent = p->directory, .length = (uint8_t)p->length};

	if (array_grow(&t->names, t->name_count, &t->name_room,
		sizeof(*t->names), NAMES_MAX) < 0 ||
	    (id >= t->bucket_count && rehash(t, t->bucket_count * 2) < 0)) {
		no_memory(e);
		return 0;
	}
	n.text = (uint32_t)t->texts.len;
	if (buf_add(&t->texts, p->name, p->length) < 0) {
		no_memory(e);
		return 0;
	}
	n.hash = hash_of(t, p);
	head = &t->buckets[n.hash & (t->bucket_count - 1)];
	n.chain = *head;
	*head = id;
	t->names[t->name_count++] = n;
	if (d->entries.last)
		t->names[d->entries.last].sibling = id;
	else
		d->entries.first = id;
	d->entries.last = id;
	return id;
}

int
place_attach(
    struct tree *t, const struct place *p, uint32_t object, struct err *e)
{
	uint32_t name = place_name(t, p);

	if (!name)
		name = add_name(t, p, e);
	if (!name)
		return -1;
	t->names[name].object = object;
	t->objects[object].links++;
	if (S_ISDIR(t->objects[object].mode))
		t->objects[object].parent = p->directory;
	return 0;
}

void
place_detach(struct tree *t, uint32_t name)
{
	uint32_t top = t->names[name].object, at = top;

	t->names[name].object = 0;
	t->objects[top].links--;
	if (!S_ISDIR(t->objects[top].mode))
		return;
	/* Depth first without a stack: each directory's list is consumed. */
	for (;;) {
		uint32_t child = t->objects[at].entries.first;

		if (!child) {
			if (at == top)
				return;
			at = t->objects[at].parent;
			continue;
		}
		t->objects[at].entries.first = t->names[child].sibling;
		uint32_t object = t->names[child].object;

		t->names[child].object = 0;
		if (!object)
			continue;
		t->objects[object].links--;
		if (S_ISDIR(t->objects[object].mode))
			at = object;
	}
}

int
place_init(struct tree *t, uint32_t buckets)
{
	t->name_count = 1;
	if (array_grow(
		&t->names, 1, &t->name_room, sizeof(*t->names), NAMES_MAX) < 0)
		return -1;
	return rehash(t, buckets);
}
