/* SPDX-License-Identifier: MIT */
/* freeze.c - file systems hold still, for a copy of their disk */
#include "agent/freeze.h"

#include "agent/disks.h"
#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

static int
call(const struct disk_mount *m, unsigned long what)
{
	cleanup_fd int fd = open(m->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* EOPNOTSUPP: one that knows no freezing (vfat). EBUSY: is frozen;
	 * EINVAL: is not. */
	if (fd < 0 || (ioctl(fd, what, 0) < 0 && errno != EOPNOTSUPP &&
			  errno != (what == FIFREEZE ? EBUSY : EINVAL))) {
		fprintf(stderr, "%s: %s\n", m->dir, strerror(errno));
		return -1;
	}
	return 0;
}

/* How many there are, -1. */
static int
meant(const struct disk_mount **mounts)
{
	int count = disk_mounts(mounts);

	if (count < 0)
		fprintf(stderr, "/proc/self/mounts: %s\n", strerror(errno));
	return count;
}

int
freeze_all(const struct request *r)
{
	const struct disk_mount *mounts;
	int count = meant(&mounts), i;

	(void)r;
	if (count < 0)
		return 1;
	for (i = 0; i < count; i++)
		if (call(&mounts[i], FIFREEZE) < 0)
			break;
	if (i == count)
		return 0;
	while (i-- > 0)
		call(&mounts[i], FITHAW);
	return 1;
}

int
thaw_all(const struct request *r)
{
	const struct disk_mount *mounts;
	int count = meant(&mounts), status = 0;

	(void)r;
	if (count < 0)
		return 1;
	while (count-- > 0)
		if (call(&mounts[count], FITHAW) < 0)
			status = 1;
	return status;
}
