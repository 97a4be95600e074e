/* SPDX-License-Identifier: MIT */
/* index.c - the names of one layer */
#include "cmd/vk-pull/index.h"

#include <stdlib.h>
#include <string.h>

/* Offsets are 32 bits wide. */
#define STRINGS_MAX ((size_t)UINT32_MAX - 1)

void
index_init(struct index *x)
{
	*x = (struct index){0};
	buf_init(&x->strings, STRINGS_MAX);
}

void
index_release(struct index *x)
{
	free(x->entries);
	x->entries = NULL;
	x->count = x->size = 0;
	buf_release(&x->strings);
}

void
index_clear(struct index *x)
{
	index_release(x);
	index_init(x);
}

static int
grow(struct index *x)
{
	size_t size = x->size ? x->size + x->size / 2 : 256;
	void *grown = realloc(x->entries, size * sizeof(*x->entries));

	if (!grown)
		return -1;
	x->entries = grown;
	x->size = size;
	return 0;
}

int
index_add(struct index *x, const struct tar_entry *n, struct err *e)
{
	struct index_entry entry = {.type = (uint8_t)n->type};
	struct buf *s = &x->strings;

	if (x->count == x->size && grow(x) < 0)
		return err_set(e, EX_OSERR, "out of memory");
	entry.path = (uint32_t)s->len;
	buf_add(s, n->path, strlen(n->path) + 1);
	entry.extra = (uint32_t)s->len;
	if (n->type == TAR_DIR) {
		struct index_folder f = {.mtime = n->mtime,
		    .mtime_ns = n->mtime_ns,
		    .mode = n->mode,
		    .uid = n->uid,
		    .gid = n->gid,
		    .attrs_len = (uint32_t)n->attrs_len};

		buf_add(s, &f, sizeof(f));
		buf_add(s, n->attrs, n->attrs_len);
	} else if (n->type == TAR_LINK || n->type == TAR_SYMLINK) {
		buf_add(s, n->link, strlen(n->link) + 1);
	}
	if (s->failed)
		return err_set(e, EX_OSERR, "out of memory for names");
	x->entries[x->count++] = entry;
	x->data += n->stored;
	return 0;
}
