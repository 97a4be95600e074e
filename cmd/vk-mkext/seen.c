/* SPDX-License-Identifier: MIT */
/* seen.c - files with several names, by the name that came first */
#include "cmd/vk-mkext/seen.h"

#include <stdlib.h>
#include <string.h>

struct seen_file {
	uint64_t device, inode;
	char *path; /* NULL: free */
};

static struct seen_file *
slot(struct seen_file *files, size_t room, const uint64_t id[2])
{
	size_t i = (id[1] * 0x9e3779b97f4a7c15u ^ id[0]) & (room - 1);

	while (files[i].path &&
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
		if (s->files[i].path)
			*slot(files, room,
			    (uint64_t[]){s->files[i].device,
				s->files[i].inode}) = s->files[i];
	free(s->files);
	s->files = files;
	s->room = room;
	return 0;
}

int
seen_path(struct seen *s, const uint64_t device_inode[2], const char *path,
    const char **before, struct err *e)
{
	struct seen_file *f;

	*before = NULL;
	if (s->count * 2 >= s->room && grow(s) < 0)
		return err_set(e, EX_OSERR, "out of memory");
	f = slot(s->files, s->room, device_inode);
	if (f->path) {
		*before = f->path;
		return 0;
	}
	f->path = strdup(path);
	if (!f->path)
		return err_set(e, EX_OSERR, "out of memory");
	f->device = device_inode[0];
	f->inode = device_inode[1];
	s->count++;
	return 0;
}

void
seen_release(struct seen *s)
{
	for (size_t i = 0; i < s->room; i++)
		free(s->files[i].path);
	free(s->files);
	*s = (struct seen){.count = 0};
}
