/* SPDX-License-Identifier: MIT */
/* walk.c - from a path to the folder that it leads to */
#include "cmd/vk-pull/walk.h"

#include "common/tarin.h"

/* Linux: MAXSYMLINKS. */
#define SYMLINKS_MAX 40
/* Path still to be walked, with targets of links put in front. */
#define WALK_MAX (64u << 10)
/* Components that may be looked up: some to start with, and per entry. A usual
 * image needs 5 to 10. */
#define STEPS_FIRST     1000000u
#define STEPS_PER_ENTRY 64u

void
walk_init(struct walk *w, struct tree *tree)
{
	*w = (struct walk){.tree = tree, .steps_max = STEPS_FIRST};
	buf_init(&w->path, WALK_MAX);
}

void
walk_release(struct walk *w)
{
	buf_release(&w->path);
}

void
walk_next_layer(struct walk *w, uint16_t layer, uint64_t entries)
{
	w->layer = layer;
	w->steps_max += entries * STEPS_PER_ENTRY;
}

static int
charge(struct walk *w, uint64_t steps, struct err *e)
{
	w->steps += steps;
	if (w->steps > w->steps_max)
		return err_set(e, EX_DATAERR,
		    "paths and symbolic links need too many steps");
	return 0;
}

int
walk_add(struct walk *w, uint32_t parent, const char *name, size_t len,
    uint32_t *node, struct err *e)
{
	*node = tree_add(w->tree, parent, name, len);
	if (*node == TREE_NONE)
		return err_set(e, EX_DATAERR,
		    "more names than the limit of %u (entries)", w->tree->max);
	w->tree->nodes[*node].type = TAR_DIR;
	w->tree->nodes[*node].layer = w->layer;
	return 0;
}

struct step { /* where a walk stands */
	uint32_t at;
	const char *rest;
	int symlinks;
	bool create; /* missing folders come into being */
};

/* Puts a link's target in front of what is left to walk. */
static int
follow(struct walk *w, struct step *s, uint32_t link, struct err *e)
{
	const char *target = tree_string(w->tree, w->tree->nodes[link].extra);
	cleanup_buf struct buf joined = BUF_INIT(WALK_MAX);
	struct buf swap;

	if (++s->symlinks > SYMLINKS_MAX)
		return err_set(e, EX_DATAERR, "too many symbolic links");
	buf_puts(&joined, target);
	buf_puts(&joined, "/");
	buf_puts(&joined, s->rest);
	if (joined.failed)
		return err_set(e, EX_DATAERR,
		    "path through symbolic links is "
		    "too long");
	if (charge(w, joined.len / 16, e) < 0)
		return -1;
	if (target[0] == '/')
		s->at = TREE_ROOT;
	swap = w->path;
	w->path = joined;
	joined = swap;
	s->rest = w->path.data;
	return 0;
}

/* One component. Returns 1, 0 if there is no such folder, -1 with err. */
static int
step(struct walk *w, struct step *s, size_t len, struct err *e)
{
	const char *name = s->rest;
	uint32_t node;

	s->rest += len;
	if (path_is(name, len, "."))
		return 1;
	if (path_is(name, len, "..")) {
		if (s->at != TREE_ROOT)
			s->at = w->tree->nodes[s->at].parent;
		return 1;
	}
	if (len > TREE_NAME_MAX)
		return err_set(e, EX_DATAERR, "name component longer than %d",
		    TREE_NAME_MAX);
	node = tree_find(w->tree, s->at, name, len);
	if (node == TREE_NONE) {
		if (!s->create)
			return 0;
		return walk_add(w, s->at, name, len, &s->at, e) < 0 ? -1 : 1;
	}
	switch (w->tree->nodes[node].type) {
	case TAR_DIR:
		s->at = node;
		return 1;
	case TAR_SYMLINK:
		return follow(w, s, node, e) < 0 ? -1 : 1;
	default:
		if (!s->create)
			return 0;
		return err_set(
		    e, EX_DATAERR, "'%.*s' is not a folder", (int)len, name);
	}
}

/*
 * Walks to the folder that holds the last component of path. Returns 1 with
 * *folder and the component (*len is 0: path is the root itself), 0 if there
 * is no such folder, -1 with err.
 */
int
walk_to(struct walk *w, const char *path, bool create, uint32_t *folder,
    const char **last, size_t *len, struct err *e)
{
	struct step s = {.at = TREE_ROOT, .create = create};
	const char *at = path;
	size_t n;
	int rc;

	*len = 0;
	*last = path;
	for (; (n = path_component(&at)) > 0; at += n) {
		if (path_is(at, n, ".."))
			return err_set(e, EX_DATAERR, "name with '..'");
		if (path_is(at, n, "."))
			continue;
		*last = at;
		*len = n;
	}
	if (*len > TREE_NAME_MAX)
		return err_set(e, EX_DATAERR, "name component longer than %d",
		    TREE_NAME_MAX);
	buf_drop(&w->path, w->path.len);
	if (buf_add(&w->path, path, (size_t)(*last - path)) < 0)
		return err_set(e, EX_DATAERR, "name too long");
	s.rest = w->path.data;
	while ((n = path_component(&s.rest)) > 0) {
		if (charge(w, 1, e) < 0)
			return -1;
		rc = step(w, &s, n, e);
		if (rc <= 0)
			return rc;
	}
	*folder = s.at;
	return charge(w, 1, e) < 0 ? -1 : 1;
}
