/* SPDX-License-Identifier: MIT */
/* guest_command.c - the guest's command: a session in a thread of its own */
#include "cmd/vk-boot/guest_parts.h"

#include "cmd/vk-boot/hot_disks.h"
#include "cmd/vk-boot/sandbox.h"
#include "cmd/vk-boot/virtio/vsock.h"

#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"
#include "common/terminal.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

/* For what was under way when the VM was killed. */
#define AT_ONCE_MS 100

/* In the session's thread. */
static void
session_runs(void *context, uint32_t id, uint32_t pid)
{
	struct guest *g = context;

	(void)id, (void)pid;
	atomic_store(&g->session_runs, true);
	eventfd_give(g->finished.fd);
}

bool
guest_command_pending(const struct guest *g)
{
	return g->session_started && !g->session_over &&
	       !atomic_load(&g->session_runs);
}

static bool
becomes_init(const struct guest *g)
{
	return g->options->init == INIT_YES ||
	       (g->options->init == INIT_AUTO && command_is_init(&g->command));
}

static void
run_session(struct guest *g)
{
	bool console = g->options->console == CONSOLE_STDIO;
	struct session_request request = SESSION_REQUEST_INIT;

	request.kind = OPEN_EXEC;
	request.flags = (console ? 0 : OPEN_STDIN) | OPEN_MAIN |
			(g->options->tty ? OPEN_TTY : 0) |
			(g->options->keep ? OPEN_KEEP : 0) |
			(becomes_init(g) ? OPEN_INIT : 0);
	request.argv = g->command.argv.words;
	request.env = g->command.env.words;
	request.user = g->command.user;
	request.dir = g->command.dir;
	request.term = g->options->tty ? getenv("TERM") : NULL;
	request.signal = g->command.stop_signal;
	/* Of a console on standard input and output the rest is the command's:
	 * standard error. */
	request.in = console ? -1 : STDIN_FILENO;
	request.out = console ? STDERR_FILENO : STDOUT_FILENO;
	request.err = STDERR_FILENO;
	request.tty = g->options->tty ? STDIN_FILENO : -1;
	request.signals = g->forward[0];
	request.hurry = g->hurry;
	request.cancel = g->cancel;
	request.with_guest = true;
	request.sinks = g->sinks;
	request.started = session_runs;
	request.context = g;
	g->session_ok = session_run(g->session_fd, &request, &g->result,
			    &g->session_err) == 0;
	atomic_store(&g->session_ended, true);
	sem_post(&g->session_done);
	eventfd_give(g->finished.fd);
}

static void *
session_main(void *with)
{
	struct guest *g = with;

	pthread_setname_np(pthread_self(), "session");
	if (!gate_enter(g->config->gate, &g->session_filter))
		return NULL;
	for (;;) {
		eventfd_take(g->session_call);
		if (g->session_fd < 0)
			return NULL;
		run_session(g);
	}
}

static int
make_thread(struct guest *g, struct err *e)
{
	sigset_t all, before;
	int number;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	number = pthread_create(&g->session_thread, NULL, session_main, g);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (number != 0) {
		errno = number;
		return err_errno(e, EX_OSERR, "session");
	}
	gate_expect(g->config->gate);
	g->session_made = true;
	return 0;
}

int
guest_command_start(struct guest *g, struct err *e)
{
	g->session_fd = vsock_dial(g->config->vsock, EXEC_PORT);
	if (g->session_fd < 0)
		return err_errno(e, EX_OSERR, "the guest's agent");
	if (g->options->tty)
		terminal_again(g->config->terminal);
	g->session_started = true;
	eventfd_give(g->session_call);
	return 0;
}

/* Whoever reads gets what is there already, and no more of our time. */
static bool
over_soon(struct guest *g)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += AT_ONCE_MS * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	if (sem_clockwait(&g->session_done, CLOCK_MONOTONIC, &until) == 0)
		return true;
	eventfd_give(g->cancel);
	return false;
}

void
guest_command_await(struct guest *g)
{
	if (!g->session_started || g->session_over)
		return;
	if (!g->at_once || !over_soon(g))
		while (sem_wait(&g->session_done) < 0)
			continue;
	if (g->result.dropped)
		log_warn("what the command wrote last was not read, and is "
			 "lost");
	if (g->options->tty)
		terminal_pause(g->config->terminal);
	g->session_over = true;
}

void
guest_command_again(struct guest *g)
{
	fd_close(&g->session_fd);
	eventfd_take(g->finished.fd);
	command_release(&g->command);
	g->session_started = g->session_over = g->session_ok = false;
	atomic_store(&g->session_runs, false);
	atomic_store(&g->session_ended, false);
	g->result = (struct session_result){0};
	g->session_err = (struct err)ERR_INIT;
}

