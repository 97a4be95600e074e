/* SPDX-License-Identifier: MIT */
/* recipe.c - what an image is made from, and making it */
#include "cmd/vk-mkext/recipe.h"

#include "cmd/vk-mkext/feed.h"
#include "cmd/vk-mkext/tar.h"
#include "cmd/vk-mkext/walk.h"
#include "common/cursor.h"
#include "common/log.h"
#include "common/size.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

/* Changes when the same recipe and input give other bytes than before. */
#define FORMAT "vk-mkext 2"

/* All that is under way; what is not begun is NULL. */
struct work {
	const struct recipe *recipe;
	const struct recipe_input *input;
	const struct recipe_progress *progress;
	struct fingerprint *print;
	struct sum *sum;
	struct feed *feed;
	struct intake *in; /* NULL: only the fingerprint is wanted */
};

static bool
is_directory(const struct recipe_input *input)
{
	struct stat st;

	return fstat(input->fd, &st) == 0 && S_ISDIR(st.st_mode);
}

static void
step(void *with)
{
	struct work *w = with;
	uint64_t read = w->feed ? feed_count(w->feed) : w->in->store->content;

	w->progress->step(w->progress->with, read);
}

/* ---- the fingerprint ---------------------------------------------------- */

static void
add_number(struct fingerprint *f, const char *label, uint64_t value)
{
	uint8_t bytes[8];
	struct writer w = writer_of(bytes, sizeof(bytes));

	put_le(&w, value, sizeof(bytes));
	fingerprint_add(f, label, bytes, sizeof(bytes));
}

static void
add_text(struct fingerprint *f, const char *label, const char *text)
{
	fingerprint_add(f, label, text, strlen(text));
}

static void
add_recipe(struct fingerprint *f, const struct recipe *r)
{
	add_text(f, "format", FORMAT);
	add_text(f, "label", r->image.label);
	add_number(f, "total", r->image.total);
	add_number(f, "bytes", r->image.bytes);
	add_number(f, "inodes", r->image.inodes);
	add_number(f, "tight", r->image.tight);
	add_number(f, "journal", r->image.journal);
	if (r->epoch)
		add_number(f, "epoch", (uint64_t)r->image.time);
	if (r->rules.owner) {
		add_number(f, "uid", r->rules.uid);
		add_number(f, "gid", r->rules.gid);
	}
	for (size_t i = 0; i < r->rules.exclude_count; i++)
		add_text(f, "exclude", r->rules.excludes[i]);
	for (size_t i = 0; i < r->part_count; i++)
		add_text(f, "part", r->parts[i]);
}

/* Ends the work's sum and adds it. */
static int
add_sum(struct work *w, const char *label, struct err *e)
{
	uint8_t sum[SUM_SIZE];

	if (!w->sum)
		return 0;
	if (sum_finish(w->sum, sum, e) < 0)
		return -1;
	fingerprint_add(w->print, label, sum, sizeof(sum));
	sum_free(w->sum);
	w->sum = NULL;
	return 0;
}

/* ---- reading what it is made from --------------------------------------- */

static bool
lasts(const void *with, const void *data)
{
	return feed_lasts(with, data);
}

/* The content of a tar: what of it is mapped is not copied. */
static int
read_content(struct work *w, struct err *e)
{
	struct store *store = w->in->store;
	struct err unheard = ERR_INIT;
	int result;

	store->lasts = lasts;
	store->with = w->feed;
	result = tar_read(w->feed, w->in, e);
	/* Also after a failure nobody may look at the mapping any more. */
	if (store_flush(store, result < 0 ? &unheard : e) < 0)
		result = -1;
	store->lasts = NULL;
	return result;
}

static int
read_tar(struct work *w, struct err *e)
{
	const void *data;
	ssize_t got;
	int result;

	w->feed = feed_new(w->input->fd, w->sum, e);
	if (!w->feed)
		return -1;
	if (w->in)
		result = read_content(w, e);
	else {
		while ((got = feed_next(w->feed, &data)) > 0)
			continue;
		result = got < 0 ? err_errno(e, EX_IOERR, "read") : 0;
	}
	return result < 0 ? err_prefix(e, "%s", w->input->name) : 0;
}

