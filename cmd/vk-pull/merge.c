/* SPDX-License-Identifier: MIT */
/*
 * merge.c - many layers, one tree of names
 *
 * The tree starts empty and each layer changes it, as if its tar were
 * extracted by an engine, entry by entry; only names move, no contents.
 *
 * - A name is taken apart at its slashes. Components of it that are symbolic
 *   links are followed inside the tree, ".." in a link's target never leaves
 *   the root, and the last component is not followed. ".." in an entry's own
 *   name is refused. Missing folders come into being (mode 0755, 0:0).
 * - A folder over a folder changes its owner, mode, times and attributes and
 *   keeps what is in it. Anything else over anything replaces it, with all
 *   that was below.
 * - ".wh.NAME" hides NAME of the layers below, ".wh..wh..opq" hides everything
 *   of the layers below in its folder; neither touches what the same layer
 *   brings, before it or after. Folders that only hold such things stay, as if
 *   they had not been named. ".wh..wh.*" else is AUFS's own: its contents may
 *   be hard-linked to and are hidden otherwise.
 * - A hard link takes the contents (the entry that brought them) that its
 *   target has at that moment. Where the target comes later in the same layer
 *   the link waits for the layer's end; without a target the layer is refused.
 *   What becomes of the target's name afterwards does not touch the link.
 *
 * So contents are entries of layers, and a name points to one. In the end each
 * entry that is still pointed to is written once, under the name that it came
 * with if that lives, and the other names become hard links to that one.
 *
 * Every step of a walk is charged: see walk.h.
 */
#include "cmd/vk-pull/merge.h"

#include "cmd/vk-pull/tree.h"
#include "cmd/vk-pull/walk.h"
#include "cmd/vk-pull/whiteout.h"
#include "common/buf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct waiting { /* a hard link whose target is not there yet */
	uint32_t node;
	uint32_t target; /* offset of its name in the layer's strings */
};

struct vector { /* of fixed-size members */
	void *at;
	size_t count, size;
};

struct merge {
	struct tree tree;
	struct walk walk;      /* through tree */
	struct vector bases;   /* uint32_t: first entry number of each layer */
	uint32_t entries;      /* of all layers */
	uint32_t *plan;        /* one for each entry, from merge_finish */
	struct vector waiting; /* struct waiting, of the layer at hand */
	struct vector hidden;  /* uint32_t: AUFS names of it */
	const struct index *index;
	uint16_t layer;
	struct buf path[2];
	size_t name_max;
};

static int
vector_add(struct vector *v, const void *member, size_t size)
{
	if (v->count == v->size) {
		size_t more = v->size ? 2 * v->size : 16;
		void *grown = realloc(v->at, more * size);

		if (!grown)
			return -1;
		v->at = grown;
		v->size = more;
	}
	memcpy((char *)v->at + v->count++ * size, member, size);
	return 0;
}

struct merge *
merge_new(uint64_t entries_max, size_t name_max)
{
	struct merge *m = calloc(1, sizeof(*m));
	uint32_t max = entries_max < TREE_NONE - 1 ? (uint32_t)entries_max + 1
						   : TREE_NONE - 1;

	if (!m || tree_init(&m->tree, max) < 0) {
		free(m);
		return NULL;
	}
	m->name_max = name_max;
	walk_init(&m->walk, &m->tree);
	buf_init(&m->path[0], name_max + 2);
	buf_init(&m->path[1], name_max + 2);
	return m;
}

void
merge_free(struct merge *m)
{
	if (!m)
		return;
	tree_release(&m->tree);
	free(m->bases.at);
	free(m->plan);
	free(m->waiting.at);
	free(m->hidden.at);
	walk_release(&m->walk);
	buf_release(&m->path[0]);
	buf_release(&m->path[1]);
	free(m);
}

static struct tree_node *
node_at(struct merge *m, uint32_t node)
{
	return &m->tree.nodes[node];
}

/* ---- entries ------------------------------------------------------------ */

