/* SPDX-License-Identifier: MIT */
/* spawn.c - from a request to a process */
#include "agent/spawn.h"

#include "agent/environment.h"
#include "agent/groups.h"
#include "agent/notify.h"
#include "agent/sandbox.h"
#include "agent/shelter.h"
#include "agent/user.h"
#include "common/io.h"
#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROOT_MODE 0755

/* Says why the command does not run, and ends the child. */
_Noreturn __attribute__((format(printf, 3, 4))) static void
give_up(int report, int code, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	len = frame_text(text, sizeof(text), code, fmt, ap);
	va_end(ap);
	io_write(report, text, len);
	/* Process 1 takes the kernel with it: what is left of the agent tells
	 * the host first. */
	if (getpid() == 1)
		sleep(1);
	_exit(code);
}

/* Moves it above 2, so that it is not overwritten before its turn. */
static int
above(int *fd)
{
	if (*fd < 3)
		*fd = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
	return *fd;
}

static int
move_streams(struct spawn *s)
{
	for (int i = 0; i < STREAM_COUNT; i++)
		if (above(&s->streams[i]) < 0)
			return -1;
	if (above(&s->report) < 0)
		return -1;
	for (int i = 0; i < STREAM_COUNT; i++)
		if (dup2(s->streams[i], i) < 0)
			return -1;
	return 0;
}

static int
build_environment(
    struct environment *env, const struct spawn *s, const struct user *u)
{
	const struct request *r = s->request;
	int status = 0;
	char **from = NULL;

	if ((r->flags & OPEN_DEFAULTS) && !(r->flags & OPEN_NO_ENV))
		from = s->defaults->env;
	for (; from && *from; from++)
		status |= environment_set(env, *from);
	for (from = r->env; *from; from++)
		status |= environment_set(env, *from);
	status |= environment_default(env, "PATH", ENVIRONMENT_PATH);
	if (s->policy->hostname[0])
		status |=
		    environment_default(env, "HOSTNAME", s->policy->hostname);
	if (r->flags & OPEN_INIT)
		status |=
		    environment_default(env, "NOTIFY_SOCKET", NOTIFY_PATH);
	if (r->flags & OPEN_TTY)
		status |= environment_default(
		    env, "TERM", r->term && *r->term ? r->term : "xterm");
	return status | environment_default(env, "HOME", u->home);
}

/* A user may open /dev/stdout anew only if it is the user's own. */
static void
give_streams(const struct user *u)
{
	struct stat st;

	for (int i = 0; i < STREAM_COUNT; i++)
		if (fstat(i, &st) == 0 && (S_ISFIFO(st.st_mode) || isatty(i)) &&
		    fchown(i, u->uid, (gid_t)-1) < 0)
			errno = 0; /* a test, run as an ordinary user */
}

/* The working directory, made if the main command's is missing. */
static void
go_to(const struct spawn *s, const char *dir)
{
	char path[PATH_MAX];

	if (!dir || !*dir)
		dir = "/";
	if (chdir(dir) == 0)
		return;
	if (errno != ENOENT || !(s->request->flags & OPEN_MAIN) ||
	    dir[0] != '/' || strlen(dir) >= sizeof(path))
		give_up(s->report, 126, "%s: %s", dir, strerror(errno));
	snprintf(path, sizeof(path), "%s/", dir);
	for (char *p = path + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (mkdir(path, ROOT_MODE) < 0 && errno != EEXIST)
			give_up(s->report, 126, "%s: %s", dir, strerror(errno));
		*p = '/';
	}
	if (chdir(dir) < 0)
		give_up(s->report, 126, "%s: %s", dir, strerror(errno));
}

static void
become(const struct spawn *s, const struct user *u)
{
	if (s->policy->sandbox && sandbox_before_user() < 0)
		give_up(s->report, 125, "sandbox: %s", strerror(errno));
	if (geteuid() != 0 && u->uid == geteuid())
		return; /* a test, run as an ordinary user */
	if (u->uid == 0 && u->gid == 0 && u->group_count == 0 &&
	    getgroups(0, NULL) == 0) {
		/* It is who it is already. */
	} else if (setgroups(u->group_count, u->groups) < 0 ||
		   setresgid(u->gid, u->gid, u->gid) < 0 ||
		   setresuid(u->uid, u->uid, u->uid) < 0)
		give_up(s->report, 125, "user %u: %s", u->uid, strerror(errno));
	if (s->policy->sandbox && sandbox_after_user() < 0)
		give_up(s->report, 125, "sandbox: %s", strerror(errno));
}

/* What a shell would say if execve(2) fails with number. */
static int
exec_code(int number)
{
	return number == ENOENT || number == ENOTDIR ? 127 : 126;
}