static int
read_input(struct work *w, struct err *e)
{
	int result;

	if (!w->recipe->uuid && w->recipe->part_count == 0) {
		w->sum = sum_new(e);
		if (!w->sum)
			return -1;
	} else if (!w->in) {
		return 0;
	}
	if (is_directory(w->input))
		result = walk_directory_tree(
		    w->input->fd, w->in, &w->recipe->rules, w->sum, e);
	else
		result = read_tar(w, e);
	/* The thread must have ended before its sum is looked at. */
	feed_free(w->feed);
	w->feed = NULL;
	return result < 0 ? -1 : add_sum(w, "input", e);
}

/* Times of the image: those given, or the newest thing in it. ext4 takes 0
 * for "not set". */
static int64_t
time_of(const struct work *w)
{
	int64_t seconds = w->recipe->epoch ? w->recipe->image.time
			  : w->in          ? w->in->tree->newest.seconds
					   : 0;

	return seconds > 0 ? seconds : 1;
}

static int
read_injects(struct work *w, struct err *e)
{
	struct moment now = {.seconds = time_of(w)};

	for (size_t i = 0; i < w->recipe->inject_count; i++) {
		const struct inject *x = &w->recipe->injects[i];

		if (!w->recipe->uuid && !(w->sum = sum_new(e)))
			return -1;
		/* The host's name of the file does not change the image. */
		add_text(w->print, "inject", x->guest);
		add_number(w->print, "inject mode", x->mode);
		add_number(w->print, "inject uid", x->uid);
		add_number(w->print, "inject gid", x->gid);
		if (inject_apply(x, w->in, w->sum, now, e) < 0 ||
		    add_sum(w, "inject content", e) < 0)
			return -1;
	}
	return 0;
}

static int
read_all(struct work *w, uint8_t uuid[UUID_SIZE], struct err *e)
{
	w->print = fingerprint_new(e);
	if (!w->print)
		return -1;
	add_recipe(w->print, w->recipe);
	if (read_input(w, e) < 0 || read_injects(w, e) < 0)
		return -1;
	if (w->recipe->uuid) {
		memcpy(uuid, w->recipe->image.uuid, UUID_SIZE);
		return 0;
	}
	return fingerprint_uuid(w->print, uuid, e);
}

static void
release(struct work *w)
{
	feed_free(w->feed);
	sum_free(w->sum);
	fingerprint_free(w->print);
}

/* ---- both ways ---------------------------------------------------------- */

int
recipe_fingerprint(const struct recipe *r, const struct recipe_input *input,
    uint8_t uuid[UUID_SIZE], struct err *e)
{
	struct work w = {.recipe = r, .input = input};
	int result = read_all(&w, uuid, e);

	release(&w);
	return result;
}

static void
tell(const struct tree *t, const struct store *s, const uint8_t *uuid)
{
	char size[SIZE_TEXT_MAX], text[UUID_TEXT];

	uuid_text(uuid, text);
	log_info("%" PRIu32 " inodes, %s of content, UUID %s", t->inode_count,
	    size_text(s->content, size), text);
}

int
recipe_build(const struct recipe *r, const struct recipe_input *input, int fd,
    const struct recipe_progress *progress, struct err *e)
{
	struct tree tree = {.object_count = 0};
	struct space space;
	struct store store = {.fd = -1};
	struct intake in;
	struct work w = {
	    .recipe = r, .input = input, .progress = progress, .in = &in};
	struct image_wish wish = r->image;
	int result = -1;

	space_init(&space,
	    r->image.total ? r->image.bytes / BLOCK_SIZE : SPACE_BLOCKS_MAX);
	intake_init(&in, &tree, &store, &r->rules);
	if (progress) {
		in.progress = step;
		in.with = &w;
	}
	if (tree_init(&tree, e) == 0 &&
	    store_init(&store, fd, &tree, &space, e) == 0 &&
	    read_all(&w, wish.uuid, e) == 0) {
		wish.time = time_of(&w);
		intake_report(&in);
		result = image_finish(fd, &tree, &space, &store, &wish, e);
	}
	if (result == 0)
		tell(&tree, &store, wish.uuid);
	release(&w);
	intake_release(&in);
	store_release(&store);
	tree_release(&tree);
	return result;
}
