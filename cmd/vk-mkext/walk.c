/* SPDX-License-Identifier: MIT */
/* walk.c - a directory of this machine into a tree */
#include "cmd/vk-mkext/walk.h"

#include "cmd/vk-mkext/paths.h"
#include "cmd/vk-mkext/seen.h"
#include "common/cursor.h"
#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define PIECE ((size_t)256 << 10)

/* What Linux hands out at most: names of one file, one value. */
#define XATTR_NAMES_MAX ((size_t)64 << 10)

struct walker {
	struct intake *in;
	const struct intake_rules *rules;
	struct sum *sum;
	struct buf path, before; /* of the entry at hand */
	struct paths paths;
	struct seen seen;
	uint8_t *piece;
	char *names;
};

/* One entry: its directory, its name there, what it is. */
struct entry {
	int directory;
	const char *name;
	uint32_t folder; /* among the walker's paths; 0: none, the top */
	struct stat st;
};

/* ---- what the sum takes in ---------------------------------------------- */

static void
add_text(struct walker *w, const char *text)
{
	if (w->sum)
		sum_add(w->sum, text, strlen(text) + 1);
}

static void
add_bytes(struct walker *w, const void *data, size_t length)
{
	uint8_t head[8];
	struct writer at = writer_of(head, sizeof(head));

	put_le(&at, length, sizeof(head));
	if (w->sum) {
		sum_add(w->sum, head, sizeof(head));
		sum_add(w->sum, data, length);
	}
}

static void
add_meta(struct walker *w, const struct meta *m, uint64_t size)
{
	uint8_t fields[48];
	struct writer at = writer_of(fields, sizeof(fields));

	put_le(&at, m->mode, 2);
	put_le(&at, m->uid, 4);
	put_le(&at, m->gid, 4);
	put_le(&at, (uint64_t)m->modified.seconds, 8);
	put_le(&at, m->modified.nanoseconds, 4);
	put_le(&at, m->device_major, 4);
	put_le(&at, m->device_minor, 4);
	put_le(&at, size, 8);
	add_text(w, w->path.data);
	add_bytes(w, fields, writer_len(&at));
}

static void
add_zeros(struct walker *w, uint64_t length)
{
	static const uint8_t zeros[4096];

	while (w->sum && length > 0) {
		size_t n =
		    length < sizeof(zeros) ? (size_t)length : sizeof(zeros);

		sum_add(w->sum, zeros, n);
		length -= n;
	}
}

/* ---- one entry ---------------------------------------------------------- */

static int
failed(struct walker *w, struct err *e)
{
	return err_errno(e, 0, "%s", w->path.data);
}

/* Attributes of the entry itself, not of what a link points to. */
static int
read_xattrs(
    struct walker *w, const struct entry *x, struct meta *m, struct err *e)
{
	char at[64 + TREE_NAME_MAX];
	ssize_t length, got;

	snprintf(at, sizeof(at), "/proc/self/fd/%d/%s", x->directory, x->name);
	length = llistxattr(at, w->names, XATTR_NAMES_MAX);
	if (length < 0)
		return errno == ENOTSUP ? 0 : failed(w, e);
	for (char *name = w->names; name < w->names + length;
	     name += strlen(name) + 1) {
		got = lgetxattr(at, name, w->piece, XATTR_VALUE_MAX);
		if (got < 0 && errno == ENODATA)
			continue;
		if (got < 0)
			return failed(w, e);
		add_text(w, name);
		add_bytes(w, w->piece, (size_t)got);
		if (w->in &&
		    intake_xattr(w->in, m, name, w->piece, (size_t)got, e) < 0)
			return err_prefix(e, "%s", w->path.data);
	}
	return 0;
}

/* Data from at to end, which lies within the file's size. */
static int
read_data(struct walker *w, int fd, uint64_t at, uint64_t end, struct err *e)
{
	while (at < end) {
		size_t want = end - at < PIECE ? (size_t)(end - at) : PIECE;
		ssize_t got = io_pread(fd, w->piece, want, at);

		if (got < 0)
			return failed(w, e);
		if (got == 0) {
			log_warn("%s: became shorter while it was read",
			    w->path.data);
			return 0;
		}
		if (w->sum)
			sum_add(w->sum, w->piece, (size_t)got);
		if (w->in &&
		    store_write(w->in->store, at, w->piece, (size_t)got, e) < 0)
			return err_prefix(e, "%s", w->path.data);
		if (w->in && w->in->progress)
			w->in->progress(w->in->with);
		at += (uint64_t)got;
	}
	return 0;
}

static int
read_content(
    struct walker *w, const struct entry *x, uint32_t object, struct err *e)
{
	cleanup_fd int fd = openat(x->directory, x->name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	uint64_t size = (uint64_t)x->st.st_size, at = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return failed(w, e);
	if (!S_ISREG(st.st_mode))
		return err_set(e, EX_DATAERR,
		    "%s: became another file while it was read", w->path.data);
	if (w->in && store_open(w->in->store, object, e) < 0)
		return -1;
	while (at < size) {
		off_t data = lseek(fd, (off_t)at, SEEK_DATA), hole;

		if (data < 0 || (uint64_t)data > size)
			data = (off_t)size;
		add_zeros(w, (uint64_t)data - at);
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole < 0 || (uint64_t)hole > size)
			hole = (off_t)size;
		if (read_data(w, fd, (uint64_t)data, (uint64_t)hole, e) < 0)
			return -1;
		at = (uint64_t)hole;
	}
	return w->in ? store_close(w->in->store, size, e) : 0;
}

