/* SPDX-License-Identifier: MIT */
/* output.c - where the image is made, and how it gets to where it belongs */
#include "cmd/vk-mkext/output.h"

#include "cmd/vk-mkext/signals.h"
#include "common/io.h"
#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

/* The directory of a path, to be freed. */
static char *
directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/")
			     : strndup(path, (size_t)(slash - path));
}

/* A file without a name, or where the file system has no such thing one with
 * a name that nobody guesses. */
static int
open_unnamed(struct output *o, const char *directory, struct err *e)
{
	o->fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
	if (o->fd >= 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)
		return err_errno(e, 0, "%s", directory);
	if (asprintf(&o->temporary, "%s/.vk-mkext.XXXXXX", directory) < 0) {
		o->temporary = NULL;
		return err_set(e, EX_OSERR, "out of memory");
	}
	o->fd = mkostemp(o->temporary, O_CLOEXEC);
	if (o->fd < 0) {
		free(o->temporary);
		o->temporary = NULL;
		return err_errno(e, 0, "%s", directory);
	}
	if (o->kind == OUTPUT_NAMED) {
		/* As open(2) would have made it. */
		mode_t mask = umask(0);

		umask(mask);
		fchmod(o->fd, 0666 & ~mask);
		signals_unlink(o->temporary);
	} else {
		unlink(o->temporary);
		free(o->temporary);
		o->temporary = NULL;
	}
	return 0;
}

static int
open_named(struct output *o, const char *path, struct err *e)
{
	cleanup_free char *directory = NULL;
	struct stat st;

	o->kind = OUTPUT_NAMED;
	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
		o->path = realpath(path, NULL);
	else
		o->path = strdup(path);
	if (!o->path)
		return err_errno(e, EX_CANTCREAT, "%s", path);
	directory = directory_of(o->path);
	if (!directory)
		return err_set(e, EX_OSERR, "out of memory");
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		err_set(e, EX_CANTCREAT, "%s: not a regular file", path);
		return err_hint(e, "to write into it, redirect: > %s", path);
	}
	if (open_unnamed(o, directory, e) < 0) {
		e->status = EX_CANTCREAT;
		return -1;
	}
	return 0;
}

/* A file that is ours from its start to its end can be written in place. */
static bool
in_place(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       !(fcntl(fd, F_GETFL) & O_APPEND) && lseek(fd, 0, SEEK_CUR) == 0;
}

static int
open_stdout(struct output *o, struct err *e)
{
	const char *directory = getenv("TMPDIR");

	if (isatty(STDOUT_FILENO)) {
		err_set(e, EX_USAGE, "an image is not for a terminal");
		return err_hint(e, "use -o FILE, > FILE or a pipe");
	}
	if (in_place(STDOUT_FILENO)) {
		o->kind = OUTPUT_REDIRECTED;
		o->fd = open("/proc/self/fd/1", O_RDWR | O_CLOEXEC);
		if (o->fd >= 0) {
			if (ftruncate(o->fd, 0) < 0)
				return err_errno(e, 0, "stdout");
			signals_cut(o->fd);
			return 0;
		}
	}
	o->kind = OUTPUT_STREAMED;
	if (!directory || !*directory)
		directory = "/tmp";
	return open_unnamed(o, directory, e);
}

int
output_open(struct output *o, const char *path, struct err *e)
{
	int result;

	*o = (struct output){.fd = -1};
	result = path && strcmp(path, "-") != 0 ? open_named(o, path, e)
						: open_stdout(o, e);
	if (result < 0)
		output_close(o);
	return result;
}

/* Gives the file without a name one that nobody has. */
static int
give_temporary(struct output *o, const char *self, struct err *e)
{
	cleanup_free char *directory = directory_of(o->path);

	for (unsigned i = 0; directory; i++) {
		char *name;

		if (asprintf(&name, "%s/.vk-mkext.%d.%u", directory,
			(int)getpid(), i) < 0)
			break;
		signals_unlink(name);
		if (linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW) ==
		    0) {
			o->temporary = name;
			return 0;
		}
		signals_unlink(NULL);
		free(name);
		if (errno != EEXIST)
			return err_errno(e, EX_CANTCREAT, "%s", o->path);
	}
	return err_set(e, EX_OSERR, "out of memory");
}

