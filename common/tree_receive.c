/* SPDX-License-Identifier: MIT */
/* tree_receive.c - files and directories out of a stream */
#include "common/tree_receive.h"

#include "common/io.h"
#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Tells of one thing that is left out; the rest goes on. */
static void
left_out(struct tree_receiver *r, const char *path)
{
	struct err e = ERR_INIT;

	err_errno(&e, 0, "%s", *path ? path : ".");
	r->failures++;
	if (r->failed)
		r->failed(&e);
}

/* ---- where things go ------------------------------------------------------
 */

int
tree_receiver_init(
    struct tree_receiver *r, const char *destination, bool into, struct err *e)
{
	char parent[TREE_PATH_MAX + 1], real[PATH_MAX];
	size_t len = strlen(destination);
	const char *slash, *name;
	struct stat st;

	memset(r, 0, sizeof(*r));
	r->file = -1;
	buf_init(&r->xattrs, TREE_XATTRS_MAX);
	r->base = open(destination, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->base >= 0)
		return 0;
	if (into || len == 0 || len > TREE_PATH_MAX ||
	    destination[len - 1] == '/')
		return err_errno(e, EX_CANTCREAT, "%s", destination);
	if (stat(destination, &st) == 0) {
		/* Nothing may take the place of /dev/null. */
		if (!S_ISREG(st.st_mode))
			return err_set(e, EX_CANTCREAT,
			    "%s: neither a file nor a folder", destination);
		if (realpath(destination, real)) /* of a link to a file */
			destination = real;
	}
	slash = strrchr(destination, '/');
	snprintf(parent, sizeof(parent), "%.*s",
	    slash ? (int)(slash - destination) + 1 : 1,
	    slash ? destination : ".");
	name = slash ? slash + 1 : destination;
	if (strlen(name) >= sizeof(r->rename) || !tree_path_valid(name))
		return err_set(
		    e, EX_CANTCREAT, "%s: not a file's name", destination);
	memcpy(r->rename, name, strlen(name) + 1);
	r->base = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return r->base < 0 ? err_errno(e, EX_CANTCREAT, "%s", parent) : 0;
}

/* The stream's path with its first component renamed. 0, -1. */
static int
map_path(struct tree_receiver *r, const char *path, char *into)
{
	size_t first = strcspn(path, "/");

	if (!r->rename[0]) {
		snprintf(into, TREE_PATH_MAX + 1, "%s", path);
		return 0;
	}
	errno = ENOTDIR; /* two things under one name */
	if (!r->first[0])
		snprintf(r->first, sizeof(r->first), "%.*s", (int)first, path);
	if (strlen(r->first) != first || strncmp(r->first, path, first) != 0)
		return -1;
	errno = ENAMETOOLONG;
	return snprintf(into, TREE_PATH_MAX + 1, "%s%s", r->rename,
		   path + first) > TREE_PATH_MAX
		   ? -1
		   : 0;
}

/* Owner, mode and times of an open file or directory. */
static void
apply(struct tree_receiver *r, int fd, const struct tree_entry *entry,
    const char *path)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
	    {.tv_sec = entry->seconds, .tv_nsec = entry->nanoseconds}};
	mode_t mode = entry->mode & (r->trusted ? 07777 : TREE_HARMLESS_MODE);

	if (r->trusted && fchown(fd, entry->uid, entry->gid) < 0 &&
	    (errno != EPERM || geteuid() == 0))
		left_out(r, path);
	if (fchmod(fd, mode) < 0 || futimens(fd, times) < 0)
		left_out(r, path);
}

/* Leaves the deepest directory: now nothing more changes its times. */
static void
pop(struct tree_receiver *r)
{
	struct tree_level *l = &r->levels[r->depth - 1];

	if (l->set)
		apply(r, l->dir, &l->entry, r->path);
	if (r->file == l->dir)
		r->file = -1;
	fd_close(&l->dir);
	r->depth--;
	r->path[r->depth ? r->levels[r->depth - 1].path_len : 0] = '\0';
}

