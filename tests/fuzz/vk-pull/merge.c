/* SPDX-License-Identifier: MIT */
/*
 * merge.c - layers of names, and what must hold of every tree
 *
 * The input is lines: "fNAME", "dNAME", "lNAME\0TARGET", "hNAME\0TARGET"; an
 * empty line begins the next layer.
 */
#include "cmd/vk-pull/merge.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
add_line(struct index *x, const char *line, size_t len, struct err *e)
{
	struct tar_entry n = {.link = ""};
	char text[4096];
	size_t name;

	if (len >= sizeof(text))
		return 0;
	memcpy(text, line, len);
	text[len] = '\0';
	n.type = text[0] == 'd'   ? TAR_DIR
		 : text[0] == 'l' ? TAR_SYMLINK
		 : text[0] == 'h' ? TAR_LINK
				  : TAR_FILE;
	n.path = text + 1;
	name = strlen(text);
	if ((n.type == TAR_SYMLINK || n.type == TAR_LINK) && name < len)
		n.link = text + name + 1;
	return index_add(x, &n, e);
}

/* Every entry that lives has one first name, and its links end. */
static void
check_plan(struct merge *m, size_t layer)
{
	size_t count;
	const uint32_t *plan = merge_plan(m, layer, &count);

	for (size_t i = 0; i < count; i++) {
		uint32_t node = plan[i];

		for (size_t links = 0; node != MERGE_NONE; links++) {
			const char *path = merge_path(m, node, 0);

			assert(links < 100000);
			assert(path[0] && path[0] != '/');
			assert(!strstr(path, "//"));
			assert(strncmp(path, "../", 3) != 0);
			assert(!strstr(path, "/../"));
			node = merge_next_link(m, node);
		}
	}
}

static void
check_folders(struct merge *m)
{
	uint32_t node = MERGE_NONE;
	struct tar_entry n;

	while ((node = merge_next_folder(m, node)) != MERGE_NONE)
		merge_folder(m, node, &n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct merge *m = merge_new(10000, 4096);
	const char *at = (const char *)data, *end = at + size;
	struct err e = ERR_INIT;
	struct index x;
	size_t layers = 0;
	int rc = 0;

	index_init(&x);
	while (at < end && rc == 0 && layers < 50) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((stop ? stop : end) - at);

		if (len > 0)
			rc = add_line(&x, at, len, &e);
		at += len + 1;
		if (rc == 0 && (len == 0 || at >= end)) {
			rc = merge_add(m, &x, &e);
			index_clear(&x);
			layers++;
		}
	}
	if (rc == 0) {
		merge_remove_file(m, ".vk");
		rc = merge_finish(m, &e);
	}
	if (rc == 0) {
		for (size_t i = 0; i < layers; i++)
			check_plan(m, i);
		check_folders(m);
	}
	index_release(&x);
	merge_free(m);
	return 0;
}
