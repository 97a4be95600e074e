/* SPDX-License-Identifier: MIT */
/* keep.c - what the cache holds, and how it is made smaller */
#include "cmd/vk-pull/keep.h"

#include "common/scope.h"
#include "common/size.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define DAY 86400

struct file {
	char name[200]; /* below the cache's root */
	uint64_t size;
	time_t used;
};

struct files {
	struct file *at;
	size_t count, size;
	uint64_t bytes;
};

static int
add_file(struct files *f, const char *folder, const char *name,
    const struct stat *st)
{
	struct file *n;

	if (f->count == f->size) {
		size_t size = f->size ? 2 * f->size : 64;
		void *grown = realloc(f->at, size * sizeof(*f->at));

		if (!grown)
			return -1;
		f->at = grown;
		f->size = size;
	}
	n = &f->at[f->count++];
	snprintf(n->name, sizeof(n->name), "%s/%.180s", folder, name);
	n->size = (uint64_t)st->st_size;
	n->used = st->st_atim.tv_sec > st->st_mtim.tv_sec ? st->st_atim.tv_sec
							  : st->st_mtim.tv_sec;
	f->bytes += n->size;
	return 0;
}

/* Adds the files of one folder. */
static int
read_folder(struct cache *c, const char *folder, struct files *f, struct err *e)
{
	int fd = openat(c->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	struct stat st;
	int rc = 0;

	if (!dir) {
		fd_close(&fd);
		return err_errno(e, 0, "%s/%s", c->root, folder);
	}
	while (rc == 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' ||
		    fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		if (add_file(f, folder, entry->d_name, &st) < 0)
			rc = err_set(e, EX_OSERR, "out of memory");
	}
	closedir(dir);
	return rc;
}

static int
read_blobs(struct cache *c, struct files *f, struct err *e)
{
	return read_folder(c, "blobs/sha256", f, e) < 0 ||
		       read_folder(c, "blobs/sha512", f, e) < 0
		   ? -1
		   : 0;
}

/* Puts the longest unused first. */
static int
compare_used(const void *a, const void *b)
{
	const struct file *x = a, *y = b;

	if (x->used != y->used)
		return x->used < y->used ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* ---- listing ------------------------------------------------------------ */

static void
list_tag(struct cache *c, FILE *out, const struct file *f, time_t now)
{
	char *text = cache_read_tag(c, f->name), *rest = text;
	char *digest = text ? strsep(&rest, "\n") : NULL;
	char *type = rest ? strsep(&rest, "\n") : NULL;
	char *name = rest ? strsep(&rest, "\n") : NULL;

	(void)type;
	if (name) {
		err_printable(name);
		err_printable(digest);
		fprintf(out, "image\t-\t%lld\t%s\t%s\n",
		    (long long)(now - f->used), name, digest);
	}
	free(text);
}

int
keep_list(struct cache *c, FILE *out, struct err *e)
{
	struct files tags = {0}, blobs = {0}, partial = {0};
	time_t now = time(NULL);
	int rc = -1;

	if (read_folder(c, "tags", &tags, e) < 0 ||
	    read_blobs(c, &blobs, e) < 0 ||
	    read_folder(c, "partial", &partial, e) < 0)
		goto out;
	for (size_t i = 0; i < tags.count; i++)
		list_tag(c, out, &tags.at[i], now);
	for (size_t i = 0; i < blobs.count; i++)
		fprintf(out, "blob\t%llu\t%lld\t%.6s:%s\n",
		    (unsigned long long)blobs.at[i].size,
		    (long long)(now - blobs.at[i].used), blobs.at[i].name + 6,
		    blobs.at[i].name + 13);
	for (size_t i = 0; i < partial.count; i++)
		fprintf(out, "partial\t%llu\t%lld\t%s\n",
		    (unsigned long long)partial.at[i].size,
		    (long long)(now - partial.at[i].used),
		    partial.at[i].name + 8);
	rc = fflush(out) != 0 ? err_errno(e, EX_IOERR, "stdout") : 0;
out:
	free(tags.at);
	free(blobs.at);
	free(partial.at);
	return rc;
}

/* ---- making it smaller -------------------------------------------------- */

int
keep_parse(struct keep_limit *l, const char *text, struct err *e)
{
	size_t len = strlen(text);
	char last = len > 0 ? text[len - 1] : '\0';
	uint64_t ms;

	*l = (struct keep_limit){0};
	if (last == 'd') {
		char days[32];
		uint64_t n;

		snprintf(days, sizeof(days), "%.*s", (int)len - 1, text);
		if (number_parse(days, 100000, &n) == 0 && n > 0) {
			l->age_s = n * DAY;
			return 0;
		}
	} else if (last == 'h' || last == 'm' || last == 's') {
		if (duration_parse(text, &ms) == 0 && ms >= 1000) {
			l->age_s = ms / 1000;
			return 0;
		}
	} else if (size_parse(text, &l->size) == 0) {
		return 0;
	}
	err_set(e, EX_USAGE, "%s: neither an age nor a size", text);
	return err_hint(e, "30d, 12h, 90m or 10s; 512M or 2G");
}

/* Names whose manifest is no longer there mean nothing offline. */
static void
remove_stale_tags(struct cache *c, const struct files *tags)
{
	for (size_t i = 0; i < tags->count; i++) {
		char *text = cache_read_tag(c, tags->at[i].name);
		struct digest d;
		uint64_t size;
		int fd = -1;

		if (text)
			text[strcspn(text, "\n")] = '\0';
		if (text && digest_parse(&d, text) == 0)
			fd = cache_peek(c, &d, &size);
		if (fd < 0)
			unlinkat(c->fd, tags->at[i].name, 0);
		fd_close(&fd);
		free(text);
	}
}

int
keep_gc(struct cache *c, const struct keep_limit *l, struct err *e)
{
	struct files blobs = {0}, partial = {0}, tags = {0};
	time_t now = time(NULL);
	int rc = -1;

	if (read_blobs(c, &blobs, e) < 0 ||
	    read_folder(c, "partial", &partial, e) < 0 ||
	    read_folder(c, "tags", &tags, e) < 0)
		goto out;
	if (blobs.count > 0)
		qsort(blobs.at, blobs.count, sizeof(*blobs.at), compare_used);
	for (size_t i = 0; i < blobs.count; i++) {
		const struct file *f = &blobs.at[i];

		if (l->age_s ? now - f->used <= (time_t)l->age_s
			     : blobs.bytes <= l->size)
			break;
		if (unlinkat(c->fd, f->name, 0) < 0 && errno != ENOENT) {
			err_errno(e, 0, "%s/%s", c->root, f->name);
			goto out;
		}
		blobs.bytes -= f->size;
	}
	for (size_t i = 0; i < partial.count; i++)
		if (!l->age_s || now - partial.at[i].used > (time_t)l->age_s)
			cache_drop_left(c, partial.at[i].name);
	remove_stale_tags(c, &tags);
	rc = 0;
out:
	free(blobs.at);
	free(partial.at);
	free(tags.at);
	return rc;
}

int
keep_purge(struct cache *c, struct err *e)
{
	return keep_gc(c, &(struct keep_limit){.size = 0}, e);
}