static int
set_folder(struct merge *m, uint32_t node, size_t i, struct err *e)
{
	const char *data = index_extra(m->index, i);
	struct index_folder f;
	uint32_t kept;

	memcpy(&f, data, sizeof(f));
	kept = tree_keep(&m->tree, data, sizeof(f) + f.attrs_len);
	if (kept == 0)
		return err_set(e, EX_OSERR, "out of memory for names");
	node_at(m, node)->type = TAR_DIR;
	node_at(m, node)->layer = m->layer;
	node_at(m, node)->extra = kept;
	return 0;
}

/* Points node to what target points to. */
static void
share(struct merge *m, uint32_t node, uint32_t target)
{
	struct tree_node *n = node_at(m, node), *t = node_at(m, target);

	n->type = t->type;
	n->object = t->object;
	n->extra = t->extra;
}

/* The node that a hard link points to: TREE_NONE if there is none (yet). */
static int
find_target(struct merge *m, const char *target, uint32_t *node, struct err *e)
{
	uint32_t folder;
	const char *last;
	size_t len;
	int rc = walk_to(&m->walk, target, false, &folder, &last, &len, e);

	*node = TREE_NONE;
	if (rc < 0)
		return -1;
	if (rc > 0 && len > 0)
		*node = tree_find(&m->tree, folder, last, len);
	if ((rc > 0 && len == 0) ||
	    (*node != TREE_NONE && node_at(m, *node)->type == TAR_DIR))
		return err_set(e, EX_DATAERR, "hard link to a folder");
	return 0;
}

static bool
is_waiting(struct merge *m, uint32_t node)
{
	return node_at(m, node)->type == TAR_LINK;
}

/* A name's contents: the entry's own, or those of a link's target. */
static int
set_contents(
    struct merge *m, uint32_t node, size_t i, uint32_t target, struct err *e)
{
	const struct index_entry *entry = &m->index->entries[i];
	struct tree_node *n = node_at(m, node);
	const char *link = index_extra(m->index, i);

	n->type = entry->type;
	n->layer = m->layer;
	n->link = TREE_NONE;
	if (entry->type == TAR_LINK) {
		struct waiting w = {node, entry->extra};

		if (target != TREE_NONE && !is_waiting(m, target))
			share(m, node, target);
		else if (vector_add(&m->waiting, &w, sizeof(w)) < 0)
			return err_set(e, EX_OSERR, "out of memory");
		return 0;
	}
	n->object = m->entries + (uint32_t)i;
	n->own = true;
	if (entry->type == TAR_SYMLINK && link[0] == '\0')
		return err_set(e, EX_DATAERR, "symbolic link without a target");
	if (entry->type == TAR_SYMLINK) {
		uint32_t kept = tree_keep(&m->tree, link, strlen(link) + 1);

		if (kept == 0)
			return err_set(e, EX_OSERR, "out of memory for names");
		node_at(m, node)->extra = kept;
	}
	return 0;
}

static int
add_name(struct merge *m, size_t i, const char *path, struct err *e)
{
	uint8_t type = m->index->entries[i].type;
	uint32_t folder, node, target = TREE_NONE;
	const char *name;
	size_t len;

	if (type == TAR_LINK &&
	    find_target(m, index_extra(m->index, i), &target, e) < 0)
		return -1;
	if (walk_to(&m->walk, path, true, &folder, &name, &len, e) < 0)
		return -1;
	if (len == 0)
		return type == TAR_DIR
			   ? set_folder(m, TREE_ROOT, i, e)
			   : err_set(e, EX_DATAERR, "the root is no folder");
	node = tree_find(&m->tree, folder, name, len);
	if (node != TREE_NONE && node == target) {
		node_at(m, node)->layer = m->layer;
		return 0; /* a link to itself */
	}
	if (node != TREE_NONE &&
	    (type != TAR_DIR || node_at(m, node)->type != TAR_DIR)) {
		/* The target may be below what its link replaces. */
		tree_remove(&m->tree, node);
		node = TREE_NONE;
	}
	if (node == TREE_NONE &&
	    walk_add(&m->walk, folder, name, len, &node, e) < 0)
		return -1;
	if (whiteout_is_aufs(name, len) &&
	    vector_add(&m->hidden, &node, sizeof(node)) < 0)
		return err_set(e, EX_OSERR, "out of memory");
	return type == TAR_DIR ? set_folder(m, node, i, e)
			       : set_contents(m, node, i, target, e);
}

