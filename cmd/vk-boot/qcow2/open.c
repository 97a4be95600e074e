/* SPDX-License-Identifier: MIT */
/* open.c - an image and what it is based on */
#include "cmd/vk-boot/qcow2/image.h"

#include "common/io.h"
#include "common/scope.h"

#include <endian.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Who is open already above a backing file: none of them may come again. */
struct above {
	dev_t device;
	ino_t inode;
	unsigned depth;
	const struct above *next;
};

struct opening {
	const char *path;
	int fd; /* taken over */
	bool write, raw;
	const struct qcow2_config *config;
	const struct above *above;
};

static struct qcow2 *open_file(struct opening *, struct err *);

/* ---- the backing file ---- */

/* As open(2), but not out of that folder: neither by "..", nor by a link, nor
 * by an absolute path that is not the folder's own. */
static int
open_in_folder(const char *folder, const char *name)
{
	struct open_how how = {
	    .flags = O_RDONLY | O_CLOEXEC | O_NOCTTY,
	    .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	cleanup_free char *real = realpath(folder, NULL);
	cleanup_fd int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	size_t len = real ? strlen(real) : 0;

	if (!real || dir < 0)
		return -1;
	if (strncmp(name, real, len) == 0 && name[len] == '/')
		name += len + strspn(name + len, "/");
	return (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
}

/* Relative names are relative to the image; path (PATH_MAX) is what the name
 * means here. */
static int
open_backing_fd(
    const struct opening *o, const char *name, char *path, struct err *e)
{
	const char *slash = strrchr(o->path, '/');
	int len = slash ? (int)(slash - o->path) + 1 : 0;
	char folder[PATH_MAX];
	int fd;

	if (snprintf(folder, PATH_MAX, "%.*s.", len, o->path) >= PATH_MAX ||
	    snprintf(path, PATH_MAX, "%.*s%s", *name == '/' ? 0 : len, o->path,
		name) >= PATH_MAX)
		return err_set(e, EX_DATAERR, "%s: too long", name);
	if (o->config->any_backing)
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	else
		fd = open_in_folder(folder, name);
	if (fd >= 0)
		return fd;
	if (errno != EXDEV && errno != ELOOP)
		return err_errno(e, 0, "its backing file %s", name);
	err_set(e, EX_NOPERM,
	    "its backing file %s is outside of the image's folder", name);
	return err_hint(e, "backing=any allows that");
}

static int
open_backing(struct qcow2 *q, const struct opening *o, const struct above *self,
    struct err *e)
{
	const char *format = q->header.backing_format;
	char path[PATH_MAX];
	struct opening below = {
	    .path = path,
	    .config = o->config,
	    .above = self,
	    .raw = strcmp(format, "raw") == 0,
	};

	if (!q->header.backing[0])
		return 0;
	if (!below.raw && strcmp(format, "qcow2") != 0) {
		err_set(e, EX_DATAERR, "the format of its backing file is %s%s",
		    *format ? format : "not said in it",
		    *format ? ": not known" : "");
		return *format ? -1
			       : err_hint(e,
				     "'qemu-img rebase -u -b %.64s -F raw' (or "
				     "qcow2) says it",
				     q->header.backing);
	}
	if (self->depth == CHAIN_MAX)
		return err_set(
		    e, EX_DATAERR, "more than %d backing files", CHAIN_MAX);
	below.fd = open_backing_fd(o, q->header.backing, path, e);
	if (below.fd < 0)
		return -1;
	q->backing = open_file(&below, e);
	return q->backing ? 0 : -1;
}

/* ---- one file ---- */

static int
read_l1(struct qcow2 *q, struct err *e)
{
	uint64_t bytes = (uint64_t)q->header.l1_entries * 8;

	q->l1 = malloc(bytes);
	q->slices = calloc(SLICES, sizeof(*q->slices));
	if (!q->l1 || !q->slices)
		return err_errno(e, EX_OSERR, "tables");
	if (io_pread(q->fd, q->l1, bytes, q->header.l1_offset) !=
	    (ssize_t)bytes)
		return err_set(e, EX_DATAERR, "its tables cannot be read");
	for (uint32_t i = 0; i < q->header.l1_entries; i++)
		q->l1[i] = be64toh(q->l1[i]);
	return 0;
}

/* What we could not keep in order while we write. */
static int
check_writable(const struct qcow2 *q, struct err *e)
{
	const struct qcow2_header *h = &q->header;

	if (h->incompatible & (QCOW2_DIRTY | QCOW2_CORRUPT)) {
		err_set(
		    e, EX_DATAERR, "it was not closed in order, or is damaged");
		return err_hint(e, "'qemu-img check -r all' mends it");
	}
	if (h->snapshots > 0) {
		err_set(e, EX_DATAERR, "it has snapshots inside");
		return err_hint(e, "it can be read (ro), or be the base of an "
				   "overlay");
	}
	if (h->autoclear != 0) {
		err_set(e, EX_DATAERR, "it has bitmaps or the like inside");
		return err_hint(e, "'qemu-img bitmap --remove' takes them out");
	}
	return 0;
}

static int
read_image(struct qcow2 *q, const struct opening *o, const struct above *self,
    struct err *e)
{
	cleanup_free uint8_t *head = malloc(QCOW2_HEADER_MAX);
	ssize_t got = head ? io_pread(q->fd, head, QCOW2_HEADER_MAX, 0) : -1;

	if (got < 0)
		return err_errno(e, EX_IOERR, "reading");
	if (qcow2_header_parse(&q->header, head, (size_t)got, q->file_size, e) <
	    0)
		return -1;
	q->size = q->header.size;
	q->cluster = 1ull << q->header.cluster_bits;
	q->slice_bytes =
	    q->cluster < SLICE_BYTES ? (uint32_t)q->cluster : SLICE_BYTES;
	if (read_l1(q, e) < 0)
		return -1;
	if (o->write && (check_writable(q, e) < 0 || refcount_open(q, e) < 0))
		return -1;
	q->write = o->write;
	return open_backing(q, o, self, e);
}

static int
examine(
    struct qcow2 *q, const struct opening *o, struct above *self, struct err *e)
{
	struct stat st;

	if (fstat(q->fd, &st) < 0)
		return err_errno(e, 0, "examining it");
	if (S_ISBLK(st.st_mode)) {
		if (ioctl(q->fd, BLKGETSIZE64, &q->file_size) < 0)
			return err_errno(e, 0, "examining it");
	} else if (!S_ISREG(st.st_mode)) {
		return err_set(
		    e, EX_NOINPUT, "neither a file nor a block device");
	} else {
		q->file_size = (uint64_t)st.st_size;
	}
	*self = (struct above){
	    .device = st.st_dev,
	    .inode = st.st_ino,
	    .depth = o->above ? o->above->depth + 1 : 0,
	    .next = o->above,
	};
	for (const struct above *a = o->above; a; a = a->next)
		if (a->device == st.st_dev && a->inode == st.st_ino)
			return err_set(
			    e, EX_DATAERR, "it is among its own backing files");
	return 0;
}

static struct qcow2 *
open_file(struct opening *o, struct err *e)
{
	struct qcow2 *q = calloc(1, sizeof(*q));
	struct above self;
	int result;

	if (!q) {
		fd_close(&o->fd);
		err_errno(e, EX_OSERR, "%s", o->path);
		return NULL;
	}
	q->fd = steal_fd(&o->fd);
	q->raw = o->raw;
	q->unsafe = o->config->unsafe;
	snprintf(q->name, sizeof(q->name), "%s", o->path);
	result = examine(q, o, &self, e);
	if (result < 0)
		err_prefix(e, "%s", o->path);
	else
		result = disk_lock(q->fd, o->path, o->write, e);
	if (result == 0 && q->raw) {
		q->size = q->file_size;
	} else if (result == 0) {
		result = read_image(q, o, &self, e);
		if (result < 0)
			err_prefix(e, "%s", o->path);
	}
	if (result == 0)
		return q;
	q->write = false; /* nothing to flush */
	qcow2_close(q);
	return NULL;
}

struct qcow2 *
qcow2_open(const struct qcow2_config *config, struct err *e)
{
	struct opening o = {
	    .path = config->path,
	    .fd = open(config->path,
		(config->write ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY),
	    .write = config->write,
	    .config = config,
	};

	if (o.fd < 0) {
		err_errno(e, 0, "%s", config->path);
		return NULL;
	}
	return open_file(&o, e);
}

void
qcow2_close(struct qcow2 *q)
{
	if (!q)
		return;
	/* The file ends where what is used does. */
	if (q->write && qcow2_flush(q) == 0 &&
	    q->file_size > q->next_cluster * q->cluster &&
	    ftruncate(q->fd, (off_t)(q->next_cluster * q->cluster)) < 0)
		q->write = false;
	qcow2_close(q->backing);
	for (unsigned i = 0; q->slices && i < SLICES; i++)
		free(q->slices[i].entries);
	free(q->slices);
	free(q->l1);
	free(q->inflated);
	free(q->deflated);
	refcount_release(q);
	fd_close(&q->fd);
	free(q);
}

uint64_t
qcow2_size(const struct qcow2 *q)
{
	return q->size;
}
