/* SPDX-License-Identifier: MIT */
/* mounts.c - the file systems and links that programs expect */
#include "agent/mounts.h"

#include "agent/boot.h"
#include "agent/groups.h"
#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEPT_MAX 256 /* top-level directories of /run or /tmp */

int
mounts_make_dir(const char *dir)
{
	char path[PATH_MAX];

	if (strlen(dir) >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	snprintf(path, sizeof(path), "%s", dir);
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return -1;
		*p = '/';
	}
	return mkdir(path, 0755) < 0 && errno != EEXIST ? -1 : 0;
}

struct standard {
	const char *type, *dir, *options;
	unsigned long flags;
	bool optional; /* a kernel may lack it; nobody is told */
};

static int
mount_one(const struct standard *m)
{
	struct stat st;

	/* Only /dev's own may be made: the others are the kernel's. */
	if (stat(m->dir, &st) < 0 && mounts_make_dir(m->dir) < 0) {
		if (!m->optional)
			log_warn("%s: %s", m->dir, strerror(errno));
		return -1;
	}
	if (mount(m->type, m->dir, m->type, m->flags, m->options) == 0)
		return 0;
	if (!m->optional && errno != EBUSY)
		log_warn("%s: %s", m->dir, strerror(errno));
	return -1;
}

#define SAFE (MS_NOSUID | MS_NODEV | MS_NOEXEC)

static void
mount_dev(void)
{
	static const struct standard all[] = {
	    {"devpts", "/dev/pts", "gid=5,mode=620,ptmxmode=666",
		MS_NOSUID | MS_NOEXEC, false},
	    {"tmpfs", "/dev/shm", "mode=1777", MS_NOSUID | MS_NODEV, false},
	    {"mqueue", "/dev/mqueue", NULL, SAFE, true},
	    {"hugetlbfs", "/dev/hugepages", NULL, MS_NOSUID | MS_NODEV, true}};
	static const struct {
		const char *to, *name;
	} links[] = {{"/proc/self/fd", "/dev/fd"},
	    {"/proc/self/fd/0", "/dev/stdin"},
	    {"/proc/self/fd/1", "/dev/stdout"},
	    {"/proc/self/fd/2", "/dev/stderr"}, {"/proc/kcore", "/dev/core"}};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		mount_one(&all[i]);
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (symlink(links[i].to, links[i].name) < 0 && errno != EEXIST)
			log_warn("%s: %s", links[i].name, strerror(errno));
	/* As containers have it: terminals of this devpts and no other. */
	if (unlink("/dev/ptmx") == 0 || errno == ENOENT)
		if (symlink("pts/ptmx", "/dev/ptmx") < 0)
			log_warn("/dev/ptmx: %s", strerror(errno));
}

/* ---- cgroup ---------------------------------------------------------------
 */

/* The controllers that version 1 can have, a hierarchy each. */
static void
mount_cgroup_v1(void)
{
	char name[64], dir[128];
	int number, enabled, hierarchy;
	FILE *list = fopen("/proc/cgroups", "re");

	if (mount("tmpfs", CGROUP_ROOT, "tmpfs", SAFE, "mode=755") < 0)
		log_warn(CGROUP_ROOT ": %s", strerror(errno));
	while (list && !feof(list)) {
		struct standard m = {"cgroup", dir, name, SAFE, true};

		if (fscanf(list, "%63s %d %d %d", name, &hierarchy, &number,
			&enabled) != 4) {
			/* the comment at its head */
			if (fscanf(list, "%*[^\n]") < 0)
				break;
			continue;
		}
		snprintf(dir, sizeof(dir), CGROUP_ROOT "/%s", name);
		if (enabled)
			mount_one(&m);
	}
	if (list)
		fclose(list);
}

static void
mount_cgroup(const char *wanted)
{
	static const struct standard unified = {
	    "cgroup2", CGROUP_ROOT, "nsdelegate", SAFE, false};
	static const struct standard beside = {
	    "cgroup2", CGROUP_ROOT "/unified", "nsdelegate", SAFE, true};

	if (!wanted || strcmp(wanted, "2") == 0)
		mount_one(&unified);
	else if (strcmp(wanted, "1") == 0)
		mount_cgroup_v1();
	else if (strcmp(wanted, "hybrid") == 0) {
		mount_cgroup_v1();
		mount_one(&beside);
	} else if (strcmp(wanted, "none") != 0)
		log_warn("cgroup %s: neither none, 1, 2 nor hybrid", wanted);
}

static void
mount_kernel(void)
{
	static const struct standard all[] = {
	    {"bpf", "/sys/fs/bpf", "mode=700", SAFE, true},
	    {"tracefs", "/sys/kernel/tracing", NULL, SAFE, true},
	    {"debugfs", "/sys/kernel/debug", NULL, SAFE, true},
	    {"securityfs", "/sys/kernel/security", NULL, SAFE, true},
	    {"configfs", "/sys/kernel/config", NULL, SAFE, true},
	    {"pstore", "/sys/fs/pstore", NULL, SAFE, true}};
	struct stat st;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (stat(all[i].dir, &st) == 0)
			mount_one(&all[i]);
}

/* ---- run and tmp ----------------------------------------------------------
 */

struct kept {
	char name[256];
	struct stat st;
};

