/* SPDX-License-Identifier: MIT */
/* seen.c - files with several names, by the name that came first */
#include "cmd/vk-mkext/seen.h"

#include <stdlib.h>

struct seen_file {
	uint64_t device, inode;
	uint32_t name; /* 0: free */
};

/* Where it is, or is to be. */
static struct seen_file *
slot(const struct seen *s, const uint64_t id[2])
{
	size_t i = siphash(&s->key, id, 2 * sizeof(*id)) & (s->room - 1);
	struct seen_file *f;

	while ((f = &s->files[i])->name &&
	       (f->device != id[0] || f->inode != id[1]))
		i = (i + 1) & (s->room - 1);
	return f;
}

static int
grow(struct seen *s)
{
	struct seen old = *s;

	if (s->room == 0)
		s->key = siphash_new_key();
	s->room = old.room ? old.room * 2 : 64;
	s->files = calloc(s->room, sizeof(*s->files));
	if (!s->files) {
		*s = old;
		return -1;
	}
	for (size_t i = 0; i < old.room; i++) {
		const struct seen_file *f = &old.files[i];

		if (f->name)
			*slot(s, (uint64_t[]){f->device, f->inode}) = *f;
	}
	free(old.files);
	return 0;
}

uint32_t *
seen_name(struct seen *s, const uint64_t device_inode[2], struct err *e)
{
	struct seen_file *f;

	if (s->count * 2 >= s->room && grow(s) < 0) {
		err_set(e, EX_OSERR, "out of memory");
		return NULL;
	}
	f = slot(s, device_inode);
	if (!f->name) {
		f->device = device_inode[0];
		f->inode = device_inode[1];
		s->count++;
	}
	return &f->name;
}

void
seen_release(struct seen *s)
{
	free(s->files);
	*s = (struct seen){.count = 0};
}