/* linkat(2) does not replace, rename(2) does, and wants a name to begin with.
 */
static int
give_name(struct output *o, struct err *e)
{
	char self[32];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", o->fd);
	if (!o->temporary) {
		if (linkat(AT_FDCWD, self, AT_FDCWD, o->path,
			AT_SYMLINK_FOLLOW) == 0)
			return 0;
		if (give_temporary(o, self, e) < 0)
			return -1;
	}
	if (rename(o->temporary, o->path) < 0)
		return err_errno(e, EX_CANTCREAT, "%s", o->path);
	signals_unlink(NULL);
	free(o->temporary);
	o->temporary = NULL;
	return 0;
}

static int
send_zeros(uint64_t length)
{
	static const uint8_t zeros[64 << 10];

	while (length > 0) {
		size_t n =
		    length < sizeof(zeros) ? (size_t)length : sizeof(zeros);

		if (io_write(STDOUT_FILENO, zeros, n) < 0)
			return -1;
		length -= n;
	}
	return 0;
}

static int
send_data(int fd, off_t at, off_t end)
{
	uint8_t buffer[64 << 10];

	while (at < end) {
		size_t want = (size_t)(end - at);
		ssize_t n = sendfile(STDOUT_FILENO, fd, &at, want);

		if (n > 0 || (n < 0 && errno == EINTR))
			continue;
		/* Some targets take no sendfile (a file opened to append). */
		if (n < 0 && errno != EINVAL)
			return -1;
		if (want > sizeof(buffer))
			want = sizeof(buffer);
		n = io_pread(fd, buffer, want, (uint64_t)at);
		if (n <= 0 || io_write(STDOUT_FILENO, buffer, (size_t)n) < 0)
			return -1;
		at += n;
	}
	return 0;
}

static int
send_all(int fd)
{
	struct stat st;
	off_t at = 0;

	if (fstat(fd, &st) < 0)
		return -1;
	while (at < st.st_size) {
		off_t data = lseek(fd, at, SEEK_DATA), hole;

		if (data < 0 && errno != ENXIO)
			return -1;
		if (data < 0)
			data = st.st_size;
		if (send_zeros((uint64_t)(data - at)) < 0)
			return -1;
		at = data;
		hole = at < st.st_size ? lseek(fd, at, SEEK_HOLE) : at;
		if (hole < 0 || send_data(fd, at, hole) < 0)
			return -1;
		at = hole;
	}
	return 0;
}

/* A new name lasts once its directory is on the disk. */
static int
sync_directory(const char *path, struct err *e)
{
	cleanup_free char *directory = directory_of(path);
	cleanup_fd int fd = -1;

	if (!directory)
		return err_set(e, EX_OSERR, "out of memory");
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL))
		return err_errno(e, EX_IOERR, "sync: %s", directory);
	return 0;
}

int
output_commit(struct output *o, bool sync, struct err *e)
{
	if (sync && o->kind != OUTPUT_STREAMED && fsync(o->fd) < 0)
		return err_errno(e, EX_IOERR, "sync");
	switch (o->kind) {
	case OUTPUT_NAMED:
		if (give_name(o, e) < 0 ||
		    (sync && sync_directory(o->path, e) < 0))
			return -1;
		break;
	case OUTPUT_STREAMED:
		if (send_all(o->fd) < 0)
			return err_errno(e, EX_IOERR, "stdout");
		/* EINVAL: a pipe, which others read. */
		if (sync && fsync(STDOUT_FILENO) < 0 && errno != EINVAL)
			return err_errno(e, EX_IOERR, "sync: stdout");
		break;
	case OUTPUT_REDIRECTED:
		break;
	}
	/* A network file system may tell of a full disk only now. */
	signals_cut(-1);
	if (close(steal_fd(&o->fd)) < 0)
		return err_errno(e, EX_IOERR, "close");
	return 0;
}

void
output_close(struct output *o)
{
	if (o->fd >= 0 && o->kind == OUTPUT_REDIRECTED &&
	    ftruncate(o->fd, 0) < 0)
		signals_cut(-1); /* nothing more can be done */
	signals_cut(-1);
	fd_close(&o->fd);
	if (o->temporary)
		unlink(o->temporary);
	signals_unlink(NULL);
	free(o->temporary);
	o->temporary = NULL;
	free(o->path);
	o->path = NULL;
}
