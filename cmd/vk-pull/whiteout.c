/* SPDX-License-Identifier: MIT */
/* whiteout.c - names in a layer that hide what lies below it */
#include "cmd/vk-pull/whiteout.h"

#include "common/tarin.h"

#define PREFIX     ".wh."
#define PREFIX_LEN 4
#define OPAQUE     PREFIX PREFIX ".opq"

/*
 * Takes out everything below folder that came with a layer below this one.
 * Folders that keep something of this layer are as if it had not named them.
 * A folder is purged once a layer: what is added afterwards is this layer's.
 */
static void
purge(struct walk *w, uint32_t folder)
{
	struct tree *t = w->tree;
	uint32_t at = folder, next;
	bool entered = true; /* coming from above; false: leaving it */

	for (;;) {
		struct tree_node *n = &t->nodes[at];
		bool is_folder = n->type == TAR_DIR;

		if (entered && is_folder &&
		    n->purged != (uint32_t)w->layer + 1) {
			n->purged = (uint32_t)w->layer + 1;
			if (n->first != TREE_NONE) {
				at = n->first;
				continue;
			}
		}
		if (at == folder)
			return;
		next = n->next;
		entered = next != TREE_NONE;
		if (!entered)
			next = n->parent;
		if (n->layer < w->layer) {
			if (!is_folder || n->first == TREE_NONE) {
				tree_remove(t, at);
			} else {
				n->layer = w->layer;
				n->extra = 0;
			}
		}
		at = next;
	}
}

static void
hide(struct walk *w, uint32_t node)
{
	struct tree_node *n = &w->tree->nodes[node];
	bool lower = n->layer < w->layer;

	if (n->type == TAR_DIR) {
		purge(w, node);
		if (!lower)
			return;
		if (n->first != TREE_NONE) {
			n->layer = w->layer;
			n->extra = 0;
			return;
		}
	}
	if (lower)
		tree_remove(w->tree, node);
}

bool
whiteout_is(const char *name, size_t len)
{
	return path_starts(name, len, PREFIX, PREFIX_LEN) &&
	       !whiteout_is_aufs(name, len);
}

bool
whiteout_is_opaque(const char *name, size_t len)
{
	return path_is(name, len, OPAQUE);
}

bool
whiteout_is_aufs(const char *name, size_t len)
{
	return path_starts(name, len, PREFIX PREFIX, 2 * PREFIX_LEN);
}

int
whiteout_apply(struct walk *w, const char *path, struct err *e)
{
	uint32_t folder, node;
	const char *name;
	size_t len;
	int rc = walk_to(w, path, false, &folder, &name, &len, e);

	if (rc < 0)
		return -1;
	name += PREFIX_LEN;
	len -= PREFIX_LEN;
	if (len == 0 || path_is(name, len, ".") || path_is(name, len, ".."))
		return err_set(e, EX_DATAERR, "whiteout of nothing");
	if (rc == 0) /* there is no such folder */
		return 0;
	node = tree_find(w->tree, folder, name, len);
	if (node != TREE_NONE)
		hide(w, node);
	return 0;
}

int
whiteout_apply_opaque(struct walk *w, const char *path, struct err *e)
{
	uint32_t folder;
	const char *last;
	size_t len;
	int rc = walk_to(w, path, false, &folder, &last, &len, e);

	if (rc > 0)
		purge(w, folder);
	return rc < 0 ? -1 : 0;
}
