/* SPDX-License-Identifier: MIT */
/* jail.c - a program that is executed where there is only what it needs */
#include "cmd/vk-boot/jail.h"

#include "common/scope.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

/* Where the new root is built: every Linux has that folder. */
#define NEW_ROOT "/tmp"
#define SHM      "/dev/shm"
/* Folders, names, empty files to mount on. */
#define ROOT_OVERHEAD (1 << 20)
/* Libraries are mapped to be executed: not noexec. */
#define ROOT_FLAGS (MS_NOSUID | MS_NODEV)

/* A kernel that is a process has its randomness from the host's, and waits for
 * it; a console of its that is none is the other. */
static const char *const devices[] = {"/dev/null", "/dev/random"};
#define DEVICES (sizeof(devices) / sizeof(*devices))

/* The device of that number, the jail's own behind those of all; NULL: there
 * are no more. */
static const char *
device_at(const struct jail *jail, size_t i)
{
	return i < DEVICES ? devices[i] : i == DEVICES ? jail->device : NULL;
}

/* The needed file of that number; NULL: there are no more. */
static const char *
need_at(const struct jail *jail, size_t i)
{
	return jail->needs ? jail->needs[i] : NULL;
}

static const char *
path_of(const struct jail_file *file, char into[JAIL_PATH_MAX])
{
	snprintf(into, JAIL_PATH_MAX, "/proc/self/fd/%d", file->fd);
	return into;
}

int
jail_give(struct jail *jail, int fd, bool socket, char into[JAIL_PATH_MAX],
    struct err *e)
{
	struct jail_file *file = &jail->files[jail->file_count];

	if (jail->file_count == JAIL_FILES_MAX)
		return err_set(
		    e, EX_SOFTWARE, "more than %d files", JAIL_FILES_MAX);
	/* Out of the way of those that have a meaning. */
	file->fd = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	if (file->fd < 0)
		return err_errno(e, EX_OSERR, "descriptors");
	file->socket = socket;
	file->writer = -1;
	jail->file_count++;
	path_of(file, into);
	return 0;
}

int
jail_leave(struct jail *jail, int fd, struct err *e)
{
	struct jail_file *file = &jail->files[jail->file_count];
	char path[JAIL_PATH_MAX];

	if (jail_give(jail, fd, false, path, e) < 0)
		return -1;
	file->left = true;
	return file->fd;
}

/* ---- a root of its own -------------------------------------------------- */

/* Folders down to the last slash. */
static int
make_folders(const char *path)
{
	char folder[PATH_MAX];

	for (const char *at = strchr(path + 1, '/'); at;
	     at = strchr(at + 1, '/')) {
		snprintf(
		    folder, sizeof(folder), "%.*s", (int)(at - path), path);
		if (mkdir(folder, 0755) < 0 && errno != EEXIST)
			return -1;
	}
	return 0;
}

/* Makes a path of the old root one of the new. */
static int
bind_file(int fd, const char *path)
{
	char from[32], to[PATH_MAX + sizeof(NEW_ROOT)];
	cleanup_fd int file = -1;

	snprintf(to, sizeof(to), NEW_ROOT "%s", path);
	if (make_folders(to) < 0)
		return -1;
	file = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
	return file < 0 ? -1 : mount(from, to, NULL, MS_BIND, NULL);
}

static int
bind_devices(const struct jail *jail)
{
	const char *device;

	for (size_t i = 0; (device = device_at(jail, i)); i++) {
		cleanup_fd int fd = open(device, O_PATH | O_CLOEXEC);

		if (fd < 0 || bind_file(fd, device) < 0)
			return -1;
	}
	return 0;
}

static int
make_own_folder(const struct jail *jail)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), NEW_ROOT "%s", jail->program);
	return jail->own_folder ? make_folders(path) : 0;
}

/* Each where the interpreter finds it on the host. */
static int
bind_libraries(const struct libraries *libraries, int interpreter)
{
	char path[PATH_MAX];

	if (interpreter >= 0 &&
	    bind_file(interpreter, libraries->interpreter) < 0)
		return -1;
	for (unsigned i = 0; i < libraries->count; i++) {
		const struct library *library = &libraries->found[i];

		snprintf(path, sizeof(path), "%s/%s", library->folder,
		    library->name);
		if (bind_file(library->fd, path) < 0)
			return -1;
	}
	return 0;
}

static int
bind_socket(int fd, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0
		   ? -1
		   : listen(fd, 1);
}

/* The files can be written by another mount of the root, which has no path;
 * the descriptors are all that is left of it. */