/* Folders named like whiteouts would be shown by no engine. */
static int
check_folders(const char *path, const char *last, struct err *e)
{
	const char *at = path;
	size_t len;

	for (; (len = path_component(&at)) > 0 && at < last; at += len)
		if (whiteout_is(at, len))
			return err_set(
			    e, EX_DATAERR, "below a whiteout's name");
	return 0;
}

static int
add_entry(struct merge *m, size_t i, struct err *e)
{
	const char *path = index_path(m->index, i), *at = path, *last = path;
	size_t len, last_len = 0;

	for (; (len = path_component(&at)) > 0; at += len)
		if (!path_is(at, len, ".")) {
			last = at;
			last_len = len;
		}
	if (check_folders(path, last, e) < 0)
		return -1;
	if (whiteout_is_opaque(last, last_len))
		return whiteout_apply_opaque(&m->walk, path, e);
	if (whiteout_is(last, last_len))
		return whiteout_apply(&m->walk, path, e);
	return add_name(m, i, path, e);
}

/* ---- the end of a layer ------------------------------------------------- */

/*
 * Links whose target came later: those whose target has contents now get
 * them. A link may wait for a link, so the list is gone through until nothing
 * moves; tars that need more than a few rounds are refused.
 */
#define WAITING_ROUNDS_MAX 16

static int
settle_links(struct merge *m, struct err *e)
{
	struct waiting *w = m->waiting.at;
	size_t left = m->waiting.count;

	for (int round = 0; left > 0 && round < WAITING_ROUNDS_MAX; round++) {
		size_t still = 0;

		for (size_t i = 0; i < left; i++) {
			uint32_t target;

			if (node_at(m, w[i].node)->dead ||
			    !is_waiting(m, w[i].node))
				continue;
			if (find_target(m, m->index->strings.data + w[i].target,
				&target, e) < 0)
				return -1;
			if (target != TREE_NONE && !is_waiting(m, target))
				share(m, w[i].node, target);
			else
				w[still++] = w[i];
		}
		if (still == left)
			break;
		left = still;
	}
	m->waiting.count = 0;
	if (left > 0)
		return err_set(e, EX_DATAERR,
		    "%s: hard link to '%s', which "
		    "is not there",
		    merge_path(m, w[0].node, 0),
		    m->index->strings.data + w[0].target);
	return 0;
}

static void
hide_aufs(struct merge *m)
{
	const uint32_t *hidden = m->hidden.at;

	for (size_t i = 0; i < m->hidden.count; i++)
		if (!node_at(m, hidden[i])->dead)
			tree_remove(&m->tree, hidden[i]);
	m->hidden.count = 0;
}

int
merge_add(struct merge *m, const struct index *index, struct err *e)
{
	if (vector_add(&m->bases, &m->entries, sizeof(m->entries)) < 0)
		return err_set(e, EX_OSERR, "out of memory");
	if (index->count >= UINT32_MAX - m->entries ||
	    m->bases.count > UINT16_MAX)
		return err_set(e, EX_DATAERR, "too many entries");
	m->index = index;
	m->layer = (uint16_t)(m->bases.count - 1);
	walk_next_layer(&m->walk, m->layer, index->count);
	for (size_t i = 0; i < index->count; i++)
		if (add_entry(m, i, e) < 0)
			return err_prefix(e, "%s", index_path(index, i));
	if (settle_links(m, e) < 0)
		return -1;
	hide_aufs(m);
	m->entries += (uint32_t)index->count;
	m->index = NULL;
	return 0;
}

/* ---- the end of all ----------------------------------------------------- */

static uint32_t
find_plain(struct merge *m, const char *path)
{
	uint32_t at = TREE_ROOT;
	size_t len;

	for (; at != TREE_NONE && (len = path_component(&path)) > 0;
	     path += len)
		at = node_at(m, at)->type == TAR_DIR
			 ? tree_find(&m->tree, at, path, len)
			 : TREE_NONE;
	return at;
}

void
merge_remove(struct merge *m, const char *name)
{
	uint32_t node = find_plain(m, name);

	if (node != TREE_NONE)
		tree_remove(&m->tree, node);
}

