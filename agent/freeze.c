/* SPDX-License-Identifier: MIT */
/* freeze.c - file systems hold still, for a copy of their disk */
#include "agent/freeze.h"

#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

/* Mounts of one disk are frozen once; more disks than this have no guest. */
#define DISKS_MAX 64

struct disk {
	char device[256];
	char dir[4096];
};

/* The writable mounts of disks, one for each. */
static int
find_disks(struct disk *disks, unsigned *count)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *m;

	if (!mounts)
		return -1;
	*count = 0;
	while ((m = getmntent(mounts)) && *count < DISKS_MAX) {
		unsigned i = 0;

		if (strncmp(m->mnt_fsname, "/dev/", 5) != 0 ||
		    !hasmntopt(m, "rw"))
			continue;
		while (
		    i < *count && strcmp(disks[i].device, m->mnt_fsname) != 0)
			i++;
		if (i < *count)
			continue;
		snprintf(disks[i].device, sizeof(disks[i].device), "%s",
		    m->mnt_fsname);
		snprintf(disks[i].dir, sizeof(disks[i].dir), "%s", m->mnt_dir);
		++*count;
	}
	endmntent(mounts);
	return 0;
}

static int
call(const struct disk *d, unsigned long what)
{
	cleanup_fd int fd = open(d->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* EOPNOTSUPP: one that knows no freezing (vfat). EBUSY: is frozen;
	 * EINVAL: is not. */
	if (fd < 0 || (ioctl(fd, what, 0) < 0 && errno != EOPNOTSUPP &&
			  errno != (what == FIFREEZE ? EBUSY : EINVAL))) {
		fprintf(stderr, "%s: %s\n", d->dir, strerror(errno));
		return -1;
	}
	return 0;
}

static struct disk disks[DISKS_MAX];

int
freeze_all(const struct request *r)
{
	unsigned count, i;

	(void)r;
	if (find_disks(disks, &count) < 0) {
		fprintf(stderr, "/proc/self/mounts: %s\n", strerror(errno));
		return 1;
	}
	for (i = 0; i < count; i++)
		if (call(&disks[i], FIFREEZE) < 0)
			break;
	if (i == count)
		return 0;
	while (i-- > 0)
		call(&disks[i], FITHAW);
	return 1;
}

int
thaw_all(const struct request *r)
{
	unsigned count;
	int status = 0;

	(void)r;
	if (find_disks(disks, &count) < 0) {
		fprintf(stderr, "/proc/self/mounts: %s\n", strerror(errno));
		return 1;
	}
	for (unsigned i = count; i-- > 0;)
		if (call(&disks[i], FITHAW) < 0)
			status = 1;
	return status;
}
