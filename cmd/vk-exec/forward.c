/* SPDX-License-Identifier: MIT */
/* forward.c - -L, -R and -W: connections through the VM's agent */
#include "cmd/vk-exec/forward.h"

#include "cmd/vk-exec/run.h"
#include "common/endpoint.h"
#include "common/log.h"
#include "common/scope.h"
#include "common/session.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* A process each; a guest that connects without end is held here. */
#define CONNECTIONS_MAX 512

static bool
is_number(const char *from, const char *to)
{
	if (from == to)
		return false;
	for (; from < to; from++)
		if (!isdigit((unsigned char)*from))
			return false;
	return true;
}

/* The colon that parts the listening side from the target. */
static const char *
find_middle(const char *text)
{
	const char *first, *second;

	if (*text == '/')
		return strchr(text, ':');
	if (*text == '[') {
		first = strstr(text, "]:");
		return first ? strchr(first + 2, ':') : NULL;
	}
	first = strchr(text, ':');
	if (!first)
		return NULL;
	if (is_number(text, first))
		return first; /* PORT:TARGET */
	second = strchr(first + 1, ':');
	return second; /* BIND:PORT:TARGET */
}

int
forward_parse(struct forward *f, const char *text, struct err *e)
{
	const char *middle = find_middle(text);
	union endpoint a;

	if (!middle || (size_t)(middle - text) >= sizeof(f->listen) ||
	    strlen(middle + 1) >= sizeof(f->target)) {
		err_set(e, EX_USAGE, "%s: not a forward", text);
		return err_hint(
		    e, "forms: [BIND:]PORT:TARGET and /SOCKET:TARGET");
	}
	memcpy(f->listen, text, (size_t)(middle - text));
	f->listen[middle - text] = '\0';
	snprintf(f->target, sizeof(f->target), "%s", middle + 1);
	if (endpoint_parse(f->listen, &a) == 0)
		return err_set(e, EX_USAGE,
		    "%s: neither a port, an address and a port, nor a path",
		    f->listen);
	return 0;
}

/* ---- one connection, in a process of its own ------------------------------
 */

static struct {
	const struct vm *vm;
	pid_t pids[CONNECTIONS_MAX];
	unsigned count;
} running;

/* Starts a process that goes with its parent. 0 in the child, 1, -1. */
static int
start(void)
{
	pid_t parent = getpid(), pid;
	sigset_t none;

	if (running.count == CONNECTIONS_MAX) {
		log_warn("%d connections at once: one more was refused",
		    CONNECTIONS_MAX);
		return -1;
	}
	pid = fork();
	if (pid < 0) {
		log_warn("fork: %s", strerror(errno));
		return -1;
	}
	if (pid > 0) {
		running.pids[running.count++] = pid;
		return 1;
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(0);
	return 0;
}

static void
reap(void)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		for (unsigned i = 0; i < running.count; i++)
			if (running.pids[i] == pid) {
				running.pids[i] = running.pids[--running.count];
				break;
			}
}

/* Joins a local socket to the VM. Never returns. */
_Noreturn static void
join(int local, struct session_request *r)
{
	struct err e = ERR_INIT;
	struct session_result result;

	r->flags |= OPEN_STDIN;
	r->in = r->out = local;
	if (vm_session(running.vm, r, &result, &e) < 0) {
		log_warn("%s", e.text);
		_exit(1);
	}
	if (result.end == SESSION_FAILED)
		log_warn("%s: %s", running.vm->name, result.text);
	_exit(0);
}

/* ---- -L -------------------------------------------------------------------
 */

static void
accept_local(int listener, const char *target)
{
	struct session_request r = SESSION_REQUEST_INIT;
	cleanup_fd int local = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (local < 0 || start() != 0)
		return;
	r.kind = OPEN_CONNECT;
	r.target = target;
	join(local, &r);
}

/* ---- -R: a process holds the session that listens in the guest ------------
 */

static void
accept_remote(void *context, uint64_t token)
{
	const struct forward *f = context;
	struct session_request r = SESSION_REQUEST_INIT;
	union endpoint a;
	socklen_t len = endpoint_parse(f->target, &a);
	cleanup_fd int local = -1;

	reap();
	if (start() != 0)
		return;
	local = endpoint_connect(&a, len, 0);
	if (local < 0) {
		log_warn("%s: %s", f->target, strerror(errno));
		_exit(1);
	}
	r.kind = OPEN_JOIN;
	r.token = token;
	join(local, &r);
}

