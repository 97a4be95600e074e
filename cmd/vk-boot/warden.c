/* SPDX-License-Identifier: MIT */
/* warden.c - the process above a program that runs a guest */
#include "cmd/vk-boot/warden.h"

#include "cmd/vk-boot/process_time.h"

#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

const struct filter_call warden_calls[] = {
    CALL(read),
    CALL(write),
    CALL(close),
    CALL(wait4),
    CALLS_END,
};

struct start {
	const struct warden_launch *launch;
	uid_t uid;
	gid_t gid;
	int line, other;    /* the warden's end, and vk-boot's */
	int null, proc;     /* the host's /dev/null and /proc */
	struct err failure; /* of what was to be before it begins */
};

/* ---- the new processes -------------------------------------------------- */

/* What became of it is told where the program would have spoken. */
static _Noreturn void
fail(const struct start *s)
{
	dprintf(s->launch->console, "vk-boot: %s: %s\n", s->launch->name,
	    s->failure.text);
	_exit(WARDEN_NOT_EXECUTED);
}

static _Noreturn void
run_program(struct start *s)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (dup2(s->null, 0) < 0 || dup2(s->launch->console, 1) < 0 ||
	    dup2(s->launch->console, 2) < 0)
		_exit(WARDEN_NOT_EXECUTED);
	if (!*s->failure.text)
		jail_run(s->launch->jail, s->launch->argv, &s->failure);
	fail(s);
}

/* What /proc calls us, whatever the PID namespace is that it shows. */
static uint64_t
time_used(const struct start *s)
{
	char name[32];
	ssize_t len = readlinkat(s->proc, "self", name, sizeof(name) - 1);
	uint64_t ms = 0;

	if (len < 0)
		return 0;
	name[len] = '\0';
	if (process_time(s->proc, (pid_t)strtol(name, NULL, 10), &ms) < 0)
		return 0;
	return ms;
}

/* The socket's end, and whatever is no order, end it all. program is 0 while it
 * does not run. True: it is to begin. */
static bool
obey(const struct start *s, pid_t program)
{
	uint64_t ms;
	char order = 0;

	if (read(s->line, &order, 1) < 0 && errno == EINTR)
		return false;
	switch (order) {
	case WARDEN_BEGIN:
		return true;
	case WARDEN_HOLD:
	case WARDEN_GO_ON:
	case WARDEN_KILL:
		if (program)
			kill(program, order == WARDEN_HOLD   ? SIGSTOP
				      : order == WARDEN_KILL ? SIGKILL
							     : SIGCONT);
		return false;
	case WARDEN_TIME:
		ms = time_used(s);
		if (write(s->line, &ms, sizeof(ms)) == sizeof(ms))
			return false;
		break;
	}
	kill(0, SIGKILL); /* our group; a namespace ends with us */
	_exit(0);
}

/* Until the program ends: its status. As process 1, the warden gets every
 * orphan of the guest. */
static int
watch(const struct start *s, pid_t program)
{
	struct pollfd wait[2] = {{.fd = s->line, .events = POLLIN}};
	struct signalfd_siginfo info;
	sigset_t children;
	pid_t ended;
	int status;

	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	wait[1].fd = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
	wait[1].events = POLLIN;
	for (;;) {
		while ((ended = waitpid(-1, &status, WNOHANG)) > 0)
			if (ended == program) {
				close(wait[1].fd);
				return status;
			}
		if (poll(wait, 2, -1) < 0 && errno != EINTR)
			_exit(1);
		if (wait[0].revents)
			obey(s, program);
		while (read(wait[1].fd, &info, sizeof(info)) > 0)
			continue;
	}
}

/* One life of the program, and its end told. */
static void
live(struct start *s, bool namespaces)
{
	int status = WARDEN_NOT_EXECUTED << 8;
	pid_t pid = fork();

	if (pid == 0)
		run_program(s);
	if (pid > 0)
		status = watch(s, pid);
	/* What is left of it is in the way of the next. */
	if (namespaces)
		kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		continue;
	if (write(s->launch->status, &status, sizeof(status)) < 0)
		_exit(1);
}

static void
build(struct start *s)
{
	struct jail *jail = s->launch->jail;

	s->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	s->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (jail_build(jail, &s->failure) == 0 && *jail->confine.without)
		log_info(
		    "%s: without %s", s->launch->name, jail->confine.without);
}

/* spaces: it is in namespaces of these kinds. */
static _Noreturn void
run_warden(struct start *s, unsigned long spaces)
{
	sigset_t all;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "vk-boot: warden");
	setsid();
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	close(s->other);
	/* Who has no name there can make no file. */
	if (spaces & CLONE_NEWUSER && confine_map_user(s->uid, s->gid) < 0)
		_exit(1);
	if (write(s->line, "", 1) != 1)
		_exit(1);
	/* While vk-boot does the rest. */
	build(s);
	/* If vk-boot was gone before the first line, nobody writes this. */
	for (;;)
		if (obey(s, 0))
			live(s, spaces & CLONE_NEWPID);
}

/* Whether it has come into being as it is to be. */
static bool
is_there(const struct start *s, pid_t pid)
{
	char byte;

	if (read(s->other, &byte, 1) == 1)
		return true;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	return false;
}

/* fork, in namespaces of its own as far as they are allowed. */
static pid_t
fork_warden(struct start *s)
{
	/* Root needs no user namespace, where there is none to be had. */
	const unsigned long spaces[] = {
	    CLONE_NEWUSER | CLONE_NEWPID,
	    CLONE_NEWPID,
	    0,
	};

	for (int i = 0; i < 3; i++) {
		int ends[2];
		long pid;

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) <
		    0)
			return -1;
		s->line = ends[1];
		s->other = ends[0];
		pid = syscall(SYS_clone, spaces[i] | SIGCHLD, 0, 0, 0, 0);
		if (pid == 0)
			run_warden(s, spaces[i]);
		close(s->line);
		if (pid > 0 && is_there(s, (pid_t)pid))
			return (pid_t)pid;
		fd_close(&s->other);
	}
	return -1;
}

/* ---- for vk-boot -------------------------------------------------------- */

int
warden_make(
    struct warden *warden, const struct warden_launch *launch, struct err *e)
{
	struct start s = {
	    .launch = launch,
	    .uid = geteuid(),
	    .gid = getegid(),
	    .line = -1,
	    .other = -1,
	    .failure = ERR_INIT,
	};

	warden->pid = fork_warden(&s);
	warden->line = s.other;
	if (warden->pid > 0)
		return 0;
	warden->pid = 0;
	return err_errno(e, EX_OSERR, "%s", launch->name);
}

int
warden_order(struct warden *warden, enum warden_order order, struct err *e)
{
	char byte = (char)order;

	return write(warden->line, &byte, 1) == 1
		   ? 0
		   : err_errno(e, EX_OSERR, "the guest's process");
}

int
warden_time(struct warden *warden, uint64_t *ms)
{
	struct err e = ERR_INIT;

	if (warden_order(warden, WARDEN_TIME, &e) < 0)
		return -1;
	return io_read(warden->line, ms, sizeof(*ms)) == sizeof(*ms) ? 0 : -1;
}

void
warden_end(struct warden *warden)
{
	fd_close(&warden->line);
	if (warden->pid > 0)
		while (waitpid(warden->pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	warden->pid = 0;
}
