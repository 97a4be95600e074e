/* SPDX-License-Identifier: MIT */
/* boot.c - from the initramfs to the image's own root */
#include "agent/boot.h"

#include "agent/disks.h"
#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SEED_MAX 512
#define NEW_ROOT "/newroot"
#define BELOW    "/below"
#define ABOVE    "/above"

static void
mount_kernel(const char *type, const char *dir, unsigned long flags)
{
	mkdir(dir, 0755);
	if (mount(type, dir, type, flags, NULL) < 0 && errno != EBUSY)
		log_warn("%s: %s", dir, strerror(errno));
}

/* A kernel without devtmpfs: the nodes that are needed to go on. */
static void
make_nodes(void)
{
	static const struct {
		const char *path;
		unsigned major, minor;
	} nodes[] = {{"/dev/console", 5, 1}, {"/dev/null", 1, 3},
	    {"/dev/zero", 1, 5}, {"/dev/full", 1, 7}, {"/dev/random", 1, 8},
	    {"/dev/urandom", 1, 9}, {"/dev/kmsg", 1, 11}, {"/dev/tty", 5, 0}};

	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		if (mknod(nodes[i].path, S_IFCHR | 0666,
			makedev(nodes[i].major, nodes[i].minor)) < 0 &&
		    errno != EEXIST)
			log_warn("%s: %s", nodes[i].path, strerror(errno));
}

/* Somebody (a kernel, a test) has put a /dev there: it is left as it is. */
static bool
is_mounted(const char *dir)
{
	struct stat here, above;

	return stat(dir, &here) == 0 && stat("/", &above) == 0 &&
	       here.st_dev != above.st_dev;
}

/*
 * The kernel's console may be a terminal that the kernel alone can write to: a
 * serial port for which it has found no interrupt (EIO for all others). The
 * name is the other terminal's then, if there is one.
 */
static int
open_console(void)
{
	int fd = open("/dev/console", O_RDWR | O_NOCTTY);
	struct stat other;

	if ((fd >= 0 && write(fd, "", 0) == 0) || stat("/dev/hvc0", &other) < 0)
		return fd;
	if (fd >= 0)
		close(fd);
	if ((unlink("/dev/console") < 0 && errno != ENOENT) ||
	    mknod("/dev/console", S_IFCHR | 0600, other.st_rdev) < 0)
		return -1;
	return open("/dev/console", O_RDWR | O_NOCTTY);
}

