/* SPDX-License-Identifier: MIT */
/* cache.c - blobs that were fetched once */
#include "cmd/vk-pull/cache.h"

#include "common/io.h"
#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* A path below the root. */
#define TEMPORARY_SIZE (CACHE_PATH_MAX + 32)

/* ---- folders ------------------------------------------------------------ */

static int
find_root(struct cache *c, struct err *e)
{
	const char *cache = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");
	int n;

	/* The specification: relative paths are to be ignored. */
	if (cache && cache[0] == '/')
		n = snprintf(c->root, sizeof(c->root), "%s/vk", cache);
	else if (home && home[0] == '/')
		n = snprintf(c->root, sizeof(c->root), "%s/.cache/vk", home);
	else
		return err_set(
		    e, EX_CONFIG, "neither HOME nor XDG_CACHE_HOME is set");
	if (n < 0 || (size_t)n >= sizeof(c->root))
		return err_set(e, EX_CONFIG, "path of the cache is too long");
	return 0;
}

/* mkdir -p. */
static int
make_folders(char *path)
{
	for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST) {
			*slash = '/';
			return -1;
		}
		*slash = '/';
	}
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -1 : 0;
}

int
cache_open(struct cache *c, struct err *e)
{
	static const char *const folders[] = {
	    "blobs", "blobs/sha256", "blobs/sha512", "partial", "tags"};

	c->fd = -1;
	if (find_root(c, e) < 0)
		return -1;
	if (make_folders(c->root) < 0 ||
	    (c->fd = open(c->root, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0) {
		err_errno(e, EX_CANTCREAT, "%s", c->root);
		return err_hint(e, "XDG_CACHE_HOME may name another folder");
	}
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (mkdirat(c->fd, folders[i], 0700) < 0 && errno != EEXIST)
			return err_errno(
			    e, EX_CANTCREAT, "%s/%s", c->root, folders[i]);
	return 0;
}

void
cache_close(struct cache *c)
{
	fd_close(&c->fd);
}

/* "blobs/sha256/HEX" */
static void
blob_name(const struct digest *d, char *into, size_t size)
{
	snprintf(into, size, "blobs/%.6s/%s", d->text, digest_hex(d));
}

/* ---- blobs -------------------------------------------------------------- */

int
cache_peek(struct cache *c, const struct digest *d, uint64_t *size)
{
	char name[DIGEST_TEXT_MAX + 16];
	struct stat st;
	int fd;

	blob_name(d, name, sizeof(name));
	fd = openat(c->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		fd_close(&fd);
		return -1;
	}
	*size = (uint64_t)st.st_size;
	return fd;
}

int
cache_find(struct cache *c, const struct digest *d, uint64_t *size)
{
	char name[DIGEST_TEXT_MAX + 16];
	int fd = cache_peek(c, d, size);

	if (fd < 0)
		return -1;
	blob_name(d, name, sizeof(name));
	/* The access time is when it was last of use; contents are as old as
	 * they were. */
	utimensat(c->fd, name,
	    (struct timespec[]){
		{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}},
	    0);
	return fd;
}

void
cache_discard(struct cache *c, const struct digest *d)
{
	char name[DIGEST_TEXT_MAX + 16];

	blob_name(d, name, sizeof(name));
	unlinkat(c->fd, name, 0);
}

/* Whether fd is what its name says, and not a file that had the name when we
 * began to wait for its lock. */
static bool
still_named(struct cache *c, const struct cache_partial *p, struct stat *st)
{
	struct stat named;

	return fstat(p->fd, st) == 0 &&
	       fstatat(c->fd, p->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       named.st_dev == st->st_dev && named.st_ino == st->st_ino;
}

int
cache_begin(struct cache *c, const struct digest *d, struct cache_partial *p,
    struct err *e)
{
	char blob[DIGEST_TEXT_MAX + 16];
	struct stat st;

	blob_name(d, blob, sizeof(blob));
	snprintf(p->name, sizeof(p->name), "partial/%.6s-%s", d->text,
	    digest_hex(d));
	for (;;) {
		p->fd = openat(c->fd, p->name,
		    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (p->fd < 0)
			return err_errno(
			    e, EX_CANTCREAT, "%s/%s", c->root, p->name);
		while (flock(p->fd, LOCK_EX) < 0) {
			if (errno == EINTR)
				continue;
			err_errno(e, EX_OSERR, "%s/%s", c->root, p->name);
			fd_close(&p->fd);
			return -1;
		}
		if (still_named(c, p, &st))
			break;
		/* Its holder finished or dropped it. */
		fd_close(&p->fd);
		if (faccessat(c->fd, blob, F_OK, 0) == 0)
			return 1;
	}
	p->have = (uint64_t)st.st_size;
	if (faccessat(c->fd, blob, F_OK, 0) == 0) {
		/* Finished between our look and our lock: the file is new. */
		unlinkat(c->fd, p->name, 0);
		fd_close(&p->fd);
		return 1;
	}
	return 0;
}

int
cache_commit(struct cache *c, const struct digest *d, struct cache_partial *p,
    struct err *e)
{
	char name[DIGEST_TEXT_MAX + 16];

	blob_name(d, name, sizeof(name));
	if (renameat(c->fd, p->name, c->fd, name) < 0)
		return err_errno(e, EX_CANTCREAT, "%s/%s", c->root, name);
	/* Not before: whoever finds a partial file must be able to write. */
	fchmod(p->fd, 0400);
	flock(p->fd, LOCK_UN);
	return 0;
}

void
cache_leave(struct cache *c, struct cache_partial *p)
{
	struct stat st;

	if (fstat(p->fd, &st) == 0 && st.st_size == 0)
		unlinkat(c->fd, p->name, 0);
	flock(p->fd, LOCK_UN);
}

void
cache_drop(struct cache *c, struct cache_partial *p)
{
	unlinkat(c->fd, p->name, 0);
	flock(p->fd, LOCK_UN);
}

void
cache_drop_left(struct cache *c, const char *name)
{
	struct cache_partial p;
	struct stat st;

	snprintf(p.name, sizeof(p.name), "%s", name);
	p.fd = openat(c->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (p.fd >= 0 && flock(p.fd, LOCK_EX | LOCK_NB) == 0 &&
	    still_named(c, &p, &st))
		cache_drop(c, &p);
	fd_close(&p.fd);
}

/* A file with a name that nobody else has, among what gc takes away if we are
 * killed before we do. */
static int
open_temporary(struct cache *c, const char *what, char name[TEMPORARY_SIZE])
{
	snprintf(name, TEMPORARY_SIZE, "%s/partial/%s-XXXXXX", c->root, what);
	return mkostemp(name, O_CLOEXEC);
}

int
cache_scratch(struct cache *c, struct err *e)
{
	int fd = openat(c->fd, "partial", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char name[TEMPORARY_SIZE];

	if (fd >= 0)
		return fd;
	/* Not every file system has O_TMPFILE. */
	fd = open_temporary(c, "scratch", name);
	if (fd < 0)
		return err_errno(e, EX_CANTCREAT, "%s/partial", c->root);
	unlink(name);
	return fd;
}

/* ---- tags --------------------------------------------------------------- */

static void
tag_name(const char *key, char *into, size_t size)
{
	struct digest d;

	digest_of(key, strlen(key), &d);
	snprintf(into, size, "tags/%s", digest_hex(&d));
}

char *
cache_read_tag(struct cache *c, const char *name)
{
	char *text;
	cleanup_fd int fd = -1;
	ssize_t n;

	fd = openat(c->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || !(text = malloc(CACHE_TAG_MAX + 1)))
		return NULL;
	n = io_read(fd, text, CACHE_TAG_MAX);
	if (n < 0) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	return text;
}

char *
cache_get_tag(struct cache *c, const char *key)
{
	char name[DIGEST_TEXT_MAX + 16];

	tag_name(key, name, sizeof(name));
	return cache_read_tag(c, name);
}

void
cache_put_tag(struct cache *c, const char *key, const char *text)
{
	char name[DIGEST_TEXT_MAX + 16], temporary[TEMPORARY_SIZE];
	cleanup_fd int fd = open_temporary(c, "tag", temporary);

	if (fd < 0)
		return;
	tag_name(key, name, sizeof(name));
	/* While it is locked, gc knows that somebody works on it. */
	if (flock(fd, LOCK_EX) < 0 || io_write(fd, text, strlen(text)) < 0 ||
	    renameat(AT_FDCWD, temporary, c->fd, name) < 0)
		unlink(temporary);
}
