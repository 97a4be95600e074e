/* SPDX-License-Identifier: MIT */
/* run_folder.c - where a running VM is found by its name */
#include "common/run_folder.h"

#include "common/scope.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A name that is freed and taken by others all the time is given up on. */
#define TRIES 16
/* How long a lock is waited for that is no VM's. */
#define CLEARED_MS 500
#define LOOKED_MS  10000

bool
run_name_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > RUN_NAME_MAX || !isalnum((unsigned char)*name))
		return false;
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("_.-", *p))
			return false;
	return true;
}

/* The folder has to be a directory of ours that nobody else may enter. */
static int
check_own(const char *path, struct err *e)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return err_errno(e, 0, "%s", path);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 077) != 0) {
		err_set(e, EX_NOPERM, "%s: is not a folder of your own", path);
		return err_hint(e, "it must be a directory of mode 0700 that "
				   "belongs to you");
	}
	return 0;
}

int
run_base(char *into, bool create, struct err *e)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	int len;

	if (runtime && runtime[0] == '/')
		len = snprintf(into, RUN_PATH_MAX, "%s/vk", runtime);
	else
		len = snprintf(
		    into, RUN_PATH_MAX, "/tmp/vk-%u", (unsigned)geteuid());
	if (len >= RUN_PATH_MAX)
		return err_set(
		    e, EX_CONFIG, "XDG_RUNTIME_DIR: too long for a socket");
	if (create && mkdir(into, 0700) < 0 && errno != EEXIST)
		return err_errno(e, EX_CANTCREAT, "%s", into);
	if (!create && access(into, F_OK) < 0 && errno == ENOENT)
		return 0;
	return check_own(into, e);
}

int
run_path(const char *name, const char *member, char *into, size_t size,
    struct err *e)
{
	char base[RUN_PATH_MAX];
	int len;

	if (!run_name_valid(name)) {
		err_set(e, EX_USAGE, "%s: not a name of a VM", name);
		return err_hint(e,
		    "names are 1 to %d letters, digits and "
		    "_.-, the first a letter or digit",
		    RUN_NAME_MAX);
	}
	if (run_base(base, false, e) < 0)
		return -1;
	len = snprintf(
	    into, size, "%s/%s%s%s", base, name, *member ? "/" : "", member);
	if (len < 0 || (size_t)len >= size)
		return err_set(e, EX_USAGE, "%s: path too long", name);
	return 0;
}

/* "vm-" and six characters that no other VM is likely to have. */
static int
invent_name(char *into, struct err *e)
{
	static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
	unsigned char random[6];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return err_errno(e, EX_OSERR, "getrandom");
	memcpy(into, "vm-", 3);
	for (size_t i = 0; i < sizeof(random); i++)
		into[3 + i] = letters[random[i] % 32];
	into[3 + sizeof(random)] = '\0';
	return 0;
}

/* Removes the files of a folder, the lock last: until then it is held. */
static void
clear(int dir, bool with_lock)
{
	int copy = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	DIR *list = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry;

	if (!list) {
		if (copy >= 0)
			close(copy);
		return;
	}
	rewinddir(list);
	while ((entry = readdir(list)))
		if (strcmp(entry->d_name, "lock") != 0)
			unlinkat(dir, entry->d_name, 0);
	closedir(list);
	if (with_lock)
		unlinkat(dir, "lock", 0);
}

/* Whether the lock held is still the one in the folder of that path. */
static bool
still_there(const struct run_folder *folder)
{
	char path[RUN_PATH_MAX + 8];
	struct stat held, there;

	snprintf(path, sizeof(path), "%s/lock", folder->path);
	return fstat(folder->lock, &held) == 0 && stat(path, &there) == 0 &&
	       held.st_ino == there.st_ino && held.st_dev == there.st_dev;
}

void
run_folder_leave(struct run_folder *folder)
{
	fd_close(&folder->lock);
	fd_close(&folder->dir);
	folder->path[0] = '\0';
}

/*
 * A VM holds its lock for good. Others hold one for moments, which a machine
 * under load makes long: who clears the folder of one that was killed, alone;
 * who looks whether there is one, with others, and so is told from a VM.
 */
