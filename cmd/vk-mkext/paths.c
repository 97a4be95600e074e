/* SPDX-License-Identifier: MIT */
/* paths.c - paths of a walk, each kept as its last name and what that lies in
 */
#include "cmd/vk-mkext/paths.h"

#include "cmd/vk-mkext/array.h"

#include <string.h>

/* Offsets are 32 bits wide. */
#define NAMES_MAX ((size_t)UINT32_MAX - 1)

struct path {
	uint32_t folder;
	uint32_t name; /* in names, terminated */
};

static uint32_t
add(struct paths *p, uint32_t folder, const char *name, size_t length,
    struct err *e)
{
	uint32_t at = (uint32_t)p->names.len;

	if (array_grow(&p->at, p->count, &p->room, sizeof(*p->at), UINT32_MAX) <
		0 ||
	    buf_add(&p->names, name, length) < 0 ||
	    buf_add(&p->names, "", 1) < 0) {
		err_set(e, EX_OSERR, "out of memory");
		return 0;
	}
	p->at[p->count] = (struct path){folder, at};
	return p->count++;
}

int
paths_init(struct paths *p, const char *top, struct err *e)
{
	*p = (struct paths){.count = PATHS_TOP};
	buf_init(&p->names, NAMES_MAX);
	return add(p, 0, top, strlen(top), e) ? 0 : -1;
}

void
paths_release(struct paths *p)
{
	free(p->at);
	p->at = NULL;
	buf_release(&p->names);
}

uint32_t
paths_add(struct paths *p, uint32_t folder, const char *name, size_t length,
    struct err *e)
{
	return folder ? add(p, folder, name, length, e) : PATHS_TOP;
}

static const char *
name_of(const struct paths *p, uint32_t path)
{
	return p->names.data + p->at[path].name;
}

int
paths_write(const struct paths *p, uint32_t path, struct buf *b, struct err *e)
{
	size_t length = 0;
	char *end;

	for (uint32_t i = path; i; i = p->at[i].folder)
		length += strlen(name_of(p, i)) + (i != path);
	/* A top without a name has no slash behind it. */
	length -= path != PATHS_TOP && !*name_of(p, PATHS_TOP);
	buf_drop(b, b->len);
	b->failed = false;
	end = buf_reserve(b, length);
	if (!end)
		return err_set(e, EX_DATAERR, "%.40s/...%.40s: too long a path",
		    name_of(p, PATHS_TOP), name_of(p, path));
	b->len = length;
	end += length;
	*end = '\0';
	for (uint32_t i = path; i; i = p->at[i].folder) {
		size_t n = strlen(name_of(p, i));

		if (i != path && end > b->data)
			*--end = '/';
		end -= n;
		memcpy(end, name_of(p, i), n);
	}
	return 0;
}
