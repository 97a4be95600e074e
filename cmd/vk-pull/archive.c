/* SPDX-License-Identifier: MIT */
/* archive.c - the members of a tar, read where they lie */
#include "cmd/vk-pull/archive.h"

#include "cmd/vk-pull/decode.h"
#include "common/io.h"
#include "common/scope.h"
#include "common/tarin.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK     512
#define LINKS_MAX 8

/* ---- a copy of what cannot be read twice -------------------------------- */

struct copy {
	int fd;
	uint64_t size;
	const struct limits *limits;
};

static int
copy_sink(void *into, uint8_t **room, size_t len, struct err *e)
{
	struct copy *c = into;

	c->size += len;
	if (c->size > c->limits->size)
		return err_set(e, EX_DATAERR,
		    "unpacks to more than the limit of %llu bytes (size)",
		    (unsigned long long)c->limits->size);
	return io_write(c->fd, *room, len) < 0 ? err_errno(e, EX_IOERR, "cache")
					       : 0;
}

static int
copy_all(int from, struct copy *c, struct err *e)
{
	cleanup_free uint8_t *in = malloc(DECODE_CHUNK);
	cleanup_free uint8_t *room = malloc(DECODE_CHUNK);
	struct decode *d =
	    room ? decode_new(c->limits, room, copy_sink, c) : NULL;
	int rc = -1;
	ssize_t n;

	if (!in || !d) {
		decode_free(d);
		return err_set(e, EX_OSERR, "out of memory");
	}
	while ((n = io_read(from, in, DECODE_CHUNK)) > 0)
		if (decode_feed(d, in, (size_t)n, e) < 0)
			goto out;
	rc = n < 0 ? err_errno(e, EX_IOERR, "read") : decode_end(d, e);
out:
	decode_free(d);
	return rc;
}

/* ---- the table ---------------------------------------------------------- */

struct scan {
	struct archive *archive;
	uint64_t behind; /* offset of the block behind the one being read */
};

static uint32_t
keep(struct archive *a, const char *text)
{
	uint32_t at = (uint32_t)a->names.len;

	buf_add(&a->names, text, strlen(text) + 1);
	return at;
}

static int
on_entry(void *into, const struct tar_entry *n, struct err *e)
{
	struct scan *s = into;
	struct archive *a = s->archive;
	struct archive_member m = {.offset = s->behind, .size = n->stored};
	const char *name = n->path;

	if ((n->type != TAR_FILE && n->type != TAR_SYMLINK &&
		n->type != TAR_LINK) ||
	    n->sparse)
		return 0;
	if (a->count == ARCHIVE_MEMBERS_MAX)
		return err_set(
		    e, EX_DATAERR, "more than %d members", ARCHIVE_MEMBERS_MAX);
	if (a->count == a->size) {
		size_t size = a->size ? 2 * a->size : 64;
		void *grown = realloc(a->members, size * sizeof(*a->members));

		if (!grown)
			return err_set(e, EX_OSERR, "out of memory");
		a->members = grown;
		a->size = size;
	}
	while (name[0] == '.' && name[1] == '/')
		name += 2;
	m.name = keep(a, name);
	/* A hard link's target is a whole name: marked by a slash. */
	m.link = (uint32_t)a->names.len;
	if (n->type == TAR_LINK)
		buf_puts(&a->names, "/");
	keep(a, n->type == TAR_FILE ? "" : n->link);
	if (a->names.failed)
		return err_set(e, EX_DATAERR, "names too long");
	a->members[a->count++] = m;
	return 0;
}

static int
scan(struct archive *a, struct tarin *t, struct scan *s, struct err *e)
{
	uint8_t block[BLOCK];
	uint64_t at = 0;
	ssize_t n;

	while (!tarin_ended(t)) {
		n = io_pread(a->fd, block, BLOCK, at);
		if (n < 0)
			return err_errno(e, EX_IOERR, "read");
		if (n == 0)
			break;
		at += (uint64_t)n;
		s->behind = at;
		if (tarin_feed(t, block, (size_t)n, e) < 0)
			return -1;
		at += tarin_skip(t);
	}
	return tarin_end(t, e);
}