void
merge_remove_file(struct merge *m, const char *name)
{
	uint32_t node = find_plain(m, name);

	if (node != TREE_NONE && node_at(m, node)->type != TAR_DIR)
		tree_remove(&m->tree, node);
}

/* The name that the contents came with is the one they are written under. */
static void
plan_name(struct merge *m, uint32_t node)
{
	struct tree_node *n = node_at(m, node);
	uint32_t *first = &m->plan[n->object];

	if (*first == MERGE_NONE || n->own) {
		n->link = *first;
		*first = node;
	} else {
		n->link = node_at(m, *first)->link;
		node_at(m, *first)->link = node;
	}
}

/* How long the path of a node is; its folder's is known. */
static uint32_t
path_len(struct merge *m, uint32_t node)
{
	uint32_t parent = node_at(m, node)->parent, above;
	size_t len;

	if (node == TREE_ROOT)
		return 0;
	tree_name(&m->tree, node, &len);
	above = node_at(m, parent)->purged;
	return above > 0 ? above + 1 + (uint32_t)len : (uint32_t)len;
}

int
merge_finish(struct merge *m, struct err *e)
{
	size_t size = (size_t)m->entries * sizeof(*m->plan);

	m->plan = malloc(size > 0 ? size : 1);
	if (!m->plan)
		return err_set(e, EX_OSERR, "out of memory");
	memset(m->plan, 0xff, size);
	for (uint32_t at = TREE_ROOT; at != TREE_NONE;
	     at = tree_next(&m->tree, at, TREE_ROOT, true)) {
		uint32_t len = path_len(m, at);

		if (len > m->name_max)
			return err_set(e, EX_DATAERR,
			    "a name became longer than the limit of %zu "
			    "(name) through symbolic links",
			    m->name_max);
		/* There are no more layers: the field is free. */
		if (node_at(m, at)->type == TAR_DIR)
			node_at(m, at)->purged = len;
		else
			plan_name(m, at);
	}
	return 0;
}

const uint32_t *
merge_plan(const struct merge *m, size_t layer, size_t *count)
{
	const uint32_t *bases = m->bases.at;
	uint32_t end =
	    layer + 1 < m->bases.count ? bases[layer + 1] : m->entries;

	*count = end - bases[layer];
	return m->plan + bases[layer];
}

uint32_t
merge_next_link(const struct merge *m, uint32_t node)
{
	return m->tree.nodes[node].link;
}

uint32_t
merge_next_folder(const struct merge *m, uint32_t node)
{
	if (node == MERGE_NONE)
		return TREE_ROOT;
	do
		node = tree_next(&m->tree, node, TREE_ROOT, true);
	while (node != TREE_NONE && m->tree.nodes[node].type != TAR_DIR);
	return node;
}

bool
merge_folder(const struct merge *m, uint32_t node, struct tar_entry *entry)
{
	uint32_t extra = m->tree.nodes[node].extra;
	struct index_folder f = {.mode = 0755};

	*entry = (struct tar_entry){.type = TAR_DIR, .link = ""};
	if (extra != 0) {
		const char *data = tree_string(&m->tree, extra);

		memcpy(&f, data, sizeof(f));
		entry->attrs = (const uint8_t *)data + sizeof(f);
	}
	entry->mode = f.mode;
	entry->uid = f.uid;
	entry->gid = f.gid;
	entry->mtime = f.mtime;
	entry->mtime_ns = f.mtime_ns;
	entry->attrs_len = f.attrs_len;
	return extra != 0;
}

const char *
merge_path(struct merge *m, uint32_t node, int second)
{
	struct buf *b = &m->path[second];
	char *room = buf_reserve(b, m->name_max + 1 - b->len);
	size_t at = m->name_max, len;

	if (!room)
		return NULL;
	room = b->data;
	room[at] = '\0';
	for (; node != TREE_ROOT; node = node_at(m, node)->parent) {
		const char *name = tree_name(&m->tree, node, &len);

		if (len >= at) /* before merge_finish, which measures */
			return "(a long name)";
		if (room[at] != '\0')
			room[--at] = '/';
		at -= len;
		memcpy(room + at, name, len);
	}
	return room + at;
}
