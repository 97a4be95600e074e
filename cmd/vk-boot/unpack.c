/* SPDX-License-Identifier: MIT */
/* unpack.c - compressed bytes of a file, unpacked once and kept */
#include "cmd/vk-boot/unpack.h"

#include "cmd/vk-boot/cache.h"
#include "cmd/vk-boot/child.h"
#include "cmd/vk-boot/digest.h"
#include "common/io.h"
#include "common/packed.h"
#include "common/scope.h"
#include "common/size.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define BLOCK ((size_t)128 << 10)
#define PAGE  4096u

/* Where the packed bytes are read: a range of a file. */
struct source {
	int fd;
	uint64_t offset, left;
	char block[BLOCK];
};

static ssize_t
source_read(void *with, const void **at)
{
	struct source *source = with;
	size_t want = source->left < BLOCK ? (size_t)source->left : BLOCK;
	ssize_t got = io_pread(source->fd, source->block, want, source->offset);

	if (got > 0) {
		source->offset += (uint64_t)got;
		source->left -= (uint64_t)got;
	}
	*at = source->block;
	return got;
}

static bool
is_zero(const char *at, size_t len)
{
	return len > 0 && at[0] == 0 && memcmp(at, at + 1, len - 1) == 0;
}

/*
 * Writes at offset of the file, which is a hole there, and leaves pages of
 * zeros holes: a third of Debian's vmlinux, which the loader then need not
 * copy, nor the guest's memory hold.
 */
static int
write_sparse(int to, const char *at, size_t len, uint64_t offset)
{
	while (len > 0) {
		size_t run = 0;

		while (run < len) {
			size_t page = PAGE - (size_t)((offset + run) % PAGE);

			if (page > len - run)
				page = len - run;
			if (is_zero(at + run, page)) {
				if (run > 0)
					break;
				at += page;
				len -= page;
				offset += page;
			} else
				run += page;
		}
		if (io_pwrite(to, at, run, offset) < 0)
			return -1;
		at += run;
		len -= run;
		offset += run;
	}
	return 0;
}

/* Copies what comes out of p to the empty file `to`. */
static int
copy_out(struct packed *p, int to, uint64_t max, struct err *e)
{
	char text[SIZE_TEXT_MAX];
	uint64_t end = 0;
	const void *at;
	ssize_t got;

	while ((got = packed_next(p, &at, e)) > 0) {
		if ((size_t)got > max - end)
			return err_set(e, EX_DATAERR, "unpacks to more than %s",
			    size_text(max, text));
		if (write_sparse(to, at, (size_t)got, end) < 0)
			return err_errno(e, EX_IOERR, "unpacked file");
		end += (size_t)got;
	}
	if (got < 0)
		return -1;
	if (ftruncate(to, (off_t)end) < 0)
		return err_errno(e, EX_IOERR, "unpacked file");
	return 0;
}

struct task {
	const struct unpack *unpack;
	int to;
};

/* In a child. */
static int
do_unpack(void *owner, struct err *e)
{
	const struct task *task = owner;
	const struct unpack *unpack = task->unpack;
	cleanup_free struct source *source = calloc(1, sizeof(*source));
	struct packed *packed;
	int rc = -1;

	if (!source)
		return err_errno(e, EX_OSERR, "unpacking");
	*source = (struct source){
	    .fd = unpack->fd, .offset = unpack->offset, .left = unpack->len};
	packed = packed_open(source_read, source, e);
	if (packed)
		rc = copy_out(packed, task->to, unpack->max, e);
	packed_close(packed);
	return rc;
}

/* The bytes are hostile, and the libraries that unpack them are large. */
static int
unpack_to(int to, const struct unpack *unpack, struct err *e)
{
	struct task task = {unpack, to};

	return child_run(do_unpack, &task, (int[]){unpack->fd, to}, 2, e);
}

/* ---- what is kept ------------------------------------------------------- */

#define LINK_NAME_MAX 160

/*
 * A name for the file as it lies there. A file that is written to gets new
 * times, one that takes its place a new inode; and its own ctime nobody can
 * set.
 */
static int
link_name(const struct unpack *unpack, char name[LINK_NAME_MAX])
{
	struct stat st;

	if (fstat(unpack->fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_nlink == 0) /* nobody will find it there again */
		return -1;
	snprintf(name, LINK_NAME_MAX, "%jx-%jx-%jx-%jx.%09ld-%jx.%09ld-%jx+%jx",
	    (uintmax_t)st.st_dev, (uintmax_t)st.st_ino, (uintmax_t)st.st_size,
	    (uintmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
	    (uintmax_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec,
	    (uintmax_t)unpack->offset, (uintmax_t)unpack->len);
	return 0;
}

static int
open_kept(const char *folder, const char *name)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", folder, name);

	if (n < 0 || (size_t)n >= sizeof(path))
		return -1;
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* So that the next start finds the file, if it was kept, without a digest. */
static void
keep_link(const char *folder, const char *name, const char *digest)
{
	cleanup_fd int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir >= 0 && faccessat(dir, digest, F_OK, 0) == 0 &&
	    symlinkat(digest, dir, name) < 0)
		return; /* it is there already, or cannot be: either is fine */
}

/* Into memory, where nothing can be kept. */
static int
unpack_unkept(const struct unpack *unpack, struct err *e)
{
	cleanup_fd int fd = memfd_create("vk-unpacked", MFD_CLOEXEC);

	if (fd < 0)
		return err_errno(e, EX_OSERR, "unpacking");
	return unpack_to(fd, unpack, e) < 0 ? -1 : steal_fd(&fd);
}

/* Into folder under the name of the digest; into memory if that cannot be
 * written to, or is full. */
static int
unpack_and_keep(const struct unpack *unpack, const char *folder,
    const char *digest, struct err *e)
{
	struct cache_file file;

	if (cache_create(&file, folder) < 0)
		return unpack_unkept(unpack, e);
	if (unpack_to(file.fd, unpack, e) < 0) {
		cache_abandon(&file);
		return unpack_unkept(unpack, e);
	}
	if (cache_name(&file, digest) < 0) {
		cache_abandon(&file);
		return unpack_unkept(unpack, e);
	}
	return file.fd;
}

int
unpack_open(const struct unpack *unpack, struct err *e)
{
	char buffer[PATH_MAX], link[LINK_NAME_MAX], digest[DIGEST_HEX];
	const char *folder = unpack->folder;
	bool link_known;
	int fd;

	if (!folder)
		folder = cache_folder(buffer, "unpacked", e) == 0 ? buffer : "";
	if (!folder[0])
		return unpack_unkept(unpack, e);
	link_known = link_name(unpack, link) == 0;
	fd = link_known ? open_kept(folder, link) : -1;
	if (fd >= 0)
		return fd;
	if (digest_file(unpack->fd, unpack->offset, unpack->len, digest, e) < 0)
		return unpack_unkept(unpack, e);
	fd = open_kept(folder, digest);
	if (fd < 0)
		fd = unpack_and_keep(unpack, folder, digest, e);
	if (fd >= 0 && link_known)
		keep_link(folder, link, digest);
	return fd;
}
