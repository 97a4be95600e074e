/* SPDX-License-Identifier: MIT */
/* seen.c - files with several names, by the name that came first */
#include "cmd/vk-mkext/seen.h"

#include <stdlib.h>

struct seen_file {
	uint64_t device, inode;
	uint32_t name; /* 0: free */
};

static struct seen_file *
slot(struct seen_file *files, size_t room, const uint64_t id[2])
{
	size_t i = (id[1] * 0x9e3779b97f4a7c15u ^ id[0]) & (room - 1);

	while (files[i].name &&
	       (files[i].device != id[0] || files[i].inode != id[1]))
		i = (i + 1) & (room - 1);
	return &files[i];
}

static int
grow(struct seen *s)
{
	size_t room = s->room ? s->room * 2 : 64;
	struct seen_file *files = calloc(room, sizeof(*files));

	if (!files)
		return -1;
	for (size_t i = 0; i < s->room; i++)
		if (s->files[i].name)
			*slot(files, room,
			    (uint64_t[]){s->files[i].device,
				s->files[i].inode}) = s->files[i];
	free(s->files);
	s->files = files;
	s->room = room;
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
	f = slot(s->files, s->room, device_inode);
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