_Noreturn static void
listen_remote(struct forward *f)
{
	struct session_request r = SESSION_REQUEST_INIT;
	struct session_result result;
	struct err e = ERR_INIT;

	running.count = 0;
	r.kind = OPEN_LISTEN;
	r.target = f->listen;
	r.accepted = accept_remote;
	r.context = f;
	if (vm_session(running.vm, &r, &result, &e) < 0)
		log_warn("%s", e.text);
	else if (result.end == SESSION_FAILED)
		log_warn("%s: %s", running.vm->name, result.text);
	_exit(1);
}

static int
start_remote(struct forward *f, struct err *e)
{
	union endpoint a;
	int started;

	if (endpoint_parse(f->target, &a) == 0)
		return err_set(e, EX_USAGE,
		    "%s: neither a port, an address and a port, nor a path",
		    f->target);
	started = start();
	if (started == 0)
		listen_remote(f);
	return started < 0 ? err_set(e, EX_OSERR, "fork") : 0;
}

/* ---- all of them ----------------------------------------------------------
 */

static int
open_local(const struct forward *f, struct pollfd *p, struct err *e)
{
	union endpoint a;
	socklen_t len = endpoint_parse(f->listen, &a);

	p->fd = endpoint_listen(&a, len);
	p->events = POLLIN;
	return p->fd < 0 ? err_errno(e, EX_UNAVAILABLE, "%s", f->listen) : 0;
}

static int
catch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static void
end_all(const struct forward *forwards, const struct pollfd *p, size_t count)
{
	for (unsigned i = 0; i < running.count; i++)
		kill(running.pids[i], SIGTERM);
	while (waitpid(-1, NULL, 0) > 0)
		continue;
	for (size_t i = 0; i < count; i++)
		if (p[i].fd >= 0 && forwards[i].listen[0] == '/')
			unlink(forwards[i].listen);
}

/* Serves until a signal, or until a -R cannot be had. */
static int
serve(struct pollfd *p, const struct forward *forwards, size_t count,
    unsigned remotes)
{
	struct signalfd_siginfo info;

	for (;;) {
		if (poll(p, count + 1, -1) < 0 && errno != EINTR)
			return 1;
		if (p[count].revents &&
		    read(p[count].fd, &info, sizeof(info)) == sizeof(info)) {
			if (info.ssi_signo != SIGCHLD)
				return 128 + (int)info.ssi_signo;
			/* The first processes are the -R sessions. */
			for (unsigned i = 0; i < remotes; i++)
				if (waitpid(running.pids[i], NULL, WNOHANG) > 0)
					return EX_UNAVAILABLE;
			reap();
		}
		for (size_t i = 0; i < count; i++)
			if (p[i].revents)
				accept_local(p[i].fd, forwards[i].target);
	}
}

int
forward_run(const struct vm *vm, const struct options *o, struct err *e)
{
	struct forward forwards[FORWARDS_MAX];
	struct pollfd p[FORWARDS_MAX + 1];
	unsigned remotes = 0;
	int status = 0;

	running.vm = vm;
	for (size_t i = 0; i < o->forward_count; i++) {
		p[i] = (struct pollfd){.fd = -1};
		if (forward_parse(&forwards[i], o->forwards[i], e) < 0)
			return -1;
	}
	p[o->forward_count] =
	    (struct pollfd){.fd = catch_signals(), .events = POLLIN};
	for (size_t i = 0; status == 0 && i < o->forward_count; i++) {
		if (!o->forward_back[i]) {
			status = open_local(&forwards[i], &p[i], e);
			continue;
		}
		status = start_remote(&forwards[i], e);
		remotes++;
	}
	if (status == 0)
		status = serve(p, forwards, o->forward_count, remotes);
	end_all(forwards, p, o->forward_count);
	return status;
}

int
forward_join_stdio(const struct vm *vm, const struct options *o, struct err *e)
{
	struct session_request r;

	run_request(&r, o);
	r.kind = OPEN_CONNECT;
	r.target = o->target;
	r.flags = OPEN_STDIN;
	return run_session(vm, o, &r, e);
}
