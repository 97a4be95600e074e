/* SPDX-License-Identifier: MIT */
/* tree.c - a file system in memory: names, objects, where their content lies */
#include "cmd/vk-mkext/tree.h"

#include "cmd/vk-mkext/array.h"
#include "cmd/vk-mkext/place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* 32-bit offsets reach this far. */
#define TEXTS_MAX ((size_t)4 << 30)

/* A small image has about a thousand names. */
#define FIRST_BUCKETS 1024u

/* A file cut into single blocks needs one run each; 16 bytes a run. */
#define RUNS_MAX (64u << 20)

/* A path being walked: how many links it took, and whom it is for. */
struct walk {
	struct tree *tree;
	const char *path; /* for messages */
	bool make;        /* missing parents */
	unsigned links;
	struct err *err;
};

static int
no_memory(struct err *e)
{
	return err_set(e, EX_OSERR, "out of memory");
}

static uint32_t
add_object(struct tree *t, uint16_t mode, struct err *e)
{
	if (t->object_count == TREE_OBJECTS_MAX) {
		err_set(e, EX_DATAERR, "more than %u files", TREE_OBJECTS_MAX);
		return 0;
	}
	if (array_grow(&t->objects, t->object_count, &t->object_room,
		sizeof(*t->objects), TREE_OBJECTS_MAX) < 0) {
		no_memory(e);
		return 0;
	}
	t->objects[t->object_count] = (struct object){.mode = mode};
	return t->object_count++;
}

static int
add_text(struct tree *t, const char *text, size_t length, uint32_t *at,
    struct err *e)
{
	*at = (uint32_t)t->texts.len;
	if (buf_add(&t->texts, text, length) < 0)
		return no_memory(e);
	return 0;
}

static uint32_t
imply_directory(struct tree *t, const struct place *p, struct err *e)
{
	uint32_t object = add_object(t, S_IFDIR | 0755, e);

	if (!object)
		return 0;
	t->objects[object].implied = true;
	return place_attach(t, p, object, e) < 0 ? 0 : object;
}

static int
refuse(struct walk *w, const char *why)
{
	return err_set(w->err, EX_DATAERR, "%s: %s", w->path, why);
}

static uint32_t walk_directory(struct walk *, uint32_t, const char *, size_t);

/* The directory that a component names, 0 if there is none (err if the walk
 * makes what is missing). */
static uint32_t
step(struct walk *w, const struct place *p)
{
	struct tree *t = w->tree;
	const struct object *o;
	uint32_t object;

	if (p->length == 2 && memcmp(p->name, "..", 2) == 0)
		return t->objects[p->directory].parent;
	if (p->length > TREE_NAME_MAX) {
		refuse(w, "a name longer than 255 bytes");
		return 0;
	}
	object = place_object(t, p);
	if (!object)
		return w->make ? imply_directory(t, p, w->err) : 0;
	o = &t->objects[object];
	if (S_ISDIR(o->mode))
		return object;
	if (!S_ISLNK(o->mode)) {
		refuse(w, strerror(ENOTDIR));
		return 0;
	}
	if (++w->links > TREE_LINKS_MAX) {
		refuse(w, strerror(ELOOP));
		return 0;
	}
	/* The walk may add text, which moves the target: it needs a copy. */
	char target[TREE_TARGET_MAX];
	uint32_t length = o->target.length;

	memcpy(target, tree_text(t, o->target.text), length);
	return walk_directory(w, p->directory, target, length);
}

/* Follows all of a path from a directory; every part must be one. */
static uint32_t
walk_directory(
    struct walk *w, uint32_t directory, const char *path, size_t length)
{
	const char *end = path + length;

	if (length > 0 && *path == '/')
		directory = TREE_ROOT;
	while (directory) {
		struct place p = {.directory = directory};

		while (path < end && *path == '/')
			path++;
		if (path == end)
			break;
		p.name = path;
		while (path < end && *path != '/')
			path++;
		p.length = (size_t)(path - p.name);
		if (p.length == 1 && *p.name == '.')
			continue;
		directory = step(w, &p);
	}
	return directory;
}

