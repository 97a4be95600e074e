/* SPDX-License-Identifier: MIT */
/* forward.c - -L, -R and -W: connections through the VM's agent */
#include "cmd/vk-exec/forward.h"

#include "cmd/vk-exec/run.h"
#include "common/endpoint.h"
#include "common/io.h"
#include "common/local_socket.h"
#include "common/log.h"
#include "common/scope.h"
#include "common/session.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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

static int
check_end(const char *end, struct err *e)
{
	union endpoint a;

	if (endpoint_parse(end, &a) > 0)
		return 0;
	return err_set(e, EX_USAGE,
	    "%s: neither a port, an address and a port, nor a path", end);
}

int
forward_parse(struct forward *f, const char *text, struct err *e)
{
	const char *middle = find_middle(text);

	if (!middle || (size_t)(middle - text) >= sizeof(f->listen) ||
	    strlen(middle + 1) >= sizeof(f->target)) {
		err_set(e, EX_USAGE, "%s: not a forward", text);
		return err_hint(
		    e, "forms: [BIND:]PORT:TARGET and /SOCKET:TARGET");
	}
	memcpy(f->listen, text, (size_t)(middle - text));
	f->listen[middle - text] = '\0';
	snprintf(f->target, sizeof(f->target), "%s", middle + 1);
	return check_end(f->listen, e) < 0 ? -1 : check_end(f->target, e);
}

/* ---- one connection, in a process of its own ------------------------------
 */

static struct {
	const struct vm *vm;
	pid_t pids[CONNECTIONS_MAX];
	unsigned count;
	bool told;    /* that there are too many */
	int ready;    /* a pipe's end for each -R that listens */
	int ready_fd; /* -1: none, or it was told; borrowed */
} running = {.ready_fd = -1};

