/* SPDX-License-Identifier: MIT */
/* tree_send.c - files and directories of this system into a stream */
#include "common/tree_send.h"

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
#include <unistd.h>

/* A descriptor for each level is held open; deeper trees are told of. */
#define DEPTH_MAX 500
#define BUCKETS   4096
#define NAMES_MAX 65536 /* of extended attributes: the kernel's limit */

/* A file with several names, by its number; its first name. */
struct link {
	struct link *next;
	dev_t device;
	ino_t number;
	char path[];
};

struct tree_links {
	struct link *bucket[BUCKETS];
};

int
tree_sender_init(struct tree_sender *s, int fd)
{
	*s = (struct tree_sender){.links = calloc(1, sizeof(*s->links))};
	tree_writer_init(&s->writer, fd);
	return s->links ? 0 : -1;
}

void
tree_sender_release(struct tree_sender *s)
{
	for (size_t i = 0; s->links && i < BUCKETS; i++)
		while (s->links->bucket[i]) {
			struct link *link = s->links->bucket[i];

			s->links->bucket[i] = link->next;
			free(link);
		}
	free(s->links);
	s->links = NULL;
	tree_writer_release(&s->writer);
}

/* Tells of one thing that is left out. Returns 0: the rest goes on. */
static int
left_out(struct tree_sender *s, const char *path, int number)
{
	struct err e = ERR_INIT;

	errno = number;
	err_errno(&e, 0, "%s", path);
	s->failures++;
	if (s->failed)
		s->failed(&e);
	return 0;
}

/* The name under which the file was sent before; else notes this one. */
static const char *
seen_as(struct tree_sender *s, const struct stat *st, const char *path)
{
	struct link **at = &s->links->bucket[st->st_ino % BUCKETS], *link;

	for (link = *at; link; link = link->next)
		if (link->number == st->st_ino && link->device == st->st_dev)
			return link->path;
	link = malloc(sizeof(*link) + strlen(path) + 1);
	if (!link)
		return NULL; /* then it is sent twice */
	link->device = st->st_dev;
	link->number = st->st_ino;
	memcpy(link->path, path, strlen(path) + 1);
	link->next = *at;
	*at = link;
	return NULL;
}

static int
kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return TREE_FILE;
	case S_IFDIR:
		return TREE_DIR;
	case S_IFLNK:
		return TREE_SYMLINK;
	case S_IFCHR:
		return TREE_CHAR;
	case S_IFBLK:
		return TREE_BLOCK;
	case S_IFIFO:
		return TREE_FIFO;
	default:
		return TREE_SOCKET;
	}
}

/* By descriptor, or by path of /proc/self/fd for what cannot be opened. */
static int
send_xattrs(struct tree_sender *s, int fd, struct err *e)
{
	char path[32];
	cleanup_free char *names = malloc(NAMES_MAX);
	cleanup_free char *value = malloc(TREE_XATTR_MAX);
	ssize_t len, n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = names && value ? listxattr(path, names, NAMES_MAX) : 0;
	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
		n = getxattr(path, names + at, value, TREE_XATTR_MAX);
		if (n >= 0 && tree_put_xattr(&s->writer, names + at, value,
				  (size_t)n, e) < 0)
			return -1;
	}
	return 0;
}

/* The bytes of a file between holes. */
static int
send_data(struct tree_sender *s, int fd, uint64_t size, const char *path,
    struct err *e)
{
	cleanup_free char *chunk = malloc(TREE_DATA_MAX);
	off_t at = 0, hole;

	if (!chunk)
		return err_set(e, EX_OSERR, "out of memory");
	while ((uint64_t)at < size) {
		at = lseek(fd, at, SEEK_DATA);
		if (at < 0) {
			if (errno == ENXIO)
				break; /* a hole up to the end */
			at = 0;        /* a file system without holes */
			hole = (off_t)size;
		} else {
			hole = lseek(fd, at, SEEK_HOLE);
		}
		if (hole > (off_t)size) /* it has grown meanwhile */
			hole = (off_t)size;
		while (at < hole) {
			size_t want = TREE_DATA_MAX;
			ssize_t n;

			if (hole - at < (off_t)want)
				want = (size_t)(hole - at);
			n = pread(fd, chunk, want, at);
			if (n < 0)
				left_out(s, path, errno);
			if (n <= 0) /* it shrank meanwhile */
				return 0;
			if (tree_put_data(&s->writer, (uint64_t)at, chunk,
				(size_t)n, e) < 0)
				return -1;
			at += n;
		}
	}
	return 0;
}