int
archive_open_fd(
    struct archive *a, int fd, const struct limits *limits, struct err *e)
{
	static const struct tarin_ops ops = {.entry = on_entry};
	struct scan s = {.archive = a};
	struct tarin *t = tarin_new(&ops, &s, limits->name);
	struct stat st;
	int rc;

	*a = (struct archive){.fd = fd, .limits = limits};
	buf_init(&a->names, 64u << 20);
	rc = t ? scan(a, t, &s, e) : err_set(e, EX_OSERR, "out of memory");
	tarin_free(t);
	/* Skipping does not notice that the end is missing. */
	if (rc == 0 && fstat(fd, &st) == 0)
		for (size_t i = 0; i < a->count; i++)
			if (a->members[i].size > (uint64_t)st.st_size ||
			    a->members[i].offset >
				(uint64_t)st.st_size - a->members[i].size)
				return err_set(e, EX_DATAERR,
				    "%s: archive ends too early",
				    a->names.data + a->members[i].name);
	return rc;
}

/* Whether fd is a plain tar that can be read anywhere. */
static bool
readable_in_place(int fd)
{
	uint8_t magic[4] = {0};
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    io_pread(fd, magic, 4, 0) < 0)
		return false;
	return memcmp(magic, "\x1f\x8b", 2) != 0 &&
	       memcmp(magic, "\x28\xb5\x2f\xfd", 4) != 0;
}

int
archive_open(struct archive *a, const char *path, struct cache *cache,
    const struct limits *limits, struct err *e)
{
	cleanup_fd int fd = -1;
	struct copy c = {.fd = -1, .limits = limits};

	*a = (struct archive){.fd = -1};
	fd = strcmp(path, "-") == 0 ? fcntl(0, F_DUPFD_CLOEXEC, 3)
				    : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, 0, "%s", path);
	if (readable_in_place(fd))
		return archive_open_fd(a, steal_fd(&fd), limits, e);
	c.fd = cache_scratch(cache, e);
	if (c.fd < 0)
		return -1;
	if (copy_all(fd, &c, e) < 0) {
		fd_close(&c.fd);
		return -1;
	}
	return archive_open_fd(a, c.fd, limits, e);
}

void
archive_close(struct archive *a)
{
	fd_close(&a->fd);
	free(a->members);
	a->members = NULL;
	a->count = a->size = 0;
	buf_release(&a->names);
}

/* ---- finding ------------------------------------------------------------ */

/* The target of a link called name: "../x/layer.tar" from "y/layer.tar" is
 * "x/layer.tar". */
static void
join(const char *name, const char *link, char *into, size_t size)
{
	const char *slash = strrchr(name, '/');
	int folder = slash ? (int)(slash - name) : 0;

	if (link[0] == '/') {
		snprintf(into, size, "%s", link + 1);
		return;
	}
	while (strncmp(link, "../", 3) == 0) {
		link += 3;
		while (folder > 0 && name[--folder] != '/')
			;
	}
	snprintf(
	    into, size, "%.*s%s%s", folder, name, folder > 0 ? "/" : "", link);
}

int
archive_find(struct archive *a, const char *name, uint64_t *offset,
    uint64_t *size, struct err *e)
{
	char now[4096], next[4096];

	snprintf(now, sizeof(now), "%s", name);
	for (int hops = 0; hops < LINKS_MAX; hops++) {
		const struct archive_member *m = NULL;

		/* The last of a name counts. */
		for (size_t i = a->count; i-- > 0 && !m;)
			if (strcmp(a->names.data + a->members[i].name, now) ==
			    0)
				m = &a->members[i];
		if (!m)
			return err_set(
			    e, EX_DATAERR, "%s: not in the archive", name);
		if (a->names.data[m->link] == '\0') {
			*offset = m->offset;
			*size = m->size;
			return 0;
		}
		join(now, a->names.data + m->link, next, sizeof(next));
		memcpy(now, next, sizeof(now));
	}
	return err_set(e, EX_DATAERR, "%s: too many links", name);
}