/* Its end is known: what that means for ours. */
static void
count_result(struct guest *g)
{
	if (g->result.end == SESSION_FAILED)
		log_warn("%s", g->result.text);
	if (g->status == 0 || g->result.end == SESSION_EXITED ||
	    g->result.end == SESSION_KILLED)
		g->status = g->why && strcmp(g->why, "timeout") == 0
				? EXIT_TIMED_OUT
				: session_status(&g->result);
	status_event(g->config->status, "exited",
	    json_pack("{s:i}", "status", session_status(&g->result)));
	if (!g->why)
		g->why = "command";
}

void
guest_command_settle(struct guest *g)
{
	if (!g->session_started || g->session_over)
		return;
	/* Its end of the connection is closed: the session ends with what it
	 * was told before. */
	virtio_device_stop(g->config->vsock);
	guest_command_await(g);
	if (g->session_ok)
		count_result(g);
}

/* It runs now; or its status is known; or the connection to it is lost. */
static void
session_moved(struct loop_source *source, uint32_t events)
{
	struct guest *g = source->owner;

	(void)events;
	eventfd_take(source->fd);
	if (g->session_over)
		return; /* that was known */
	if (!atomic_load(&g->session_ended)) {
		guest_stop_tell(g);
		return;
	}
	guest_command_await(g);
	/* What it was going to do is said before its command ends. */
	guest_agent_hear(g);
	if (g->state == GUEST_ENDED)
		return;
	if (g->state == GUEST_REBOOTING) {
		guest_reboot_go_on(g);
		return;
	}
	if (!g->session_ok) {
		/* The machine is often about to say more: a power-off, or a
		 * crash. It has a moment for that. */
		guest_expect_end(g, 0);
		return;
	}
	count_result(g);
	fd_close(&g->session_fd); /* tells the agent that we have it */
	if (g->rebooting && guest_reboots(g)) {
		guest_expect_end(g, g->options->stop_timeout_ms);
		return;
	}
	if (g->options->keep)
		return;
	if (g->config->throw_away && !hot_disks_keep(g->config->hot_disks)) {
		guest_finish(g, g->status, g->why);
		return;
	}
	guest_set_state(g, GUEST_STOPPING);
	guest_expect_end(g, g->options->stop_timeout_ms);
}

void
guest_command_hurry(struct guest *g)
{
	eventfd_give(g->hurry);
}

void
guest_command_signal(struct guest *g, int number)
{
	uint8_t byte = (uint8_t)number;

	if (g->session_started && write(g->forward[1], &byte, 1) < 0)
		log_info("guest: a signal is lost: %s", strerror(errno));
}

/* In the main thread. */
static const struct filter_call calls[] = {
    CALL(write),
    CALL(close),
    CALL_IF(socketpair, 0, AF_UNIX), /* vsock_dial */
    CALL(fcntl),
    CALLS_END,
};

/* The session's thread, beside session_calls. */
static const struct filter_call thread_calls[] = {
    CALL(read), /* the start */
    CALL(write),
    CALLS_END,
};

int
guest_command_confine(struct guest *g, struct err *e)
{
	filter_add(g->config->filter, calls);
	filter_init(&g->session_filter, "session", LOOP_CALLS_MAX);
	filter_add(&g->session_filter, filter_libc);
	filter_add(&g->session_filter, session_calls);
	filter_add(&g->session_filter, thread_calls);
	return sandbox_filter(&g->session_filter, e);
}

int
guest_command_open(struct guest *g, struct err *e)
{
	sink_init(&g->sinks[0], g->options->console == CONSOLE_STDIO
				    ? STDERR_FILENO
				    : STDOUT_FILENO);
	sink_init(&g->sinks[1], STDERR_FILENO);
	sink_learn(&g->sinks[0]);
	sink_learn(&g->sinks[1]);
	sem_init(&g->session_done, 0, 0);
	g->session_call = eventfd(0, EFD_CLOEXEC);
	g->finished = (struct loop_source){
	    .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	    .ready = session_moved,
	    .owner = g,
	};
	g->hurry = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	g->cancel = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (g->session_call < 0 || g->finished.fd < 0 || g->hurry < 0 ||
	    g->cancel < 0 || pipe2(g->forward, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_errno(e, EX_OSERR, "descriptors");
	if (loop_add(g->loop, &g->finished, EPOLLIN, e) < 0)
		return -1;
	return make_thread(g, e);
}

void
guest_command_release(struct guest *g)
{
	fd_close(&g->session_fd);
	if (g->session_made) {
		eventfd_give(g->session_call);
		pthread_join(g->session_thread, NULL);
	}
	command_release(&g->command);
	filter_release(&g->session_filter);
	sink_release(&g->sinks[0]);
	sink_release(&g->sinks[1]);
	fd_close(&g->session_call);
	fd_close(&g->forward[0]);
	fd_close(&g->forward[1]);
	fd_close(&g->hurry);
	fd_close(&g->cancel);
	loop_close(g->loop, &g->finished);
}