static int
send_file(struct tree_sender *s, int fd, const struct tree_entry *entry,
    struct err *e)
{
	if (tree_put_entry(&s->writer, entry, e) < 0 ||
	    send_xattrs(s, fd, e) < 0 ||
	    send_data(s, fd, entry->size, entry->path, e) < 0)
		return -1;
	return tree_put_close(&s->writer, e);
}

static int send_at(struct tree_sender *, int dir, const char *name, int flags,
    const char *as, unsigned depth, struct err *);

static int
send_dir(struct tree_sender *s, int fd, const struct tree_entry *entry,
    unsigned depth, struct err *e)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3), status = 0;
	DIR *list = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *d;
	char path[TREE_PATH_MAX + 1];

	if (!list || depth >= DEPTH_MAX) {
		left_out(s, entry->path, list ? ELOOP : errno);
		if (list)
			closedir(list);
		else
			fd_close(&copy);
		return 0;
	}
	if (tree_put_entry(&s->writer, entry, e) < 0 ||
	    send_xattrs(s, fd, e) < 0)
		status = -1;
	while (status == 0 && (d = readdir(list))) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		if ((size_t)snprintf(path, sizeof(path), "%s%s%s", entry->path,
			*entry->path ? "/" : "", d->d_name) >= sizeof(path))
			left_out(s, entry->path, ENAMETOOLONG);
		else
			status = send_at(s, fd, d->d_name, AT_SYMLINK_NOFOLLOW,
			    path, depth + 1, e);
	}
	closedir(list);
	return status;
}

static struct tree_entry
describe(const struct stat *st, const char *as)
{
	return (struct tree_entry){.kind = (enum tree_kind)kind_of(st->st_mode),
	    .mode = st->st_mode & 07777,
	    .uid = st->st_uid,
	    .gid = st->st_gid,
	    .seconds = st->st_mtim.tv_sec,
	    .nanoseconds = (uint32_t)st->st_mtim.tv_nsec,
	    .size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0,
	    .major = major(st->st_rdev),
	    .minor = minor(st->st_rdev),
	    .path = as,
	    .target = ""};
}

static int
send_symlink(struct tree_sender *s, int dir, const char *name,
    struct tree_entry *entry, struct err *e)
{
	char target[TREE_PATH_MAX + 1];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

	if (n <= 0)
		return left_out(s, entry->path, n < 0 ? errno : ENOENT);
	target[n] = '\0';
	entry->target = target;
	return tree_put_entry(&s->writer, entry, e);
}

static int
send_at(struct tree_sender *s, int dir, const char *name, int flags,
    const char *as, unsigned depth, struct err *e)
{
	struct tree_entry entry;
	struct stat st;
	const char *before = NULL;
	int open_flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK |
			 (flags ? O_NOFOLLOW : 0);
	cleanup_fd int fd = -1;

	if (fstatat(dir, name, &st, flags) < 0)
		return left_out(s, *as ? as : name, errno);
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
		fd = openat(dir, name, open_flags);
		if (fd < 0 || fstat(fd, &st) < 0)
			return left_out(s, *as ? as : name, errno);
	}
	entry = describe(&st, as);
	if (entry.kind == TREE_SOCKET)
		return 0; /* as tar(1) does */
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1)
		before = seen_as(s, &st, as);
	if (before) {
		entry.kind = TREE_LINK;
		entry.target = before;
		return tree_put_entry(&s->writer, &entry, e);
	}
	switch (entry.kind) {
	case TREE_FILE:
		return send_file(s, fd, &entry, e);
	case TREE_DIR:
		if (!s->recursive)
			return left_out(s, *as ? as : name, EISDIR);
		return send_dir(s, fd, &entry, depth, e);
	case TREE_SYMLINK:
		return send_symlink(s, dir, name, &entry, e);
	default:
		return tree_put_entry(&s->writer, &entry, e);
	}
}

int
tree_send(
    struct tree_sender *s, const char *path, const char *as, struct err *e)
{
	char name[TREE_PATH_MAX + 1];

	if (as)
		snprintf(name, sizeof(name), "%s", as);
	else
		tree_name(path, name, sizeof(name));
	if (!tree_path_valid(name))
		return err_set(e, EX_USAGE, "%s: not a name to copy to", path);
	return send_at(s, AT_FDCWD, path,
	    s->recursive ? AT_SYMLINK_NOFOLLOW : 0, name, 0, e);
}

int
tree_send_end(struct tree_sender *s, struct err *e)
{
	return tree_put_end(&s->writer, e);
}
