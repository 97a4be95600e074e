/* SPDX-License-Identifier: MIT */
/* run.c - a session between the VM and this process's own streams */
#include "cmd/vk-exec/run.h"

#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"
#include "common/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int signal_pipe = -1;
static struct terminal terminal = TERMINAL_INIT;

static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2,
    SIGWINCH, SIGTSTP, SIGCONT};
#define CAUGHT (sizeof(caught) / sizeof(caught[0]))

static void
on_signal(int number)
{
	int kept = errno;
	unsigned char byte = (unsigned char)number;

	if (write(signal_pipe, &byte, 1) < 0)
		errno = 0; /* full: that many wait already */
	errno = kept;
}

/* Passes signals to the pipe that the session reads. */
static int
catch_signals(int *from)
{
	struct sigaction catch = {
	    .sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct sigaction old;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	*from = ends[0];
	signal_pipe = ends[1];
	for (size_t i = 0; i < CAUGHT; i++) {
		/* What nohup(1) or a shell had us ignore stays ignored. */
		if (sigaction(caught[i], NULL, &old) == 0 &&
		    old.sa_handler == SIG_IGN)
			continue;
		sigaction(caught[i], &catch, NULL);
	}
	return 0;
}

/* There is no command any more: what is left to be said waits for its reader,
 * and a signal ends that. */
static void
let_signals_go(void)
{
	struct sigaction now;

	for (size_t i = 0; i < CAUGHT; i++)
		if (sigaction(caught[i], NULL, &now) == 0 &&
		    now.sa_handler == on_signal)
			signal(caught[i], SIG_DFL);
}

/* SIGTSTP, after the command was told: SIGSTOP cannot be caught. */
static void
stop_self(void)
{
	terminal_pause(&terminal);
	raise(SIGSTOP);
	terminal_again(&terminal);
}

/* Until the agent has answered, CTRL-C is for us. */
static void
take_terminal(void *context)
{
	struct err e = ERR_INIT;

	(void)context;
	if (terminal_raw(&terminal, STDIN_FILENO, &e) < 0)
		log_warn("%s", e.text);
}

void
run_request(struct session_request *r, const struct options *o)
{
	*r = (struct session_request)SESSION_REQUEST_INIT;
	r->user = o->user;
	r->dir = o->dir;
	r->env = o->env;
	r->grace_ms = (uint32_t)o->grace_ms;
	r->timeout_ms = o->timeout_ms;
	r->in = o->no_stdin ? -1 : STDIN_FILENO;
	r->out = STDOUT_FILENO;
	r->err = STDERR_FILENO;
}

static void
tell_status(int fd, const struct session_result *result)
{
	static const char *const words[] = {
	    [SESSION_EXITED] = "exited",
	    [SESSION_KILLED] = "signal",
	    [SESSION_FAILED] = "failed",
	    [SESSION_TIMED_OUT] = "timeout",
	    [SESSION_CANCELLED] = "cancelled",
	    [SESSION_DETACHED] = "detached",
	};
	char line[128];
	int len = snprintf(line, sizeof(line),
	    "{\"%s\": %d, \"id\": %u, \"pid\": %u, \"core\": %s}\n",
	    words[result->end], result->code, result->id, result->pid,
	    result->core ? "true" : "false");

	if (fd >= 0 && io_write(fd, line, (size_t)len) < 0)
		log_warn("--status-fd %d: %s", fd, strerror(errno));
}

int
run_session(const struct vm *vm, const struct options *o,
    struct session_request *r, struct err *e)
{
	struct session_result result;
	int status;

	/* Where there is no command to be told, they are for ourselves. */
	if ((r->kind == OPEN_EXEC || r->kind == OPEN_ATTACH) &&
	    catch_signals(&r->signals) < 0)
		return err_errno(e, EX_OSERR, "signals");
	r->stop_self = stop_self;
	if (r->flags & OPEN_TTY) {
		r->tty = STDIN_FILENO;
		if (isatty(STDIN_FILENO))
			r->greeted = take_terminal;
	}
	status = vm_session(vm, r, &result, e);
	terminal_restore(&terminal);
	let_signals_go();
	if (status < 0)
		return -1;
	tell_status(o->status_fd, &result);
	if (result.end == SESSION_FAILED)
		log_warn("%s: %s", vm->name, result.text);
	if (result.dropped)
		log_warn("%s: what the command wrote last was not read, and is "
			 "lost",
		    vm->name);
	if (result.end == SESSION_DETACHED)
		printf("%u\n", result.id);
	return session_status(&result);
}