/* Starts a process that goes with its parent. 0 in the child, 1, -1. */
static int
start(void)
{
	pid_t parent = getpid(), pid;
	sigset_t none;

	if (running.count == CONNECTIONS_MAX) {
		if (!running.told)
			log_warn("%d connections at once: more are refused",
			    CONNECTIONS_MAX);
		running.told = true;
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
	/* Whoever waits for its end waits for us alone. */
	if (running.ready_fd > STDERR_FILENO)
		close(running.ready_fd);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(0);
	return 0;
}

/* Returns the place among the running ones of one that was, -1: none has
 * ended. */
static int
reap_one(void)
{
	pid_t pid = waitpid(-1, NULL, WNOHANG);
	unsigned i = 0;

	if (pid <= 0)
		return -1;
	while (i < running.count && running.pids[i] != pid)
		i++;
	if (i < running.count)
		running.pids[i] = running.pids[--running.count];
	running.told = false;
	return (int)i;
}

/* Joins a local socket to the VM; -1: there is none. Never returns. What else
 * is open is our parent's: its listeners end with it. */
_Noreturn static void
join(int local, struct session_request *r)
{
	struct err e = ERR_INIT;
	struct session_result result;

	if (local >= 0)
		local = dup2(local, STDERR_FILENO + 1);
	syscall(SYS_close_range, STDERR_FILENO + 1 + (local >= 0), ~0u, 0u);
	if (local >= 0)
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

	while (reap_one() >= 0)
		continue;
	if (start() != 0)
		return;
	r.kind = OPEN_JOIN;
	r.token = token;
	local = endpoint_connect(&a, len, 0);
	if (local < 0) {
		log_warn("%s: %s", f->target, strerror(errno));
		r.flags = OPEN_DETACH;
	}
	join(local, &r);
}

static void
listens(void *context, uint32_t id, uint32_t pid)
{
	(void)context;
	(void)id;
	(void)pid;
	if (write(running.ready, "", 1) < 0)
		log_warn("pipe: %s", strerror(errno));
	fd_close(&running.ready);
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
	r.started = listens;
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
	int started = start();

	if (started == 0)
		listen_remote(f);
	return started < 0 ? err_set(e, EX_OSERR, "fork") : 0;
}

/* ---- all of them ----------------------------------------------------------
 */

/* Behind the listeners in what is polled. */
enum { AT_SIGNALS, AT_READY, AT_COUNT };

struct service {
	struct forward forwards[FORWARDS_MAX];
	struct pollfd polled[FORWARDS_MAX + AT_COUNT];
	int folders[FORWARDS_MAX]; /* of sockets with a path; -1: none */
	size_t count;
	unsigned remotes;   /* -R: each is one of the first processes */
	unsigned listening; /* of those */
};

static int
open_local(
    const struct forward *f, struct pollfd *p, int *folder, struct err *e)
{
	union endpoint a;
	socklen_t len = endpoint_parse(f->listen, &a);

	p->events = POLLIN;
	if (a.any.sa_family == AF_UNIX) {
		p->fd = local_socket_listen(f->listen, SOMAXCONN, folder, e);
		if (p->fd < 0)
			e->status = EX_UNAVAILABLE;
		return p->fd < 0 ? -1 : 0;
	}
	p->fd = endpoint_listen(&a, len);
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
end_all(const struct service *s)
{
	for (unsigned i = 0; i < running.count; i++)
		kill(running.pids[i], SIGTERM);
	while (waitpid(-1, NULL, 0) > 0)
		continue;
	for (size_t i = 0; i < s->count; i++)
		local_socket_remove(s->folders[i], s->forwards[i].listen);
}

/* All of them listen: whoever waits for that is told, once. */
static int
tell_ready(struct service *s, struct err *e)
{
	int fd = running.ready_fd;

	if (s->listening < s->remotes || fd < 0)
		return 0;
	if (io_write(fd, "\n", 1) < 0)
		return err_errno(e, EX_IOERR, "--ready-fd %d", fd);
	if (fd > STDERR_FILENO)
		close(fd);
	running.ready_fd = -1;
	return 0;
}

/* A signal's exit status, 0 where it ends nothing. */
static int
take_signal(const struct service *s)
{
	const struct pollfd *p = &s->polled[s->count + AT_SIGNALS];
	struct signalfd_siginfo info;
	int place;

	if (read(p->fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (info.ssi_signo != SIGCHLD)
		return 128 + (int)info.ssi_signo;
	while ((place = reap_one()) >= 0)
		if ((unsigned)place < s->remotes)
			return EX_UNAVAILABLE; /* it has said why */
	return 0;
}

/* Serves until a signal, or until a -R cannot be had. */
static int
serve(struct service *s, struct err *e)
{
	struct pollfd *ready = &s->polled[s->count + AT_READY];
	char bytes[FORWARDS_MAX];
	int status = 0;

	while (status == 0) {
		if (tell_ready(s, e) < 0)
			return -1;
		if (poll(s->polled, s->count + AT_COUNT, -1) < 0) {
			if (errno == EINTR)
				continue;
			return err_errno(e, EX_OSERR, "poll");
		}
		if (s->polled[s->count + AT_SIGNALS].revents)
			status = take_signal(s);
		if (ready->revents) {
			ssize_t n = read(ready->fd, bytes, sizeof(bytes));

			s->listening += n > 0 ? (unsigned)n : 0;
			if (n == 0)
				ready->fd = -1; /* there is no -R */
		}
		for (size_t i = 0; status == 0 && i < s->count; i++)
			if (s->polled[i].revents)
				accept_local(
				    s->polled[i].fd, s->forwards[i].target);
	}
	return status;
}

static int
open_all(struct service *s, const struct options *o, struct err *e)
{
	int ends[2], status = 0;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(e, EX_OSERR, "pipe");
	s->polled[s->count + AT_READY] =
	    (struct pollfd){.fd = ends[0], .events = POLLIN};
	running.ready = ends[1];
	for (size_t i = 0; status == 0 && i < s->count; i++) {
		if (!o->forward_back[i]) {
			status = open_local(
			    &s->forwards[i], &s->polled[i], &s->folders[i], e);
			continue;
		}
		status = start_remote(&s->forwards[i], e);
		s->remotes++;
	}
	close(ends[1]);
	return status;
}

int
forward_run(const struct vm *vm, const struct options *o, struct err *e)
{
	struct service s = {.count = o->forward_count};
	int status;

	running.vm = vm;
	running.ready_fd = o->ready_fd;
	for (size_t i = 0; i < s.count; i++) {
		s.polled[i] = (struct pollfd){.fd = -1};
		s.folders[i] = -1;
		if (forward_parse(&s.forwards[i], o->forwards[i], e) < 0)
			return -1;
	}
	if (vm_ping(vm, SESSION_GREETING_MS, e) < 0)
		return -1;
	s.polled[s.count + AT_SIGNALS] =
	    (struct pollfd){.fd = catch_signals(), .events = POLLIN};
	status = open_all(&s, o, e);
	if (status == 0)
		status = serve(&s, e);
	end_all(&s);
	return status;
}
/* Whoever reads our stdout sees the end of it, though stdin may go on. */
static void
close_stdout(void *context, unsigned stream)
{
	cleanup_fd int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)context;
	if (stream == STREAM_OUT && null >= 0)
		dup2(null, STDOUT_FILENO);
}

int
forward_join_stdio(const struct vm *vm, const struct options *o, struct err *e)
{
	struct session_request r;

	run_request(&r, o);
	r.kind = OPEN_CONNECT;
	r.target = o->target;
	r.flags = OPEN_STDIN;
	r.ended = close_stdout;
	return run_session(vm, o, &r, e);
}