static int
place_files(struct jail *jail)
{
	cleanup_fd int writable =
	    open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (writable < 0)
		return -1;
	for (unsigned i = 0; i < jail->file_count; i++) {
		struct jail_file *file = &jail->files[i];
		char path[JAIL_PATH_MAX];

		if (file->left)
			continue;
		if (make_folders(path_of(file, path)) < 0)
			return -1;
		if (file->socket) {
			if (bind_socket(file->fd, path) < 0)
				return -1;
			continue;
		}
		file->writer = openat(writable, path + 1,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
		if (file->writer < 0)
			return -1;
	}
	return 0;
}

static uint64_t
bytes_given(const struct jail *jail)
{
	uint64_t all = ROOT_OVERHEAD;
	struct stat st;

	for (unsigned i = 0; i < jail->file_count; i++)
		if (!jail->files[i].socket && !jail->files[i].left &&
		    fstat(jail->files[i].fd, &st) == 0)
			all += (uint64_t)st.st_size + 4096;
	return all;
}

/* With the libraries of those that are programs. */
static int
bind_needs(struct jail *jail, struct err *e)
{
	const char *need;

	for (size_t i = 0; (need = need_at(jail, i)); i++) {
		cleanup_fd int fd = open(need, O_PATH | O_CLOEXEC);

		if (fd < 0)
			continue;
		if (libraries_find(&jail->libraries, fd, e) < 0)
			return -1;
		if (bind_file(fd, need) < 0)
			return err_errno(e, EX_OSERR, "%s", need);
	}
	return 0;
}

/* Of the host's root nothing is touched, and only the host's rules can stop
 * it. */
static int
prepare_root(const struct jail *jail)
{
	struct mount_attr nothing = {0};
	char limits[64];

	snprintf(limits, sizeof(limits), "size=%ju,nr_inodes=1024,mode=755",
	    (uintmax_t)bytes_given(jail));
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", NEW_ROOT, "tmpfs", ROOT_FLAGS, limits) < 0 ||
	    mount_setattr(AT_FDCWD, NEW_ROOT, 0, &nothing, sizeof(nothing)) < 0)
		return -1;
	return bind_devices(jail);
}

static int
enter_root(void)
{
	return chdir(NEW_ROOT) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
		       umount2(".", MNT_DETACH) < 0 || chdir("/") < 0
		   ? -1
		   : 0;
}

/* 0, -1 with err: it has to do without. */
static int
make_root(struct jail *jail, struct err *e)
{
	int spaces =
	    CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
	cleanup_fd int interpreter = -1;

	if (confine_landlock_version() < 6)
		spaces |= CLONE_NEWNET;
	if (unshare(spaces) < 0)
		return err_errno(e, EX_OSERR, "namespaces");
	/* From here on, for what is to be bound has to be of this namespace. */
	if (libraries_find(&jail->libraries, jail->program_fd, e) < 0)
		return -1;
	if (prepare_root(jail) < 0)
		return err_errno(e, EX_OSERR, "an empty root");
	if (bind_needs(jail, e) < 0)
		return -1;
	if (jail->libraries.interpreter[0])
		interpreter =
		    open(jail->libraries.interpreter, O_PATH | O_CLOEXEC);
	if (make_own_folder(jail) < 0 ||
	    bind_libraries(&jail->libraries, interpreter) < 0 ||
	    enter_root() < 0)
		return err_errno(e, EX_OSERR, "an empty root");
	return 0;
}

/* What is given is put into the root, which can then only be read; then comes
 * the folder that can be written. */
static int
furnish_root(struct jail *jail, struct err *e)
{
	struct mount_attr locked = {
	    .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID,
	};
	char limits[64];

	snprintf(limits, sizeof(limits), "size=%ju,nr_inodes=64,mode=700",
	    (uintmax_t)jail->shm);
	if (place_files(jail) < 0 || make_folders(SHM "/") < 0 ||
	    mount_setattr(
		AT_FDCWD, "/", AT_RECURSIVE, &locked, sizeof(locked)) < 0 ||
	    mount("none", SHM, "tmpfs", ROOT_FLAGS, limits) < 0)
		return err_errno(e, EX_OSERR, "root");
	return 0;
}

/* ---- the host's root ---------------------------------------------------- */

/* Binds it in a folder of its own, which is gone at once. An O_PATH descriptor
 * by which it is reached, or -1. */
static int
nameless(int fd)
{
	char folder[] = "/tmp/vk-jail.XXXXXX", path[sizeof(folder) + 2];
	int reached = -1;

	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/s", folder);
	if (bind_socket(fd, path) == 0)
		reached = open(path, O_PATH | O_CLOEXEC);
	unlink(path);
	rmdir(folder);
	return reached;
}

static int
place_sockets(struct jail *jail, struct err *e)
{
	for (unsigned i = 0; i < jail->file_count; i++) {
		const struct jail_file *file = &jail->files[i];
		cleanup_fd int path = file->socket ? nameless(file->fd) : -1;

		if (file->socket &&
		    (path < 0 || dup3(path, file->fd, O_CLOEXEC) < 0))
			return err_errno(e, EX_OSERR, "sockets");
	}
	return 0;
}

/* ---- in both ------------------------------------------------------------ */