void
boot_early(void)
{
	int fd;

	mount_kernel("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC);
	mount_kernel("sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC);
	mkdir("/dev", 0755);
	if (is_mounted("/dev") || (mount("devtmpfs", "/dev", "devtmpfs",
				       MS_NOSUID, "mode=0755") < 0 &&
				      errno != EBUSY))
		make_nodes();
	fd = open_console();
	if (fd < 0)
		fd = open("/dev/null", O_RDWR | O_NOCTTY);
	for (int i = 0; i < 3 && fd >= 0; i++)
		if (fd != i)
			dup2(fd, i);
	if (fd > 2)
		close(fd);
}

void
boot_modules(const struct config *config)
{
	for (size_t i = 0; i < config->modules.count; i++) {
		char line[512], *words[CONFIG_WORDS_MAX + 1];
		const char *value = config->modules.lines[i], *arguments;
		cleanup_fd int fd = -1;

		snprintf(line, sizeof(line), "%s", value);
		if (config_words(line, words) == 0)
			continue;
		arguments = value + strcspn(value, " \t");
		arguments += strspn(arguments, " \t");
		fd = open(words[0], O_RDONLY | O_CLOEXEC);
		if (fd < 0 ||
		    (syscall(SYS_finit_module, fd, arguments, 0) < 0 &&
			errno != EEXIST))
			log_warn("%s: %s", words[0], strerror(errno));
	}
}

void
boot_seed(void)
{
	/* entropy_count and buf_size, then the bytes (random(4)). */
	union {
		struct rand_pool_info info;
		char space[sizeof(struct rand_pool_info) + SEED_MAX];
	} pool;
	cleanup_fd int seed = open("/vk/seed", O_RDONLY | O_CLOEXEC);
	cleanup_fd int random = -1;
	ssize_t len;

	if (seed < 0)
		return;
	len = io_read(seed, pool.info.buf, SEED_MAX);
	random = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
	if (len <= 0 || random < 0)
		return;
	pool.info.entropy_count = (int)len * 8;
	pool.info.buf_size = (int)len;
	if (ioctl(random, RNDADDENTROPY, &pool.info) < 0)
		log_warn("entropy: %s", strerror(errno));
	unlink("/vk/seed");
}

/* ---- the root -------------------------------------------------------------
 */

/* "rw,noatime" to flags and what is the file system's own. */
static unsigned long
parse_options(char *options, char *data, size_t size)
{
	static const struct {
		const char *name;
		unsigned long flag;
	} known[] = {{"ro", MS_RDONLY}, {"nosuid", MS_NOSUID},
	    {"nodev", MS_NODEV}, {"noexec", MS_NOEXEC}, {"noatime", MS_NOATIME},
	    {"relatime", MS_RELATIME}, {"nodiratime", MS_NODIRATIME},
	    {"sync", MS_SYNCHRONOUS}, {"rw", 0}, {"defaults", 0},
	    {"bind", MS_BIND}};
	const size_t count = sizeof(known) / sizeof(known[0]);
	unsigned long flags = 0;
	size_t at = 0;
	char *option;

	data[0] = '\0';
	while ((option = strsep(&options, ","))) {
		size_t i = 0;

		while (i < count && strcmp(known[i].name, option) != 0)
			i++;
		if (i < count)
			flags |= known[i].flag;
		else if (strncmp(option, "x-", 2) == 0)
			continue; /* for us, not for the kernel */
		else if (*option && at < size)
			at += (size_t)snprintf(data + at, size - at, "%s%s",
			    at ? "," : "", option);
	}
	return flags;
}

bool
boot_option(const char *options, const char *name)
{
	size_t len = strlen(name);

	for (; *options; options += strspn(options, ",")) {
		size_t n = strcspn(options, ",");

		if (n == len && memcmp(options, name, n) == 0)
			return true;
		options += n;
	}
	return false;
}

int
boot_mount(const char *line, const char *dir, struct err *e)
{
	char text[1024], data[512], *words[CONFIG_WORDS_MAX + 1];
	char none[] = "", disk[DISK_PATH_MAX];
	const char *device;
	unsigned long flags;
	bool grow;
	size_t count;

	snprintf(text, sizeof(text), "%s", line);
	count = config_words(text, words);
	if (count < 2)
		return err_set(e, EX_CONFIG, "%s: device and type", line);
	grow = count > 2 && boot_option(words[2], "x-grow");
	flags = parse_options(count > 2 ? words[2] : none, data, sizeof(data));
	device = words[0];
	if ((device[0] == '/' || strchr(device, '=')) && !(flags & MS_BIND)) {
		if (disk_wait(device, disk) < 0)
			return err_set(
			    e, EX_NOINPUT, "%s: no such disk", device);
		device = disk;
	}
	if (mount(device, dir, words[1], flags, data) < 0)
		return err_errno(e, EX_OSERR, "%s (%s)", device, words[1]);
	if (grow && disk_grow(device, dir) < 0)
		log_warn("%s: cannot grow: %s", dir, strerror(errno));
	return 0;
}

/* Empties the initramfs; whatever is mounted on it stays. */
static void
empty_dir(int dir, dev_t device)
{
	DIR *list = fdopendir(dir);
	struct dirent *entry;
	struct stat st;

	if (!list) {
		close(dir);
		return;
	}
	while ((entry = readdir(list))) {
		const char *name = entry->d_name;
		int inner;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
		    fstatat(dirfd(list), name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    st.st_dev != device)
			continue;
		if (S_ISDIR(st.st_mode)) {
			inner = openat(dirfd(list), name,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (inner >= 0)
				empty_dir(inner, device);
		}
		unlinkat(
		    dirfd(list), name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
	}
	closedir(list);
}

/* ---- a root that cannot be written to ---------------------------------------
 */

static bool
lacks(const char *place)
{
	struct stat st;
	char path[512];

	snprintf(path, sizeof(path), NEW_ROOT "/%s", place);
	return lstat(path, &st) < 0;
}

/* The same of what the word of that number is in any of the lines. */
static bool
lacks_any(const struct config_list *list, size_t number)
{
	char text[512], *words[CONFIG_WORDS_MAX + 1];

	for (size_t i = 0; i < list->count; i++) {
		snprintf(text, sizeof(text), "%s", list->lines[i]);
		if (config_words(text, words) > number && lacks(words[number]))
			return true;
	}
	return false;
}

/* Where something is mounted later, or a link is made. */
static bool
lacks_places(const struct config *config)
{
	static const char *const places[] = {"dev", "proc", "sys", "run", "tmp",
	    "etc/hosts", "etc/hostname", "etc/resolv.conf"};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (lacks(places[i]))
			return true;
	return lacks_any(&config->mounts, 1) || lacks_any(&config->tmpfs, 0) ||
	       lacks_any(&config->symlinks, 1);
}

/* Puts a file system in memory over the root, in which the missing places can
 * be made; mounts_lock() closes it. */
static int
cover_root(struct err *e)
{
	struct stat st;

	if (mkdir(BELOW, 0755) < 0 || mkdir(ABOVE, 0755) < 0 ||
	    mount("tmpfs", ABOVE, "tmpfs", 0, "mode=755") < 0 ||
	    mkdir(ABOVE "/files", 0755) < 0 || mkdir(ABOVE "/work", 0755) < 0)
		return err_errno(e, EX_OSERR, ABOVE);
	if (stat(NEW_ROOT, &st) == 0 &&
	    (chown(ABOVE "/files", st.st_uid, st.st_gid) < 0 ||
		chmod(ABOVE "/files", st.st_mode & 07777) < 0))
		return err_errno(e, EX_OSERR, ABOVE);
	if (mount(NEW_ROOT, BELOW, NULL, MS_MOVE, NULL) < 0)
		return err_errno(e, EX_OSERR, BELOW);
	if (mount("overlay", NEW_ROOT, "overlay", 0,
		"lowerdir=" BELOW ",upperdir=" ABOVE "/files,workdir=" ABOVE
		"/work") < 0) {
		err_errno(e, EX_OSERR, "overlay");
		mount(BELOW, NEW_ROOT, NULL, MS_MOVE, NULL);
		return -1;
	}
	umount2(BELOW, MNT_DETACH);
	umount2(ABOVE, MNT_DETACH);
	return 0;
}

static void
make_places(const struct config *config)
{
	struct err e = ERR_INIT;
	struct statvfs fs;

	if (statvfs(NEW_ROOT, &fs) < 0 || !(fs.f_flag & ST_RDONLY) ||
	    !lacks_places(config))
		return;
	if (cover_root(&e) < 0)
		log_warn("the read-only root lacks folders: %s", e.text);
}

static int
switch_root(struct err *e)
{
	static const char *const moved[] = {"/dev", "/proc", "/sys"};
	cleanup_fd int old = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	for (size_t i = 0; i < 3; i++) {
		char to[32];

		snprintf(to, sizeof(to), NEW_ROOT "%s", moved[i]);
		if (mkdir(to, 0755) < 0 && errno != EEXIST)
			log_info("%s: %s", moved[i], strerror(errno));
		if (mount(moved[i], to, NULL, MS_MOVE, NULL) < 0)
			log_warn("%s: %s", moved[i], strerror(errno));
	}
	if (old < 0 || fstat(old, &st) < 0 || chdir(NEW_ROOT) < 0)
		return err_errno(e, EX_OSERR, NEW_ROOT);
	empty_dir(steal_fd(&old), st.st_dev);
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
	    chdir("/") < 0)
		return err_errno(e, EX_OSERR, "cannot switch to the root");
	return 0;
}

/* The initramfs is all there is. What in it is ours has been used, and memory
 * it is, too: nothing but the user's files stays. */
static int
remove_ourselves(void)
{
	static const char agent[] = "vk/agent";
	char target[sizeof(agent)];
	struct stat st;
	int dir = open("/vk", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir >= 0 && fstat(dir, &st) == 0) {
		empty_dir(dir, st.st_dev);
		rmdir("/vk");
	}
	if (readlink("/init", target, sizeof(target)) == sizeof(agent) - 1 &&
	    memcmp(target, agent, sizeof(agent) - 1) == 0)
		unlink("/init");
	return 0;
}

int
boot_root(const struct config *config, struct err *e)
{
	if (!config->root)
		return remove_ourselves();
	mkdir(NEW_ROOT, 0755);
	if (boot_mount(config->root, NEW_ROOT, e) < 0)
		return err_prefix(e, "cannot mount root");
	make_places(config);
	return switch_root(e);
}