/* Splits a path into the directory that holds its last name and that name,
 * whose length is 0 if the path means the directory itself. */
static int
walk_from(struct walk *w, uint32_t directory, const char *path, struct place *p)
{
	size_t length = strlen(path), start;

	while (length > 0 && path[length - 1] == '/')
		length--;
	for (start = length; start > 0 && path[start - 1] != '/';)
		start--;
	p->name = path + start;
	p->length = length - start;
	if (p->length > TREE_NAME_MAX)
		return refuse(w, "a name longer than 255 bytes");
	if (length == 0)
		start = strlen(path); /* nothing but slashes, if that */
	if ((p->length == 1 && *p->name == '.') ||
	    (p->length == 2 && memcmp(p->name, "..", 2) == 0)) {
		start = length;
		p->length = 0;
	}
	p->directory = walk_directory(w, directory, path, start);
	return p->directory ? 0 : -1;
}

static int
walk_to(struct walk *w, const char *path, struct place *p)
{
	return walk_from(w, TREE_ROOT, path, p);
}

static void
take_meta(struct object *o, const struct meta *m)
{
	o->mode = m->mode;
	o->uid = m->uid;
	o->gid = m->gid;
	o->modified = m->modified;
	o->accessed = m->accessed;
	o->changed = m->changed;
	o->flags = m->flags;
	o->xattrs = m->xattrs;
	o->implied = false;
	o->promised = false;
	if (S_ISCHR(m->mode) || S_ISBLK(m->mode)) {
		o->device.major = m->device_major;
		o->device.minor = m->device_minor;
	}
}

static bool
later(const struct moment *a, const struct moment *b)
{
	return a->seconds != b->seconds ? a->seconds > b->seconds
					: a->nanoseconds > b->nanoseconds;
}

/* Finds the object that takes an entry: the one there if it may stay, a new
 * one in its place otherwise. */
static uint32_t
object_for(struct walk *w, const struct place *p, uint16_t mode)
{
	struct tree *t = w->tree;
	uint32_t name = p->length > 0 ? place_name(t, p) : 0;
	uint32_t there =
	    p->length > 0 ? (name ? t->names[name].object : 0) : p->directory;
	uint32_t object;

	if (there && (S_ISDIR(mode) && S_ISDIR(t->objects[there].mode)))
		return there;
	if (there == TREE_ROOT || there == TREE_LOST_FOUND || p->length == 0) {
		refuse(w, "must be a directory");
		return 0;
	}
	if (there && t->objects[there].promised) {
		if (!S_ISDIR(mode))
			return there;
		refuse(w, "a hard link to it came before, but a directory "
			  "cannot have any");
		return 0;
	}
	object = add_object(t, mode, w->err);
	if (!object)
		return 0;
	if (there)
		place_detach(t, name);
	return place_attach(t, p, object, w->err) < 0 ? 0 : object;
}

/* Goes on to where a symbolic link at the place leads, and so on. The name may
 * then lie in the caller's buffer of TREE_TARGET_MAX + 1. */
static int
follow_last(struct walk *w, struct place *p, char *target)
{
	const struct object *o;
	uint32_t object;

	while (p->length > 0 && (object = place_object(w->tree, p)) != 0 &&
	       S_ISLNK(w->tree->objects[object].mode)) {
		o = &w->tree->objects[object];
		if (++w->links > TREE_LINKS_MAX)
			return refuse(w, strerror(ELOOP));
		memcpy(target, tree_text(w->tree, o->target.text),
		    o->target.length);
		target[o->target.length] = 0;
		if (walk_from(w, p->directory, target, p) < 0)
			return -1;
	}
	return 0;
}