/* As many as there can be: no error where there is a lower one. */
static void
limit(__rlimit_resource_t what, rlim_t most)
{
	struct rlimit now;

	if (getrlimit(what, &now) < 0)
		return;
	now.rlim_max = now.rlim_max < most ? now.rlim_max : most;
	now.rlim_cur = now.rlim_cur < most ? now.rlim_cur : most;
	setrlimit(what, &now);
}

int
jail_build(struct jail *jail, struct err *e)
{
	struct err why = ERR_INIT;

	jail->program_fd = open(jail->program, O_PATH | O_CLOEXEC);
	if (jail->program_fd < 0)
		return err_errno(e, EX_NOINPUT, "%s", jail->program);
	if (jail->open)
		return place_sockets(jail, e);
	jail->confine.empty_root = make_root(jail, &why) == 0;
	if (!jail->confine.empty_root)
		snprintf(jail->confine.without, sizeof(jail->confine.without),
		    "%.200s", why.text);
	libraries_release(&jail->libraries);
	if ((jail->confine.empty_root ? furnish_root(jail, e)
				      : place_sockets(jail, e)) < 0)
		return -1;
	limit(RLIMIT_MEMLOCK, 0);
	limit(RLIMIT_MSGQUEUE, 0);
	/* In a namespace of users only these are counted. */
	if (jail->confine.empty_root)
		limit(RLIMIT_NPROC, JAIL_PROCESSES_MAX);
	return confine_privileges(e);
}

/* ---- the program -------------------------------------------------------- */

static int
refresh_files(const struct jail *jail, struct err *e)
{
	for (unsigned i = 0; i < jail->file_count; i++) {
		const struct jail_file *file = &jail->files[i];
		off_t at = 0;
		ssize_t n = 1;

		if (file->writer < 0)
			continue;
		if (ftruncate(file->writer, 0) < 0 ||
		    lseek(file->writer, 0, SEEK_SET) < 0)
			n = -1;
		while (n > 0)
			n = sendfile(file->writer, file->fd, &at, 1 << 30);
		if (n < 0)
			return err_errno(e, EX_OSERR, "files");
	}
	return 0;
}

static int
keep(struct jail *jail, const char *path, unsigned use, struct err *e)
{
	/* Closed when the program is executed. */
	return confine_keep(
	    &jail->confine, open(path, O_PATH | O_CLOEXEC), use, e);
}

/* What it may write to. */
static const char *
work_folder(const struct jail *jail)
{
	return jail->confine.empty_root ? SHM : jail->folder;
}

/* What Landlock is to leave. */
static int
keep_files(struct jail *jail, struct err *e)
{
	const unsigned use = CONFINE_READ | CONFINE_EXECUTE;
	const char *path;

	if (confine_keep(&jail->confine, jail->program_fd, CONFINE_EXECUTE, e) <
		0 ||
	    keep(jail, work_folder(jail), CONFINE_READ | CONFINE_WRITE, e) < 0)
		return -1;
	for (size_t i = 0; (path = device_at(jail, i)); i++)
		if (keep(jail, path,
			CONFINE_READ | CONFINE_WRITE |
			    (i < DEVICES ? 0 : CONFINE_DEVICE),
			e) < 0)
			return -1;
	if (jail->confine.empty_root)
		return keep(jail, "/", use, e);
	for (size_t i = 0; (path = need_at(jail, i)); i++)
		if (keep(jail, path, use, e) < 0)
			return -1;
	for (unsigned i = 0; i < LIBRARIES_FOLDERS; i++)
		if (keep(jail, libraries_folders[i], use, e) < 0)
			return -1;
	return 0;
}

/* What somebody has left open for us is not for it. */
static void
close_others(const struct jail *jail)
{
	if (!jail->open)
		close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
	for (unsigned i = 0; i < jail->file_count; i++)
		if (jail->files[i].left || !jail->confine.empty_root)
			fcntl(jail->files[i].fd, F_SETFD, 0);
}

static int
give_up(struct jail *jail, struct err *e)
{
	close_others(jail);
	if (jail->open)
		return 0;
	if (refresh_files(jail, e) < 0 || keep_files(jail, e) < 0)
		return -1;
	confine_landlock(&jail->confine);
	return jail->filter ? filter_load(jail->filter, e) : 0;
}

void
jail_run(struct jail *jail, char *const *argv, struct err *e)
{
	char folder[PATH_MAX];
	char *const environment[] = {folder, (char *)jail->setting, NULL};

	snprintf(folder, sizeof(folder), "TMPDIR=%s", work_folder(jail));
	if (give_up(jail, e) < 0)
		return;
	syscall(SYS_execveat, jail->program_fd, "", argv, environment,
	    AT_EMPTY_PATH);
	err_errno(e, EX_OSERR, "%s", jail->program);
}

void
jail_release(struct jail *jail)
{
	while (jail->file_count > 0)
		fd_close(&jail->files[--jail->file_count].fd);
}
