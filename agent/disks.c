/* SPDX-License-Identifier: MIT */
/* disks.c - block devices, by path or by what vk-boot calls them */
#include "agent/disks.h"

#include "agent/loop.h"
#include "common/io.h"
#include "common/scope.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <mntent.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

/* A disk that is there shows within ms of its driver; an emulated machine
 * under load takes seconds. */
#define DEVICE_MS 20000

#define MOUNTS_MAX    64
#define SERIAL_PREFIX "serial="

/* Linux, fs/ext4: grows a mounted file system to that many blocks. */
#define EXT4_RESIZE _IOW('f', 16, uint64_t)
#define EXT4_MAGIC  0xef53

/* A short file of sysfs, without its line's end; "" where there is none. */
static void
read_attribute(const char *file, char *text, size_t size)
{
	cleanup_fd int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : io_read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

/* The disk with that serial, if it is there. */
static void
find_serial(const char *serial, char path[DISK_PATH_MAX])
{
	DIR *list = opendir("/sys/class/block");
	struct dirent *entry;

	while (list && (entry = readdir(list))) {
		char file[300], text[32];

		snprintf(file, sizeof(file), "/sys/class/block/%s/serial",
		    entry->d_name);
		read_attribute(file, text, sizeof(text));
		if (strcmp(text, serial) == 0 &&
		    strlen(entry->d_name) < DISK_PATH_MAX - 5)
			snprintf(
			    path, DISK_PATH_MAX, "/dev/%.58s", entry->d_name);
	}
	if (list)
		closedir(list);
}

/* A block device that devtmpfs does not name: by /sys/class/block. */
static void
make_block_node(const char *path)
{
	char file[256], text[32];
	const char *name = strrchr(path, '/');
	unsigned major, minor;

	snprintf(
	    file, sizeof(file), "/sys/class/block%s/dev", name ? name : path);
	read_attribute(file, text, sizeof(text));
	if (sscanf(text, "%u:%u", &major, &minor) == 2)
		mknod(path, S_IFBLK | 0600, makedev(major, minor));
}

static bool
is_there(const char *name, char path[DISK_PATH_MAX])
{
	const size_t prefix = strlen(SERIAL_PREFIX);
	struct stat st;

	if (strncmp(name, SERIAL_PREFIX, prefix) == 0) {
		path[0] = '\0';
		find_serial(name + prefix, path);
	} else {
		snprintf(path, DISK_PATH_MAX, "%s", name);
	}
	if (path[0] == '\0')
		return false;
	make_block_node(path);
	return stat(path, &st) == 0 && S_ISBLK(st.st_mode);
}

int
disk_wait(const char *name, char path[DISK_PATH_MAX])
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1};
	cleanup_fd int fd = -1;
	int64_t until = loop_now_ms() + DEVICE_MS;
	char message[4096];

	if (is_there(name, path))
		return 0;
	/* The kernel tells of each new one. */
	fd = socket(
	    AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	if (fd >= 0)
		bind(fd, (struct sockaddr *)&address, sizeof(address));
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = until - loop_now_ms();

		if (is_there(name, path))
			return 0;
		if (left <= 0)
			return -1;
		/* The event may have come before we listened. */
		if (poll(&p, fd >= 0, left < 100 ? (int)left : 100) > 0 &&
		    recv(fd, message, sizeof(message), 0) < 0)
			continue;
	}
}

int
disk_grow(const char *device, const char *dir)
{
	cleanup_fd int disk = open(device, O_RDONLY | O_CLOEXEC);
	cleanup_fd int root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs st;
	uint64_t size, blocks;

	if (disk < 0 || root < 0 || fstatfs(root, &st) < 0 ||
	    ioctl(disk, BLKGETSIZE64, &size) < 0)
		return -1;
	if (st.f_type != EXT4_MAGIC || st.f_bsize <= 0)
		return 0;
	blocks = size / (uint64_t)st.f_bsize;
	/* One that has them already is left as it is. */
	return ioctl(root, EXT4_RESIZE, &blocks);
}

int
disk_mounts(const struct disk_mount **into)
{
	static struct disk_mount mounts[MOUNTS_MAX];
	FILE *list = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	int count = 0;

	*into = mounts;
	if (!list)
		return -1;
	while (count < MOUNTS_MAX && (m = getmntent(list))) {
		struct disk_mount *new = &mounts[count];
		int i = 0;

		if (strncmp(m->mnt_fsname, "/dev/", 5) != 0 ||
		    !hasmntopt(m, "rw"))
			continue;
		snprintf(new->device, sizeof(new->device), "%s", m->mnt_fsname);
		snprintf(new->dir, sizeof(new->dir), "%s", m->mnt_dir);
		while (strcmp(mounts[i].device, new->device) != 0)
			i++;
		count += i == count;
	}
	endmntent(list);
	return count;
}
