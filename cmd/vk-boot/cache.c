/* SPDX-License-Identifier: MIT */
/* cache.c - the user's cache */
#include "cmd/vk-boot/cache.h"

#include "common/scope.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX ".new."

int
cache_folder(char into[PATH_MAX], const char *name, struct err *e)
{
	const char *base = getenv("XDG_CACHE_HOME"), *middle = "";
	int n;

	if (!base || base[0] != '/') { /* a relative one is to be ignored */
		base = getenv("HOME");
		middle = "/.cache";
	}
	if (!base || base[0] != '/')
		return err_set(e, EX_CONFIG,
		    "cache: neither XDG_CACHE_HOME nor HOME is set");
	n = snprintf(into, PATH_MAX, "%s%s/vk/%s", base, middle, name);
	if (n < 0 || n >= PATH_MAX)
		return err_set(e, EX_CONFIG, "cache: path too long");
	return 0;
}

int
cache_make(const char *folder)
{
	char path[PATH_MAX];
	size_t len = strlen(folder);

	if (len == 0 || len >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(path, folder, len + 1);
	for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return -1;
		*slash = '/';
	}
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -1 : 0;
}

/* Removes what a killed process left. */
static void
sweep(const char *folder)
{
	char path[PATH_MAX];
	DIR *dir = opendir(folder);

	for (struct dirent *d; dir && (d = readdir(dir)) != NULL;) {
		cleanup_fd int fd = -1;
		int n;

		if (strncmp(d->d_name, PREFIX, sizeof(PREFIX) - 1) != 0)
			continue;
		n = snprintf(path, sizeof(path), "%s/%s", folder, d->d_name);
		if (n < 0 || (size_t)n >= sizeof(path))
			continue;
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			unlink(path);
	}
	if (dir)
		closedir(dir);
}

/* Between the open and the lock somebody's sweep may take the file for a dead
 * one's: then cache_name fails, and the next process tries again. */
int
cache_create_named(struct cache_file *file, const char *folder)
{
	int n;

	*file = (struct cache_file){.fd = -1};
	snprintf(file->folder, sizeof(file->folder), "%s", folder);
	n = snprintf(file->temporary, sizeof(file->temporary),
	    "%s/" PREFIX "XXXXXX", folder);
	if (n < 0 || (size_t)n >= sizeof(file->temporary)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	sweep(folder);
	file->fd = mkostemp(file->temporary, O_CLOEXEC);
	if (file->fd < 0)
		return -1;
	flock(file->fd, LOCK_EX | LOCK_NB);
	return 0;
}

int
cache_create(struct cache_file *file, const char *folder)
{
	const int flags = O_TMPFILE | O_RDWR | O_CLOEXEC;

	*file = (struct cache_file){.fd = -1};
	snprintf(file->folder, sizeof(file->folder), "%s", folder);
	file->fd = open(folder, flags, 0600);
	if (file->fd < 0 && errno == ENOENT && cache_make(folder) == 0)
		file->fd = open(folder, flags, 0600);
	if (file->fd >= 0)
		return 0;
	return errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL
		   ? cache_create_named(file, folder)
		   : -1;
}

int
cache_name(struct cache_file *file, const char *name)
{
	char path[PATH_MAX], self[64];
	int n = snprintf(path, sizeof(path), "%s/%s", file->folder, name);

	if (n < 0 || (size_t)n >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (fchmod(file->fd, 0400) < 0 || fsync(file->fd) < 0)
		return -1;
	if (file->temporary[0])
		return rename(file->temporary, path);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", file->fd);
	if (linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0 &&
	    errno != EEXIST)
		return -1;
	return 0;
}

void
cache_abandon(struct cache_file *file)
{
	if (file->fd >= 0 && file->temporary[0])
		unlink(file->temporary);
	fd_close(&file->fd);
}