static int
lock_patiently(int lock)
{
	const struct timespec moment = {.tv_nsec = 2000000};
	int cleared = CLEARED_MS / 2, looked = LOOKED_MS / 2;

	while (cleared > 0 && looked > 0) {
		if (flock(lock, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK)
			return -1;
		if (flock(lock, LOCK_SH | LOCK_NB) == 0) {
			flock(lock, LOCK_UN);
			looked--;
		} else {
			cleared--;
		}
		nanosleep(&moment, NULL);
	}
	errno = EWOULDBLOCK;
	return -1;
}

/* One attempt: 1 it is ours, 0 the folder went away meanwhile, -1 err. */
static int
try_take(struct run_folder *folder, const char *name, struct err *e)
{
	if (mkdir(folder->path, 0700) < 0 && errno != EEXIST)
		return err_errno(e, EX_CANTCREAT, "%s", folder->path);
	folder->dir =
	    open(folder->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder->dir < 0)
		return errno == ENOENT
			   ? 0
			   : err_errno(e, EX_CANTCREAT, "%s", folder->path);
	folder->lock = openat(folder->dir, "lock",
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (folder->lock < 0)
		return errno == ENOENT ? 0
				       : err_errno(e, EX_CANTCREAT, "%s/lock",
					     folder->path);
	if (lock_patiently(folder->lock) < 0) {
		if (errno != EWOULDBLOCK)
			return err_errno(e, EX_OSERR, "%s/lock", folder->path);
		err_set(e, EX_TEMPFAIL, "%s: a VM of that name runs", name);
		return err_hint(
		    e, "take another name, or end it: vk-exec --stop %s", name);
	}
	if (!still_there(folder))
		return 0;
	clear(folder->dir, false);
	return 1;
}

int
run_folder_create(struct run_folder *folder, const char *name, struct err *e)
{
	char base[RUN_PATH_MAX], invented[16];

	*folder = (struct run_folder)RUN_FOLDER_INIT;
	if (run_base(base, true, e) < 0)
		return -1;
	for (int i = 0; i < TRIES; i++) {
		int taken;

		if (!name && invent_name(invented, e) < 0)
			return -1;
		if (run_path(name ? name : invented, "", folder->path,
			sizeof(folder->path) - sizeof("/vsock_4294967295"),
			e) < 0)
			return -1;
		taken = try_take(folder, name ? name : invented, e);
		if (taken > 0)
			return 0;
		run_folder_leave(folder);
		if (taken < 0 && name)
			return -1;
	}
	return err_set(
	    e, EX_TEMPFAIL, "%s: cannot be taken", name ? name : "a free name");
}

const char *
run_folder_name(const struct run_folder *folder)
{
	const char *slash = strrchr(folder->path, '/');

	return slash ? slash + 1 : folder->path;
}

void
run_folder_release(struct run_folder *folder)
{
	if (folder->dir >= 0) {
		clear(folder->dir, true);
		rmdir(folder->path);
	}
	run_folder_leave(folder);
}

/* Whether the lock in the folder at dir is held. */
static int
is_held(int base, const char *name)
{
	char path[RUN_NAME_MAX + 8];
	cleanup_fd int lock = -1;

	snprintf(path, sizeof(path), "%s/lock", name);
	lock = openat(base, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (lock < 0)
		return errno == ENOENT ? 0 : -1;
	if (flock(lock, LOCK_SH | LOCK_NB) == 0)
		return 0;
	return errno == EWOULDBLOCK ? 1 : -1;
}

int
run_folder_alive(const char *name, struct err *e)
{
	char path[RUN_PATH_MAX];
	cleanup_fd int base = -1;
	int held;

	if (run_path(name, "", path, sizeof(path), e) < 0 ||
	    run_base(path, false, e) < 0)
		return -1;
	base = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (base < 0 && errno == ENOENT)
		return 0;
	held = base < 0 ? -1 : is_held(base, name);
	return held < 0 ? err_errno(e, 0, "%s/%s/lock", path, name) : held;
}

int
run_folder_list(int (*each)(void *context, const char *name, bool alive),
    void *context, struct err *e)
{
	char path[RUN_PATH_MAX];
	struct dirent *entry;
	int result = 0;
	DIR *list;

	if (run_base(path, false, e) < 0)
		return -1;
	list = opendir(path);
	if (!list)
		return errno == ENOENT ? 0 : err_errno(e, 0, "%s", path);
	while (result == 0 && (entry = readdir(list)))
		if (run_name_valid(entry->d_name))
			result = each(context, entry->d_name,
			    is_held(dirfd(list), entry->d_name) == 1);
	closedir(list);
	return result;
}