static int
top(const struct tree_receiver *r)
{
	return r->depth ? r->levels[r->depth - 1].dir : r->base;
}

/* Enters a directory of the deepest one; makes it where it is missing. */
static int
push(struct tree_receiver *r, const char *name, size_t len, mode_t mode)
{
	char component[256];
	size_t at = strlen(r->path);
	int dir, parent = top(r);

	errno = ELOOP;
	if (r->depth == TREE_DEPTH_MAX || at + len + 1 > TREE_PATH_MAX)
		return -1;
	snprintf(component, sizeof(component), "%.*s", (int)len, name);
	dir = openat(parent, component, DIR_FLAGS);
	if (dir < 0 && errno == ENOENT) {
		if (mkdirat(parent, component, mode) < 0)
			return -1;
		dir = openat(parent, component, DIR_FLAGS);
	}
	if (dir < 0)
		return -1;
	snprintf(r->path + at, sizeof(r->path) - at, "%s%s", at ? "/" : "",
	    component);
	r->levels[r->depth++] =
	    (struct tree_level){.dir = dir, .path_len = strlen(r->path)};
	return 0;
}

/* Makes the path's parent the deepest level, and name its last component. */
static int
go_to_parent(struct tree_receiver *r, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t parent_len = slash ? (size_t)(slash - path) : 0, have;

	/* Up, until what is left is a beginning of the parent. */
	for (have = strlen(r->path); r->depth > 0; have = strlen(r->path)) {
		if (have <= parent_len && strncmp(r->path, path, have) == 0 &&
		    (path[have] == '/' || path[have] == '\0'))
			break;
		pop(r);
	}
	/* Down, a component at a time. */
	while (have < parent_len) {
		const char *component = path + have + (have ? 1 : 0);

		if (push(r, component, strcspn(component, "/"), 0755) < 0)
			return -1;
		have = strlen(r->path);
	}
	/* No component of a valid path is longer than 255. */
	snprintf(r->name, sizeof(r->name), "%.255s", slash ? slash + 1 : path);
	return 0;
}

/* A name that nobody has. */
static void
invent(struct tree_receiver *r)
{
	uint64_t number = 0;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		number = (uint64_t)getpid();
	snprintf(r->temporary, sizeof(r->temporary), ".vk-cp.%016llx",
	    (unsigned long long)number);
}

/* What was made under the temporary name takes its own. */
static int
take_name(struct tree_receiver *r)
{
	int dir = top(r);

	if (renameat(dir, r->temporary, dir, r->name) < 0) {
		int number = errno;

		unlinkat(dir, r->temporary, 0);
		r->temporary[0] = '\0';
		errno = number;
		return -1;
	}
	/* Two names of one file: rename(2) leaves both. */
	unlinkat(dir, r->temporary, 0);
	r->temporary[0] = '\0';
	return 0;
}

/* ---- files ----------------------------------------------------------------
 */

