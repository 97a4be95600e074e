/* SPDX-License-Identifier: MIT */
/* relay.c - a tree from one VM to another */
#include "cmd/vk-exec/relay.h"

struct relay {
	struct tree_reader reader;
	struct tree_writer writer;
	void (*failed)(const struct err *);
	int failures;
	bool left_out; /* the entry at hand */
};

static int
pass_entry(struct relay *r, const struct tree_entry *entry, struct err *e)
{
	struct tree_entry harmless = *entry;
	struct err why = ERR_INIT;

	r->left_out = entry->kind == TREE_CHAR || entry->kind == TREE_BLOCK;
	if (r->left_out) {
		err_set(&why, EX_NOPERM, "%s: devices stay in their VM",
		    entry->path);
		r->failed(&why);
		r->failures++;
		return 0;
	}
	harmless.mode &= TREE_HARMLESS_MODE;
	return tree_put_entry(&r->writer, &harmless, e);
}

static int
pass(struct relay *r, const struct tree_record *record, struct err *e)
{
	if (record->type == TREE_ENTRY)
		return pass_entry(r, &record->entry, e);
	if (r->left_out)
		return 0;
	if (record->type == TREE_XATTR)
		return tree_xattr_harmless(record->name)
			   ? tree_put_xattr(&r->writer, record->name,
				 record->data, record->len, e)
			   : 0;
	if (record->type == TREE_DATA)
		return tree_put_data(
		    &r->writer, record->offset, record->data, record->len, e);
	return tree_put_close(&r->writer, e);
}

int
relay_tree(int from, int to, const struct tree_wanted *wanted,
    void (*failed)(const struct err *), struct err *e)
{
	struct relay r = {.failed = failed};
	struct tree_record record;
	int got;

	if (tree_reader_init(&r.reader, from) < 0)
		return err_set(e, EX_OSERR, "out of memory");
	r.reader.wanted = wanted;
	tree_writer_init(&r.writer, to);
	while ((got = tree_next(&r.reader, &record, e)) > 0)
		if (pass(&r, &record, e) < 0) {
			got = -1;
			break;
		}
	if (got == 0)
		got = tree_put_end(&r.writer, e);
	tree_writer_release(&r.writer);
	tree_reader_release(&r.reader);
	return got < 0 ? -1 : r.failures;
}