static void
meta_of(const struct stat *st, struct meta *m)
{
	struct moment modified = {
	    st->st_mtim.tv_sec, (uint32_t)st->st_mtim.tv_nsec};

	*m = (struct meta){.mode = (uint16_t)st->st_mode,
	    .uid = st->st_uid,
	    .gid = st->st_gid,
	    .modified = modified,
	    .accessed = modified,
	    .changed = modified,
	    .device_major = major(st->st_rdev),
	    .device_minor = minor(st->st_rdev)};
}

/* Puts the path into w->before under which the file came first; leaves that
 * empty if it comes first now. */
static int
find_before(struct walker *w, const struct entry *x, struct err *e)
{
	uint32_t *first;

	buf_drop(&w->before, w->before.len);
	/* A socket is left out under each of its names. */
	if (S_ISDIR(x->st.st_mode) || S_ISSOCK(x->st.st_mode) ||
	    x->st.st_nlink < 2)
		return 0;
	first =
	    seen_name(&w->seen, (uint64_t[]){x->st.st_dev, x->st.st_ino}, e);
	if (!first)
		return -1;
	if (*first)
		return paths_write(&w->paths, *first, &w->before, e);
	*first = paths_add(&w->paths, x->folder, x->name, strlen(x->name), e);
	return *first ? 0 : -1;
}

static int
take_entry(struct walker *w, const struct entry *x, struct err *e)
{
	bool file = S_ISREG(x->st.st_mode);
	char target[TREE_TARGET_MAX + 2];
	struct meta m;
	uint32_t object = 0;

	if (find_before(w, x, e) < 0)
		return -1;
	if (w->before.len > 0) {
		add_text(w, w->path.data);
		add_text(w, w->before.data);
		return w->in ? intake_link(w->in, w->path.data, w->before.data,
				   &object, e)
			     : 0;
	}
	meta_of(&x->st, &m);
	add_meta(w, &m, file ? (uint64_t)x->st.st_size : 0);
	if (read_xattrs(w, x, &m, e) < 0)
		return -1;
	if (S_ISLNK(m.mode)) {
		ssize_t n = readlinkat(
		    x->directory, x->name, target, sizeof(target) - 1);

		if (n < 0)
			return failed(w, e);
		target[n] = 0;
		m.target = target;
		add_text(w, target);
	}
	if (w->in && intake_entry(w->in, w->path.data, &m, &object, e) < 0)
		return -1;
	return file ? read_content(w, x, object, e) : 0;
}

/* ---- directories -------------------------------------------------------- */

static int
by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int
no_dots(const struct dirent *d)
{
	return strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
}

static int walk(struct walker *, int, uint32_t, struct err *);

static int
walk_entry(struct walker *w, struct entry *x, struct err *e)
{
	cleanup_fd int fd = -1;
	uint32_t folder;

	if (fstatat(x->directory, x->name, &x->st, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(w, e);
	if (take_entry(w, x, e) < 0)
		return -1;
	if (!S_ISDIR(x->st.st_mode))
		return 0;
	fd = openat(x->directory, x->name,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return failed(w, e);
	folder = paths_add(&w->paths, x->folder, x->name, strlen(x->name), e);
	return folder ? walk(w, fd, folder, e) : -1;
}

/* Each level holds one descriptor, which bounds the depth. */
static int
walk(struct walker *w, int fd, uint32_t folder, struct err *e)
{
	struct dirent **list;
	size_t parent = w->path.len;
	int count = scandirat(fd, ".", &list, no_dots, by_bytes), result = 0;

	if (count < 0)
		return failed(w, e);
	for (int i = 0; i < count; i++) {
		struct entry x = {
		    .directory = fd, .name = list[i]->d_name, .folder = folder};

		if (result == 0 && buf_printf(&w->path, "%s%s",
				       parent ? "/" : "", list[i]->d_name) < 0)
			result = err_set(
			    e, EX_DATAERR, "%s: a path too long", w->path.data);
		if (result == 0 && !intake_excludes(w->rules, w->path.data))
			result = walk_entry(w, &x, e);
		w->path.len = parent;
		if (w->path.data)
			w->path.data[parent] = 0;
		free(list[i]);
	}
	free(list);
	return result;
}

int
walk_directory_tree(int fd, struct intake *in, const struct intake_rules *rules,
    struct sum *sum, struct err *e)
{
	struct walker w = {.in = in, .rules = rules, .sum = sum};
	struct entry root = {.directory = fd, .name = "."};
	int result = -1;

	/* Longer than any path that a system call takes. */
	buf_init(&w.path, (size_t)1 << 20);
	buf_init(&w.before, (size_t)1 << 20);
	w.piece = malloc(PIECE);
	w.names = malloc(XATTR_NAMES_MAX);
	if (!w.piece || !w.names || buf_puts(&w.path, ".") < 0 ||
	    paths_init(&w.paths, "", e) < 0)
		err_set(e, EX_OSERR, "out of memory");
	else if (fstat(fd, &root.st) < 0)
		failed(&w, e);
	else
		result = take_entry(&w, &root, e);
	w.path.len = 0;
	if (result == 0)
		result = walk(&w, fd, PATHS_TOP, e);
	seen_release(&w.seen);
	free(w.piece);
	free(w.names);
	paths_release(&w.paths);
	buf_release(&w.path);
	buf_release(&w.before);
	return result;
}