static int
make(struct walk *w, const struct place *p, const struct meta *m,
    uint32_t *object)
{
	struct tree *t = w->tree;
	size_t length = m->target ? strlen(m->target) : 0;
	uint32_t text;

	if (S_ISLNK(m->mode) && (length == 0 || length > TREE_TARGET_MAX))
		return refuse(w, "a symbolic link's target must have 1 to "
				 "4095 bytes");
	*object = object_for(w, p, m->mode);
	if (!*object)
		return -1;
	take_meta(&t->objects[*object], m);
	if (later(&m->modified, &t->newest))
		t->newest = m->modified;
	if (!S_ISLNK(m->mode))
		return 0;
	if (add_text(t, m->target, length, &text, w->err) < 0)
		return -1;
	t->objects[*object].target.text = text;
	t->objects[*object].target.length = (uint32_t)length;
	t->objects[*object].size = length;
	return 0;
}

int
tree_make(struct tree *t, const char *path, const struct meta *m,
    uint32_t *object, struct err *e)
{
	struct walk w = {.tree = t, .path = path, .make = true, .err = e};
	struct place p;

	return walk_to(&w, path, &p) < 0 ? -1 : make(&w, &p, m, object);
}

int
tree_make_through(struct tree *t, const char *path, const struct meta *m,
    uint32_t *object, struct err *e)
{
	struct walk w = {.tree = t, .path = path, .make = true, .err = e};
	char target[TREE_TARGET_MAX + 1];
	struct place p;

	if (walk_to(&w, path, &p) < 0 || follow_last(&w, &p, target) < 0)
		return -1;
	return make(&w, &p, m, object);
}

/* The object that a hard link means, promised if it is not there. */
static uint32_t
link_target(struct walk *w, const char *target)
{
	struct tree *t = w->tree;
	struct place p;
	uint32_t object;

	if (walk_to(w, target, &p) < 0)
		return 0;
	object = p.length > 0 ? place_object(t, &p) : p.directory;
	if (object && S_ISDIR(t->objects[object].mode)) {
		refuse(w, "a hard link to a directory");
		return 0;
	}
	if (object)
		return object;
	object = add_object(t, S_IFREG, w->err);
	if (!object)
		return 0;
	t->objects[object].promised = true;
	return place_attach(t, &p, object, w->err) < 0 ? 0 : object;
}

int
tree_link(struct tree *t, const char *path, const char *target,
    uint32_t *object, struct err *e)
{
	struct walk w = {.tree = t, .path = path, .make = true, .err = e};
	struct place p;
	uint32_t name, there;

	*object = link_target(&w, target);
	if (!*object)
		return -1;
	w.links = 0;
	if (walk_to(&w, path, &p) < 0)
		return -1;
	name = p.length > 0 ? place_name(t, &p) : 0;
	there = name ? t->names[name].object : p.length > 0 ? 0 : p.directory;
	if (there == *object)
		return 0;
	if (there == TREE_ROOT || there == TREE_LOST_FOUND || p.length == 0)
		return refuse(&w, "must be a directory");
	if (there && t->objects[there].promised)
		return refuse(&w, "a hard link to it came before, but it is a "
				  "hard link itself");
	if (there)
		place_detach(t, name);
	if (t->objects[*object].links == 0)
		return refuse(&w, "a hard link to a file that it replaces");
	return place_attach(t, &p, *object, e);
}

uint32_t
tree_find(const struct tree *t, const char *path, bool follow)
{
	struct err ignored = ERR_INIT;
	/* Without make the walk changes nothing. */
	struct walk w = {
	    .tree = (struct tree *)t, .path = path, .err = &ignored};
	char target[TREE_TARGET_MAX + 1];
	struct place p;

	if (walk_to(&w, path, &p) < 0 ||
	    (follow && follow_last(&w, &p, target) < 0))
		return 0;
	return p.length > 0 ? place_object(t, &p) : p.directory;
}

int
tree_add_run(
    struct tree *t, uint32_t object, const struct run *r, struct err *e)
{
	struct object *o = &t->objects[object];
	struct run *last = o->runs > 0 ? &t->runs[o->run + o->runs - 1] : NULL;

