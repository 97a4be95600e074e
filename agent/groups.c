/* SPDX-License-Identifier: MIT */
/* groups.c - control groups of what the agent starts */
#include "agent/groups.h"

#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"
#include "common/size.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAIN "vk-main"
#define EXEC "vk-exec"

static struct {
	int root, main, exec; /* directories; -1: there is no such group */
	struct watch emptied;
	uint64_t limit; /* of processes in each; 0: none */
} groups = {.root = -1, .main = -1, .exec = -1, .emptied = {.fd = -1}};

/* What a group below dir is called there. */
struct name {
	char text[sizeof("4294967295")];
};

static struct name
name_of(uint32_t session)
{
	struct name name;

	snprintf(name.text, sizeof(name.text), "%u", session);
	return name;
}

/* What a session may have of the processes that there can be. */
#define PART 2

static uint64_t
read_number(const char *path)
{
	char text[32];
	uint64_t number = 0;
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : io_read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return number_parse(text, UINT64_MAX, &number) < 0 ? 0 : number;
}

static uint64_t
processes_max(void)
{
	uint64_t threads = read_number("/proc/sys/kernel/threads-max");
	uint64_t ids = read_number("/proc/sys/kernel/pid_max");

	return (ids < threads ? ids : threads) / PART;
}

static int
write_text(int dir, const char *name, const char *text)
{
	cleanup_fd int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -1 : io_write(fd, text, strlen(text));
}

static void
limit(int group)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)groups.limit);
	if (groups.limit > 0 && group >= 0 &&
	    write_text(group, "pids.max", text) < 0)
		log_info("pids.max: %s", strerror(errno));
}

/* Groups below it are to share its processor time and have limits. */
static int
share(int group)
{
	if (write_text(group, "cgroup.subtree_control", "+cpu") < 0) {
		log_info("control groups: cpu: %s", strerror(errno));
		return -1;
	}
	if (write_text(group, "cgroup.subtree_control", "+pids") < 0)
		groups.limit = 0;
	return 0;
}

static int
make(const char *name)
{
	int fd = -1;

	if (mkdirat(groups.root, name, 0755) == 0 || errno == EEXIST)
		fd = openat(
		    groups.root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		log_info(CGROUP_ROOT "/%s: %s", name, strerror(errno));
	return fd;
}

static void
take_away(const char *name)
{
	if (unlinkat(groups.root, name, AT_REMOVEDIR) < 0)
		log_info(CGROUP_ROOT "/%s: %s", name, strerror(errno));
}

/* Removes the sessions' groups that nobody is in: the kernel keeps others. */
static void
sweep(void)
{
	int fd = openat(groups.exec, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!list) {
		fd_close(&fd);
		return;
	}
	while ((entry = readdir(list)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			unlinkat(groups.exec, entry->d_name, AT_REMOVEDIR);
	closedir(list);
}

static void
emptied_ready(struct watch *w, uint32_t events)
{
	char which[4096]; /* all are tried */

	(void)events;
	if (read(w->fd, which, sizeof(which)) > 0)
		sweep();
}

void
groups_make(struct loop *loop)
{
	int events;

	groups.root = open(CGROUP_ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	groups.limit = processes_max();
	if (groups.root < 0 || share(groups.root) < 0)
		return;
	groups.main = make(MAIN);
	limit(groups.main);
	groups.exec = make(EXEC);
	if (groups.exec < 0 || share(groups.exec) < 0)
		return;
	events = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (events < 0 || loop_add(loop, &groups.emptied, events, EPOLLIN,
			      emptied_ready) < 0) {
		log_info("control groups: %s", strerror(errno));
		fd_close(&events);
	}
}

void
groups_hand_over(void)
{
	if (groups.main < 0)
		return;
	fd_close(&groups.main);
	take_away(MAIN);
}

void
groups_release(void)
{
	groups_hand_over();
	if (groups.exec < 0)
		return;
	sweep();
	fd_close(&groups.exec);
	take_away(EXEC);
	fd_close(&groups.root);
}

/* The session's group. -1: it has none. */
static int
make_own(uint32_t session)
{
	struct name name = name_of(session);
	int group;

	if (groups.exec < 0 ||
	    (mkdirat(groups.exec, name.text, 0755) < 0 && errno != EEXIST))
		return -1;
	group =
	    openat(groups.exec, name.text, O_PATH | O_DIRECTORY | O_CLOEXEC);
	limit(group);
	return group;
}

pid_t
groups_fork(uint32_t session)
{
	cleanup_fd int own = -1;
	struct clone_args args = {
	    .exit_signal = SIGCHLD, .flags = CLONE_INTO_CGROUP};
	int group = groups.main;
	long pid;

	if (session != GROUP_MAIN)
		group = own = make_own(session);
	if (group < 0)
		return fork();
	/* To be born into a group costs nothing; to be moved into it waits for
	 * every processor. Linux 5.7 and later can do that. */
	args.cgroup = (unsigned)group;
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0 && errno != EAGAIN && errno != ENOMEM)
		pid = fork();
	if (pid < 0 && session != GROUP_MAIN)
		unlinkat(groups.exec, name_of(session).text, AT_REMOVEDIR);
	return (pid_t)pid;
}

int
groups_kill(uint32_t session)
{
	char path[sizeof(struct name) + sizeof("/cgroup.kill")];

	snprintf(path, sizeof(path), "%s/cgroup.kill", name_of(session).text);
	return groups.exec < 0 ? -1 : write_text(groups.exec, path, "1");
}

void
groups_leave(uint32_t session)
{
	struct name name = name_of(session);
	char path[64];

	if (groups.exec < 0 ||
	    unlinkat(groups.exec, name.text, AT_REMOVEDIR) == 0 ||
	    errno != EBUSY)
		return;
	/* Who is left there lives on; it may have gone just now. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s/cgroup.events",
	    groups.exec, name.text);
	inotify_add_watch(groups.emptied.fd, path, IN_MODIFY);
	unlinkat(groups.exec, name.text, AT_REMOVEDIR);
}
