/* SPDX-License-Identifier: MIT */
/* emit.c - the flattened image as one tar */
#include "cmd/vk-pull/emit.h"

#include <stdio.h>
#include <string.h>

struct emit {
	struct tarout *out;
	struct merge *merge;
	const uint32_t *plan; /* of the layer at hand */
	size_t count, at;     /* entries of it, the next one */
	size_t live;          /* that are still to be written */
	bool enough;
	/* the entry that is being written */
	uint32_t node;
	uint64_t left;
	struct tar_entry entry;
};

static int
emit_config(struct tarout *out, const struct buf *config, struct err *e)
{
	struct tar_entry n = {.type = TAR_FILE,
	    .path = EMIT_CONFIG,
	    .link = "",
	    .mode = 0644,
	    .size = config->len,
	    .stored = config->len};

	if (tarout_entry(out, &n, e) < 0)
		return -1;
	return tarout_data(out, config->data, config->len, e);
}

static int
emit_folders(struct tarout *out, struct merge *m, struct err *e)
{
	uint32_t node = MERGE_NONE;

	while ((node = merge_next_folder(m, node)) != MERGE_NONE) {
		char path[(1 << 16) + 4]; /* limits.c: a name's most */
		struct tar_entry n;
		bool told = merge_folder(m, node, &n);
		const char *name = merge_path(m, node, 0);

		/* What nobody said anything of need not be there. */
		if (node == 0 && !told)
			continue;
		snprintf(path, sizeof(path), "%s/", node == 0 ? "." : name);
		n.path = path;
		if (tarout_entry(out, &n, e) < 0)
			return -1;
	}
	return 0;
}

/* The further names of what was just written. */
static int
emit_links(struct emit *x, struct err *e)
{
	struct tar_entry n = x->entry;
	uint32_t link = x->node;

	while ((link = merge_next_link(x->merge, link)) != MERGE_NONE) {
		n.type = TAR_LINK;
		n.path = merge_path(x->merge, link, 1);
		n.link = merge_path(x->merge, x->node, 0);
		n.size = n.stored = 0;
		n.sparse = false;
		n.attrs_len = 0;
		if (tarout_entry(x->out, &n, e) < 0)
			return -1;
	}
	if (--x->live == 0)
		x->enough = true;
	return 0;
}

static int
on_entry(void *into, const struct tar_entry *from, struct err *e)
{
	struct emit *x = into;
	struct tar_entry n = *from;

	if (x->at >= x->count)
		return err_set(e, EX_IOERR, "changed while it was read");
	x->node = x->plan[x->at++];
	if (x->node == MERGE_NONE || x->enough)
		return 0;
	n.path = merge_path(x->merge, x->node, 0);
	x->entry = n;
	x->left = n.stored;
	if (tarout_entry(x->out, &n, e) < 0)
		return -1;
	return x->left == 0 ? emit_links(x, e) : 0;
}

static int
on_data(void *into, const void *data, size_t len, struct err *e)
{
	struct emit *x = into;

	if (x->node == MERGE_NONE || x->enough)
		return 0;
	if (tarout_data(x->out, data, len, e) < 0)
		return -1;
	x->left -= len;
	return x->left == 0 ? emit_links(x, e) : 0;
}

static int
emit_layer(struct emit *x, struct layer *l, size_t number, struct err *e)
{
	static const struct tarin_ops ops = {
	    .entry = on_entry, .data = on_data};

	x->plan = merge_plan(x->merge, number, &x->count);
	x->at = x->live = 0;
	x->node = MERGE_NONE;
	x->enough = false;
	for (size_t i = 0; i < x->count; i++)
		x->live += x->plan[i] != MERGE_NONE;
	if (x->live == 0)
		return 0;
	if (layer_unpack(l, &ops, x, &x->enough, e) < 0)
		return -1;
	if (!x->enough)
		return err_set(e, EX_IOERR, "changed while it was read");
	return 0;
}

int
emit(struct tarout *out, struct merge *m, const struct buf *config,
    struct layer *layers, size_t count, struct err *e)
{
	struct emit x = {.out = out, .merge = m};

	if (emit_config(out, config, e) < 0 || emit_folders(out, m, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (emit_layer(&x, &layers[i], i, e) < 0)
			return -1;
	return tarout_end(out, e);
}