/* Looks the command up in PATH and runs it; returns only if that failed. */
static void
run_command(int report, char **argv, const struct environment *env)
{
	const char *path = environment_get(env, "PATH");
	char file[PATH_MAX];
	int seen = ENOENT;
	size_t size;

	if (!**argv)
		give_up(report, 127, "the command's name is empty");
	if (strchr(*argv, '/')) {
		execve(*argv, argv, env->list);
		give_up(
		    report, exec_code(errno), "%s: %s", *argv, strerror(errno));
	}
	while (path) {
		int len = (int)strcspn(path, ":");

		size = (size_t)snprintf(file, sizeof(file), "%.*s%s%s", len,
		    path, len ? "/" : "", *argv);
		if (size < sizeof(file)) {
			execve(file, argv, env->list);
			if (errno != ENOENT && errno != ENOTDIR &&
			    seen == ENOENT)
				seen = errno;
		}
		path = path[len] ? path + len + 1 : NULL;
	}
	if (seen == ENOENT)
		give_up(report, 127, "%s: command not found", *argv);
	give_up(report, exec_code(seen), "%s: %s", *argv, strerror(seen));
}

static bool
is_allowed(char **patterns, const char *command)
{
	if (!patterns)
		return true;
	for (; *patterns; patterns++)
		if (fnmatch(*patterns, command, FNM_PATHNAME) == 0)
			return true;
	return false;
}

/* The command with the wrapper in front. */
static char **
wrapped(const struct spawn *s)
{
	char **wrapper = s->policy->wrapper, **argv;
	size_t count = 0, at = 0;

	if (!wrapper || (s->request->flags & OPEN_MAIN))
		return s->request->argv;
	while (wrapper[count])
		count++;
	argv = calloc(count + s->request->argc + 1, sizeof(*argv));
	if (!argv)
		give_up(s->report, 125, "out of memory");
	while (at < count) {
		argv[at] = wrapper[at];
		at++;
	}
	memcpy(argv + at, s->request->argv, s->request->argc * sizeof(*argv));
	return argv;
}

_Noreturn static void
child(struct spawn *s)
{
	const struct request *r = s->request;
	const char *spec = r->user, *dir = r->dir;
	struct environment env = {0};
	struct user u;
	struct err e = ERR_INIT;
	int status;

	if (!(r->flags & OPEN_INIT) && setsid() < 0)
		give_up(s->report, 125, "setsid: %s", strerror(errno));
	if (move_streams(s) < 0)
		give_up(s->report, 125, "streams: %s", strerror(errno));
	if ((r->flags & OPEN_TTY) && ioctl(0, TIOCSCTTY, 0) < 0)
		give_up(s->report, 125, "terminal: %s", strerror(errno));
	shelter_leave();
	umask(022);
	if (s->policy->root && (chroot(s->policy->root) < 0 || chdir("/") < 0))
		give_up(
		    s->report, 125, "%s: %s", s->policy->root, strerror(errno));
	if (s->inside) {
		/* No execve(2) will close what is other sessions'. */
		syscall(SYS_close_range, 3u, ~0u, 0u);
		if (chdir("/") < 0)
			_exit(125);
		status = s->inside(r);
		fflush(NULL);
		_exit(status);
	}
	if (r->flags & OPEN_DEFAULTS) {
		spec = spec ? spec : s->defaults->user;
		dir = dir ? dir : s->defaults->dir;
	}
	if (!(r->flags & OPEN_MAIN) && !is_allowed(s->policy->allow, *r->argv))
		give_up(s->report, 126, "%s: not allowed here", *r->argv);
	if (user_find(&u, spec, "/etc/passwd", "/etc/group", &e) < 0)
		give_up(s->report, 125, "%s", e.text);
	if (build_environment(&env, s, &u) != 0)
		give_up(s->report, 125, "out of memory");
	if (u.uid != 0)
		give_streams(&u);
	go_to(s, dir);
	become(s, &u);
	run_command(s->report, wrapped(s), &env);
	_exit(127);
}

void
spawn_close(struct spawn *s)
{
	for (int i = 0; i < STREAM_COUNT; i++) {
		for (int j = i + 1; j < STREAM_COUNT; j++)
			if (s->streams[j] == s->streams[i])
				s->streams[j] = -1;
		fd_close(&s->streams[i]);
	}
	fd_close(&s->report);
}

pid_t
spawn(struct spawn *s, struct err *e)
{
	/* An init takes this process over, and what is left of the agent goes
	 * on below it; see session.c. */
	bool stay = s->request->flags & OPEN_INIT;
	/* The agent's own work is not for the commands to delay. */
	pid_t pid = stay || s->inside ? fork() : groups_fork(s->session);

	if (pid < 0)
		err_errno(e, EX_OSERR, "fork");
	if (pid == 0 && !stay)
		child(s);
	if (pid > 0 && stay)
		child(s);
	spawn_close(s);
	return pid == 0 ? 1 : pid;
}
