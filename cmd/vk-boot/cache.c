/* SPDX-License-Identifier: MIT */
/* cache.c - the user's cache */
#include "cmd/vk-boot/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

int
cache_create(const char *folder)
{
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (cache_make(folder) < 0)
		return -1;
	return open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

int
cache_name(int fd, const char *folder, const char *name)
{
	char path[PATH_MAX], self[64];
	int n = snprintf(path, sizeof(path), "%s/%s", folder, name);

	if (n < 0 || (size_t)n >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (fchmod(fd, 0400) < 0 || fsync(fd) < 0)
		return -1;
	if (linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0 &&
	    errno != EEXIST)
		return -1;
	return 0;
}
