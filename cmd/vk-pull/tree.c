/* SPDX-License-Identifier: MIT */
/* tree.c - names in folders, compactly */
#include "cmd/vk-pull/tree.h"

#include "common/tarin.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_FIRST 1024u

int
tree_init(struct tree *t, uint32_t max)
{
	*t = (struct tree){.max = max, .mask = BUCKETS_FIRST - 1};
	buf_init(&t->strings, (size_t)UINT32_MAX - 1);
	t->key = siphash_new_key();
	t->size = max < 256 ? max : 256;
	t->nodes = malloc(t->size * sizeof(*t->nodes));
	t->buckets = malloc(BUCKETS_FIRST * sizeof(*t->buckets));
	if (!t->nodes || !t->buckets || buf_add(&t->strings, "", 1) < 0) {
		tree_release(t);
		return -1;
	}
	memset(t->buckets, 0xff, BUCKETS_FIRST * sizeof(*t->buckets));
	t->nodes[0] = (struct tree_node){.parent = TREE_NONE,
	    .next = TREE_NONE,
	    .prev = TREE_NONE,
	    .chain = TREE_NONE,
	    .first = TREE_NONE,
	    .last = TREE_NONE,
	    .type = TAR_DIR};
	t->count = 1;
	return 0;
}

void
tree_release(struct tree *t)
{
	free(t->nodes);
	free(t->buckets);
	t->nodes = NULL;
	t->buckets = NULL;
	buf_release(&t->strings);
}

static uint32_t *
bucket_of(const struct tree *t, uint32_t folder, const char *name, size_t len)
{
	struct siphash_key key = {t->key.k0 ^ folder, t->key.k1};

	return &t->buckets[siphash(&key, name, len) & t->mask];
}

uint32_t
tree_find(const struct tree *t, uint32_t folder, const char *name, size_t len)
{
	uint32_t at = *bucket_of(t, folder, name, len);

	while (at != TREE_NONE) {
		const struct tree_node *n = &t->nodes[at];
		size_t have;
		const char *its = tree_name(t, at, &have);

		if (n->parent == folder && have == len &&
		    memcmp(its, name, len) == 0)
			return at;
		at = n->chain;
	}
	return TREE_NONE;
}

static int
grow_nodes(struct tree *t)
{
	uint32_t size = t->size + t->size / 2;
	void *grown;

	if (t->count >= t->max)
		return -1;
	if (size > t->max)
		size = t->max;
	grown = realloc(t->nodes, size * sizeof(*t->nodes));
	if (!grown)
		return -1;
	t->nodes = grown;
	t->size = size;
	return 0;
}

/* Twice as many buckets; longer chains if there is no memory for it. */
static void
grow_buckets(struct tree *t)
{
	uint32_t count = 2 * (t->mask + 1);
	uint32_t *fresh = malloc(count * sizeof(*fresh));

	if (!fresh)
		return;
	memset(fresh, 0xff, count * sizeof(*fresh));
	free(t->buckets);
	t->buckets = fresh;
	t->mask = count - 1;
	for (uint32_t i = 1; i < t->count; i++) {
		size_t len;
		const char *name = tree_name(t, i, &len);
		uint32_t *bucket;

		if (t->nodes[i].dead)
			continue;
		bucket = bucket_of(t, t->nodes[i].parent, name, len);
		t->nodes[i].chain = *bucket;
		*bucket = i;
	}
}

uint32_t
tree_keep(struct tree *t, const void *bytes, size_t len)
{
	uint32_t offset = (uint32_t)t->strings.len;

	return buf_add(&t->strings, bytes, len) < 0 ? 0 : offset;
}

static void
append(struct tree *t, uint32_t folder, uint32_t node)
{
	struct tree_node *f = &t->nodes[folder], *n = &t->nodes[node];

	n->parent = folder;
	n->next = TREE_NONE;
	n->prev = f->last;
	if (f->last == TREE_NONE)
		f->first = node;
	else
		t->nodes[f->last].next = node;
	f->last = node;
}

uint32_t
tree_add(struct tree *t, uint32_t folder, const char *name, size_t len)
{
	char head = (char)len;
	uint32_t node = t->count, at, *bucket;

	assert(len > 0 && len <= TREE_NAME_MAX);
	if (t->count >= t->size && grow_nodes(t) < 0)
		return TREE_NONE;
	at = tree_keep(t, &head, 1);
	if (at == 0 || buf_add(&t->strings, name, len) < 0)
		return TREE_NONE;
	t->nodes[node] = (struct tree_node){
	    .name = at, .first = TREE_NONE, .last = TREE_NONE};
	append(t, folder, node);
	bucket = bucket_of(t, folder, name, len);
	t->nodes[node].chain = *bucket;
	*bucket = node;
	if (++t->count > t->mask)
		grow_buckets(t);
	return node;
}

static void
unhash(struct tree *t, uint32_t node)
{
	size_t len;
	const char *name = tree_name(t, node, &len);
	uint32_t *at = bucket_of(t, t->nodes[node].parent, name, len);

	while (*at != node)
		at = &t->nodes[*at].chain;
	*at = t->nodes[node].chain;
	t->nodes[node].dead = true;
}

uint32_t
tree_next(const struct tree *t, uint32_t node, uint32_t top, bool deeper)
{
	const struct tree_node *n = &t->nodes[node];

	if (deeper && n->type == TAR_DIR && n->first != TREE_NONE)
		return n->first;
	while (node != top) {
		if (t->nodes[node].next != TREE_NONE)
			return t->nodes[node].next;
		node = t->nodes[node].parent;
	}
	return TREE_NONE;
}

void
tree_remove(struct tree *t, uint32_t node)
{
	struct tree_node *n = &t->nodes[node];
	struct tree_node *f = &t->nodes[n->parent];

	assert(node != TREE_ROOT && !n->dead);
	if (n->prev == TREE_NONE)
		f->first = n->next;
	else
		t->nodes[n->prev].next = n->next;
	if (n->next == TREE_NONE)
		f->last = n->prev;
	else
		t->nodes[n->next].prev = n->prev;
	for (uint32_t at = node; at != TREE_NONE;
	     at = tree_next(t, at, node, true))
		unhash(t, at);
}