	if (last && last->physical + last->count == r->physical &&
	    last->logical + last->count == r->logical &&
	    last->count + r->count > last->count) {
		last->count += r->count;
		return 0;
	}
	if (t->run_count == RUNS_MAX)
		return err_set(e, EX_DATAERR, "files in too many pieces");
	if (array_grow(&t->runs, t->run_count, &t->run_room, sizeof(*t->runs),
		RUNS_MAX) < 0)
		return no_memory(e);
	if (o->runs == 0)
		o->run = t->run_count;
	t->runs[t->run_count++] = *r;
	o->runs++;
	return 0;
}

uint32_t
tree_clone(struct tree *t, uint32_t object, struct err *e)
{
	uint32_t clone = add_object(t, t->objects[object].mode, e);

	if (!clone)
		return 0;
	t->objects[clone] = t->objects[object];
	t->objects[clone].links = 0;
	t->objects[clone].runs = 0;
	return clone;
}

uint32_t
tree_make_nameless(struct tree *t, struct err *e)
{
	uint32_t object = add_object(t, S_IFREG | 0600, e);

	if (object)
		t->objects[object].links = 1;
	return object;
}

uint32_t
tree_first_name(const struct tree *t, uint32_t directory)
{
	uint32_t name = t->objects[directory].entries.first;

	while (name && !t->names[name].object)
		name = t->names[name].sibling;
	return name;
}

uint32_t
tree_next_name(const struct tree *t, uint32_t name)
{
	do
		name = t->names[name].sibling;
	while (name && !t->names[name].object);
	return name;
}

static int
broken_promise(const struct tree *t, uint32_t object, struct err *e)
{
	for (uint32_t i = 1; i < t->name_count; i++) {
		const struct name *n = &t->names[i];

		if (n->object == object)
			return err_set(e, EX_DATAERR,
			    "%.*s: a hard link's target is not there",
			    (int)n->length, tree_text(t, n->text));
	}
	return err_set(e, EX_DATAERR, "a hard link's target is not there");
}

int
tree_number(struct tree *t, struct err *e)
{
	uint32_t inode = 11;

	for (uint32_t i = 1; i < t->object_count; i++) {
		struct object *o = &t->objects[i];

		if (o->links == 0)
			continue;
		if (o->promised)
			return broken_promise(t, i, e);
		if (o->implied)
			o->modified = o->accessed = o->changed = t->newest;
		o->inode = i == TREE_ROOT         ? 2
			   : i == TREE_LOST_FOUND ? 11
						  : ++inode;
	}
	t->inode_count = inode;
	for (uint32_t i = 0; i < t->xattrs.value_count; i++) {
		struct xattr_value *v = &t->xattrs.values[i];

		v->inode = t->objects[v->object].inode;
	}
	return 0;
}

int
tree_init(struct tree *t, struct err *e)
{
	struct place p = {.directory = TREE_ROOT, .name = "lost+found"};
	uint32_t root, found;

	p.length = strlen(p.name);
	*t = (struct tree){.object_count = 1, .key = siphash_new_key()};
	buf_init(&t->texts, TEXTS_MAX - 1);
	if (xattr_sets_init(&t->xattrs, e) < 0)
		return -1;
	if (array_grow(&t->objects, 1, &t->object_room, sizeof(*t->objects),
		TREE_OBJECTS_MAX) < 0 ||
	    place_init(t, FIRST_BUCKETS) < 0)
		return no_memory(e);
	root = add_object(t, S_IFDIR | 0755, e);
	found = root ? add_object(t, S_IFDIR | 0700, e) : 0;
	if (!found)
		return -1;
	t->objects[root].implied = true;
	t->objects[root].links = 1;
	t->objects[root].parent = root;
	t->objects[found].implied = true;
	return place_attach(t, &p, found, e);
}

void
tree_release(struct tree *t)
{
	free(t->objects);
	free(t->names);
	free(t->runs);
	free(t->buckets);
	buf_release(&t->texts);
	xattr_sets_release(&t->xattrs);
	*t = (struct tree){.object_count = 0};
}
