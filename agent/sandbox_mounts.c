/* SPDX-License-Identifier: MIT */
/* sandbox_mounts.c - file systems as a sandboxed root may have them */
#include "agent/sandbox_mounts.h"

#include "agent/groups.h"
#include "common/scope.h"

#include <errno.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SAFE    (MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define NEW_DEV "/dev/.new"

/* For mount(2): one mount by itself, so that those below stay as they are. */
#define CLOSED (MS_REMOUNT | MS_BIND | MS_RDONLY | SAFE)

/* ---- the kernel's settings ------------------------------------------------
 */

/* What is there is mounted on itself and closed. */
static int
cover(const char *place, unsigned long more, struct err *e)
{
	if (mount(place, place, NULL, MS_BIND | more, NULL) < 0
		? errno != ENOENT
		: mount(NULL, place, NULL, CLOSED, NULL) < 0)
		return err_errno(e, EX_OSERR, "%s", place);
	return 0;
}

static int
close_kernel(struct err *e)
{
	static const char *const parts[] = {"/proc/bus", "/proc/fs",
	    "/proc/irq", "/proc/scsi", "/proc/sys", "/proc/sysrq-trigger"};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (cover(parts[i], 0, e) < 0)
			return -1;
	if (mount(NULL, "/sys", NULL, CLOSED, NULL) < 0)
		return err_errno(e, EX_OSERR, "/sys");
	return 0;
}

/* Who could write there would leave the limits of its group, or end and stop
 * the commands of others. Descriptors that the agent has already are of the
 * mount below, and open yet. */
static int
close_groups(struct err *e)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	int status = 0;

	if (!mounts)
		return err_errno(e, EX_OSERR, "/proc/self/mounts");
	while (status == 0 && (m = getmntent(mounts)))
		if (strcmp(m->mnt_dir, CGROUP_ROOT) != 0 &&
		    strncmp(m->mnt_type, "cgroup", 6) == 0 &&
		    mount(NULL, m->mnt_dir, NULL, CLOSED, NULL) < 0)
			status = err_errno(e, EX_OSERR, "%s", m->mnt_dir);
	endmntent(mounts);
	return status < 0 ? -1 : cover(CGROUP_ROOT, MS_REC, e);
}

/* ---- devices --------------------------------------------------------------
 */

/* What one of /dev's is there becomes one of the new: a device, a link, or a
 * place with what is mounted on it. */
static int
move_one(const char *name, struct err *e)
{
	char from[64], to[64], target[PATH_MAX];
	struct stat st;
	ssize_t n;

	snprintf(from, sizeof(from), "/dev/%s", name);
	snprintf(to, sizeof(to), NEW_DEV "/%s", name);
	if (lstat(from, &st) < 0)
		return 0;
	if (S_ISDIR(st.st_mode)) {
		if (mkdir(to, 0755) < 0 ||
		    (mount(from, to, NULL, MS_MOVE, NULL) < 0 &&
			errno != EINVAL)) /* nothing is mounted there */
			return err_errno(e, EX_OSERR, "%s", to);
	} else if (S_ISLNK(st.st_mode)) {
		n = readlink(from, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		if (symlink(target, to) < 0)
			return err_errno(e, EX_OSERR, "%s", to);
	} else if (mknod(to, st.st_mode, st.st_rdev) < 0 ||
		   chmod(to, st.st_mode & 07777) < 0) {
		return err_errno(e, EX_OSERR, "%s", to);
	}
	return 0;
}

/* A /dev of our own in the place of the kernel's, where a disk that is plugged
 * in later would show. */
static int
close_devices(struct err *e)
{
	static const char *const kept[] = {"console", "full", "null", "random",
	    "tty", "urandom", "zero", "core", "fd", "ptmx", "stderr", "stdin",
	    "stdout", "hugepages", "mqueue", "pts", "shm"};

	if (mkdir(NEW_DEV, 0755) < 0 ||
	    mount("tmpfs", NEW_DEV, "tmpfs", MS_NOSUID, "mode=755") < 0)
		return err_errno(e, EX_OSERR, NEW_DEV);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (move_one(kept[i], e) < 0)
			return -1;
	if (mount(NEW_DEV, "/dev", NULL, MS_MOVE, NULL) < 0)
		return err_errno(e, EX_OSERR, "/dev");
	return 0;
}

/* ---- disks ----------------------------------------------------------------
 */

/* As statvfs(3) tells a mount's flags. */
static unsigned long
flags_of(const struct statvfs *fs)
{
	static const struct {
		unsigned long told, flag;
	} known[] = {{ST_RDONLY, MS_RDONLY}, {ST_NOSUID, MS_NOSUID},
	    {ST_NOEXEC, MS_NOEXEC}, {ST_NOATIME, MS_NOATIME},
	    {ST_NODIRATIME, MS_NODIRATIME}, {ST_RELATIME, MS_RELATIME}};
	unsigned long flags = 0;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (fs->f_flag & known[i].told)
			flags |= known[i].flag;
	return flags;
}

static int
close_disks(struct err *e)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	struct statvfs fs;
	int status = 0;

	if (!mounts)
		return err_errno(e, EX_OSERR, "/proc/self/mounts");
	while (status == 0 && (m = getmntent(mounts))) {
		if (strncmp(m->mnt_fsname, "/dev/", 5) != 0 &&
		    strcmp(m->mnt_type, "overlay") != 0)
			continue;
		if (statvfs(m->mnt_dir, &fs) < 0 ||
		    mount(NULL, m->mnt_dir, NULL,
			MS_REMOUNT | MS_BIND | MS_NODEV | flags_of(&fs),
			NULL) < 0)
			status = err_errno(e, EX_OSERR, "%s", m->mnt_dir);
	}
	endmntent(mounts);
	return status;
}

int
sandbox_mounts(struct err *e)
{
	if (close_disks(e) < 0 || close_devices(e) < 0 || close_groups(e) < 0 ||
	    close_kernel(e) < 0)
		return err_prefix(e, "sandbox");
	return 0;
}
