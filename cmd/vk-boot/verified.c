/* SPDX-License-Identifier: MIT */
/* verified.c - files whose digest was looked at, and that did not change */
#include "cmd/vk-boot/verified.h"

#include "cmd/vk-boot/cache.h"
#include "cmd/vk-boot/digest.h"
#include "common/scope.h"

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* More than the grain of any file system's clock; FAT has two seconds. */
#define SETTLED_S 3

/* Of the file's name, what stays the same when the file changes. */
#define SAME "%s/%llx-%llx-"

struct name {
	char folder[PATH_MAX];
	char path[PATH_MAX + 256];
};

static int
make_name(struct name *name, const struct stat *st, const char *hex)
{
	struct err e = ERR_INIT;

	if (cache_folder(name->folder, "verified", &e) < 0)
		return -1;
	snprintf(name->path, sizeof(name->path),
	    SAME "%llx-%llx.%lx-%llx.%lx-%.*s", name->folder,
	    (unsigned long long)st->st_dev, (unsigned long long)st->st_ino,
	    (unsigned long long)st->st_size,
	    (unsigned long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
	    (unsigned long long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec,
	    DIGEST_HEX - 1, hex);
	return 0;
}

/* What was remembered of the file as it was earlier. */
static void
forget(const struct name *name, const struct stat *st)
{
	char pattern[PATH_MAX + 64];
	glob_t found;

	snprintf(pattern, sizeof(pattern), SAME "*", name->folder,
	    (unsigned long long)st->st_dev, (unsigned long long)st->st_ino);
	if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			unlink(found.gl_pathv[i]);
	globfree(&found);
}

bool
verified_before(const struct stat *st, const char *hex)
{
	struct name name;

	return make_name(&name, st, hex) == 0 && access(name.path, F_OK) == 0;
}

void
verified_remember(const struct stat *st, const char *hex)
{
	struct name name;
	cleanup_fd int fd = -1;

	if (time(NULL) - st->st_ctim.tv_sec < SETTLED_S ||
	    make_name(&name, st, hex) < 0 || cache_make(name.folder) < 0)
		return;
	forget(&name, st);
	fd = open(name.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}