static int
open_file(struct tree_receiver *r)
{
	int dir = top(r);

	r->at = 0;
	buf_drop(&r->xattrs, r->xattrs.len);
	r->xattrs.failed = false;
	r->file = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (r->file >= 0)
		return 0;
	invent(r);
	r->file = openat(dir, r->temporary,
	    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (r->file < 0)
		r->temporary[0] = '\0';
	return r->file < 0 ? -1 : 0;
}

/* Drops a file that did not become whole. */
static void
drop_file(struct tree_receiver *r)
{
	if (r->file >= 0 && r->entry.kind == TREE_FILE)
		fd_close(&r->file);
	r->file = -1;
	if (r->temporary[0])
		unlinkat(top(r), r->temporary, 0);
	r->temporary[0] = '\0';
}

/* Gives a file without a name one: its own if that is free. */
static int
name_file(struct tree_receiver *r)
{
	char path[32];
	int dir = top(r);

	if (r->temporary[0])
		return take_name(r);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", r->file);
	if (linkat(AT_FDCWD, path, dir, r->name, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	if (errno != EEXIST)
		return -1;
	invent(r);
	if (linkat(AT_FDCWD, path, dir, r->temporary, AT_SYMLINK_FOLLOW) < 0) {
		r->temporary[0] = '\0';
		return -1;
	}
	return take_name(r);
}

static bool
xattr_wanted(const struct tree_receiver *r, const char *name)
{
	return r->trusted || tree_xattr_harmless(name);
}

/* Attributes of a file wait: a capability would not outlive a write. */
static void
keep_xattr(struct tree_receiver *r, const struct tree_record *record)
{
	if (r->file < 0 || !xattr_wanted(r, record->name))
		return;
	if (r->entry.kind == TREE_DIR) {
		if (fsetxattr(r->file, record->name, record->data, record->len,
			0) < 0 &&
		    errno != ENOTSUP)
			left_out(r, record->name);
		return;
	}
	buf_add(&r->xattrs, record->name, strlen(record->name) + 1);
	buf_add(&r->xattrs, &record->len, sizeof(record->len));
	buf_add(&r->xattrs, record->data, record->len);
}

static void
set_xattrs(struct tree_receiver *r)
{
	const char *at = r->xattrs.data;
	const char *end = at ? at + r->xattrs.len : NULL;
	size_t len;

	errno = E2BIG;
	if (r->xattrs.failed)
		left_out(r, r->name);
	while (at && at < end && !r->xattrs.failed) {
		const char *name = at;

		at += strlen(at) + 1;
		memcpy(&len, at, sizeof(len));
		at += sizeof(len);
		if (fsetxattr(r->file, name, at, len, 0) < 0 &&
		    errno != ENOTSUP)
			left_out(r, name);
		at += len;
	}
}

static void
close_file(struct tree_receiver *r)
{
	if (r->file < 0 || r->entry.kind != TREE_FILE)
		return;
	if (ftruncate(r->file, (off_t)r->entry.size) < 0) {
		left_out(r, r->name);
		drop_file(r);
		return;
	}
	apply(r, r->file, &r->entry, r->name);
	set_xattrs(r);
	if (name_file(r) < 0)
		left_out(r, r->name);
	drop_file(r);
}

static int
write_data(
    struct tree_receiver *r, const struct tree_record *record, struct err *e)
{
	if (r->file < 0 || r->entry.kind != TREE_FILE)
		return 0; /* it was left out */
	if (record->offset < r->at || record->len > r->entry.size ||
	    record->offset > r->entry.size - record->len)
		return err_set(
		    e, EX_PROTOCOL, "the copy's stream is malformed");
	if (io_pwrite(r->file, record->data, record->len, record->offset) < 0) {
		left_out(r, r->name);
		drop_file(r);
		return 0;
	}
	r->at = record->offset + record->len;
	return 0;
}

/* ---- everything else ------------------------------------------------------
 */

static int
make_dir(struct tree_receiver *r, const char *path)
{
	if (*path == '\0') { /* the destination, which is somebody's */
		while (r->depth > 0)
			pop(r);
		r->file = -1;
		return 0;
	}
	/* For ourselves until it is filled; its own mode comes at last. */
	if (push(r, r->name, strlen(r->name), 0700) < 0)
		return -1;
	r->levels[r->depth - 1].set = true;
	r->levels[r->depth - 1].entry = r->entry;
	r->file = top(r);
	return 0;
}

static int
make_link(struct tree_receiver *r)
{
	char target[TREE_PATH_MAX + 1], *at = target, *slash;
	cleanup_fd int dir = fcntl(r->base, F_DUPFD_CLOEXEC, 3);

	if (map_path(r, r->entry.target, target) < 0)
		return -1;
	while (dir >= 0 && (slash = strchr(at, '/'))) {
		int next;

		*slash = '\0';
		next = openat(dir, at, DIR_FLAGS);
		fd_close(&dir);
		dir = next;
		at = slash + 1;
	}
	invent(r);
	if (dir < 0 || linkat(dir, at, top(r), r->temporary, 0) < 0)
		return -1;
	return take_name(r);
}

static int
make_symlink(struct tree_receiver *r)
{
	const struct tree_entry *entry = &r->entry;
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
	    {.tv_sec = entry->seconds, .tv_nsec = entry->nanoseconds}};
	int dir = top(r);

	invent(r);
	if (symlinkat(entry->target, dir, r->temporary) < 0)
		return -1;
	if (r->trusted && fchownat(dir, r->temporary, entry->uid, entry->gid,
			      AT_SYMLINK_NOFOLLOW) < 0)
		errno = 0; /* an ordinary user's copy */
	utimensat(dir, r->temporary, times, AT_SYMLINK_NOFOLLOW);
	return take_name(r);
}

static int
make_node(struct tree_receiver *r)
{
	const struct tree_entry *entry = &r->entry;
	mode_t kind = entry->kind == TREE_FIFO   ? S_IFIFO
		      : entry->kind == TREE_CHAR ? S_IFCHR
						 : S_IFBLK;
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
	    {.tv_sec = entry->seconds, .tv_nsec = entry->nanoseconds}};
	int dir = top(r);

	errno = EPERM;
	if (!r->trusted && kind != S_IFIFO)
		return -1;
	invent(r);
	if (mknodat(dir, r->temporary, kind | 0600,
		makedev(entry->major, entry->minor)) < 0)
		return -1;
	if ((r->trusted &&
		fchownat(dir, r->temporary, entry->uid, entry->gid,
		    AT_SYMLINK_NOFOLLOW) < 0 &&
		geteuid() == 0) ||
	    fchmodat(dir, r->temporary,
		entry->mode & (r->trusted ? 07777 : 0777), 0) < 0)
		left_out(r, r->name);
	utimensat(dir, r->temporary, times, AT_SYMLINK_NOFOLLOW);
	return take_name(r);
}

static void
take_entry(struct tree_receiver *r, const struct tree_entry *entry)
{
	char path[TREE_PATH_MAX + 1];
	int status;

	drop_file(r);
	r->entry = *entry;
	if (map_path(r, entry->path, path) < 0 ||
	    (*path && go_to_parent(r, path) < 0)) {
		left_out(r, entry->path);
		return;
	}
	errno = EISDIR;
	if (*path == '\0' && entry->kind != TREE_DIR) {
		left_out(r, entry->path);
		return;
	}
	switch (entry->kind) {
	case TREE_FILE:
		status = open_file(r);
		break;
	case TREE_DIR:
		status = make_dir(r, path);
		break;
	case TREE_LINK:
		status = make_link(r);
		break;
	case TREE_SYMLINK:
		status = make_symlink(r);
		break;
	default:
		status = make_node(r);
		break;
	}
	if (status < 0) {
		r->temporary[0] = '\0';
		left_out(r, path);
	}
	/* The texts are the reader's, and gone with its next record. */
	r->entry.path = r->entry.target = "";
	if (entry->kind == TREE_DIR && r->depth > 0)
		r->levels[r->depth - 1].entry.path = "";
}

int
tree_receive(struct tree_receiver *r, int fd, struct err *e)
{
	struct tree_reader reader;
	struct tree_record record;
	int got;

	if (tree_reader_init(&reader, fd) < 0)
		return err_set(e, EX_OSERR, "out of memory");
	reader.wanted = r->wanted;
	while ((got = tree_next(&reader, &record, e)) > 0) {
		if (record.type == TREE_ENTRY)
			take_entry(r, &record.entry);
		else if (record.type == TREE_XATTR)
			keep_xattr(r, &record);
		else if (record.type == TREE_CLOSE)
			close_file(r);
		else if (write_data(r, &record, e) < 0) {
			got = -1;
			break;
		}
	}
	drop_file(r);
	while (r->depth > 0)
		pop(r);
	tree_reader_release(&reader);
	return got;
}

void
tree_receiver_release(struct tree_receiver *r)
{
	drop_file(r);
	while (r->depth > 0)
		pop(r);
	fd_close(&r->base);
	buf_release(&r->xattrs);
}