/* The directories that the image has there. */
static unsigned
note_dirs(const char *dir, struct kept *kept)
{
	DIR *list = opendir(dir);
	struct dirent *entry;
	unsigned count = 0;

	while (list && count < KEPT_MAX && (entry = readdir(list))) {
		struct kept *k = &kept[count];

		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0 ||
		    fstatat(dirfd(list), entry->d_name, &k->st,
			AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISDIR(k->st.st_mode))
			continue;
		snprintf(k->name, sizeof(k->name), "%s", entry->d_name);
		count++;
	}
	if (list)
		closedir(list);
	return count;
}

/* A tmpfs over dir with the image's directories in it. */
static void
mount_tmpfs(const char *dir, const char *options)
{
	struct standard m = {
	    "tmpfs", dir, options, MS_NOSUID | MS_NODEV, false};
	cleanup_free struct kept *kept = calloc(KEPT_MAX, sizeof(*kept));
	unsigned count = kept ? note_dirs(dir, kept) : 0;
	cleanup_fd int fd = -1;

	if (mount_one(&m) < 0)
		return;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned i = 0; i < count; i++) {
		const struct kept *k = &kept[i];

		if (mkdirat(fd, k->name, 0700) < 0 ||
		    fchownat(fd, k->name, k->st.st_uid, k->st.st_gid, 0) < 0 ||
		    fchmodat(fd, k->name, k->st.st_mode & 07777, 0) < 0)
			log_warn("%s/%s: %s", dir, k->name, strerror(errno));
	}
}

/* A link may lead out of its place: /var/run -> /run is left to the image. */
static bool
is_plain_dir(const char *dir)
{
	struct stat st;

	return lstat(dir, &st) < 0 ? errno == ENOENT : S_ISDIR(st.st_mode);
}

/* ---- what the configuration adds ------------------------------------------
 */

/* The image has something there. */
static bool
is_taken(const char *dir)
{
	DIR *list = opendir(dir);
	unsigned count = 0;

	while (list && count <= 2 && readdir(list))
		count++; /* "." and ".." are two */
	if (list)
		closedir(list);
	return count > 2;
}

static int
mount_line(const char *line, struct err *e)
{
	char text[1024], rest[1024], *words[CONFIG_WORDS_MAX + 1];
	size_t count;
	bool required;

	snprintf(text, sizeof(text), "%s", line);
	count = config_words(text, words);
	if (count < 3) {
		log_warn("mount %s: device, directory and type", line);
		return 0;
	}
	required = count > 3 && boot_option(words[3], "x-required");
	if (count > 3 && boot_option(words[3], "x-missing") &&
	    is_taken(words[1]))
		return 0;
	snprintf(rest, sizeof(rest), "%s %s %s", words[0], words[2],
	    count > 3 ? words[3] : "");
	if (mounts_make_dir(words[1]) < 0)
		err_errno(e, EX_OSERR, "%s", words[1]);
	else if (boot_mount(rest, words[1], e) == 0)
		return 0;
	else
		err_prefix(e, "%s", words[1]);
	if (required)
		return -1;
	log_warn("%s", e->text);
	return 0;
}

static void
tmpfs_line(const char *line)
{
	char text[1024], *words[CONFIG_WORDS_MAX + 1];

	snprintf(text, sizeof(text), "%s", line);
	if (config_words(text, words) > 0)
		mount_tmpfs(words[0], words[1] ? words[1] : "mode=1777");
}

static void
symlink_line(const char *line)
{
	char text[1024], *words[CONFIG_WORDS_MAX + 1];

	snprintf(text, sizeof(text), "%s", line);
	if (config_words(text, words) < 2 ||
	    (symlink(words[0], words[1]) < 0 && errno != EEXIST))
		log_warn("symlink %s: %s", line, strerror(errno));
}

/* "net.ipv4.ip_forward=1" or with a space between. */
static void
sysctl_line(const char *line)
{
	char path[512] = "/proc/sys/", *value;
	cleanup_fd int fd = -1;

	snprintf(path + strlen(path), sizeof(path) - strlen(path), "%s", line);
	value = path + strcspn(path, "= \t");
	if (*value)
		*value++ = '\0';
	value += strspn(value, "= \t");
	for (char *p = path + strlen("/proc/sys/"); *p; p++)
		if (*p == '.')
			*p = '/';
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		log_warn("sysctl %s: %s", line, strerror(errno));
}

int
mounts_all(const struct config *config, struct err *e)
{
	mount_dev();
	mount_cgroup(config->cgroup);
	if (!config->sandbox)
		mount_kernel();
	if (is_plain_dir("/run"))
		mount_tmpfs("/run", "mode=755");
	if (is_plain_dir("/tmp") && !config->tmp_on_disk)
		mount_tmpfs("/tmp", "mode=1777");
	for (size_t i = 0; i < config->mounts.count; i++)
		if (mount_line(config->mounts.lines[i], e) < 0)
			return -1;
	for (size_t i = 0; i < config->tmpfs.count; i++)
		tmpfs_line(config->tmpfs.lines[i]);
	for (size_t i = 0; i < config->symlinks.count; i++)
		symlink_line(config->symlinks.lines[i]);
	for (size_t i = 0; i < config->sysctls.count; i++)
		sysctl_line(config->sysctls.lines[i]);
	return 0;
}

void
mounts_lock(const struct config *config)
{
	if (config->read_only &&
	    mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
		log_warn("read-only root: %s", strerror(errno));
}
