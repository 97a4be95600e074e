/* SPDX-License-Identifier: MIT */
/*
 * guest.c - the guest's life as the host sees it
 *
 * All of this runs in the main thread's loop. Two things happen elsewhere and
 * come in by descriptors: the vsock device's thread hands over the agent's
 * connection (a pipe carries its number), and the session has a thread of its
 * own, since it blocks (an eventfd tells its end).
 *
 * The guest is hostile: announce.c bounds and checks what it says, events are
 * counted, and a guest that says nothing meets the deadlines.
 */
#include "cmd/vk-boot/guest.h"

#include "cmd/vk-boot/loop.h"
#include "cmd/vk-boot/virtio/vsock.h"

#include "common/announce.h"
#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"
#include "common/session.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

/* Lines that a guest's agent may have us print; then it is a flood. */
#define EVENTS_SHOWN_MAX 100
/* After the agent's own deadline, for sync and power-off. */
#define STOP_GRACE_MS 3000

enum guest_state {
	GUEST_BOOTING,
	GUEST_STARTING,
	GUEST_RUNNING,
	GUEST_STOPPING,
	GUEST_ENDED,
	GUEST_STATES,
};

static const char *const state_names[] = {
    "booting",
    "starting",
    "running",
    "stopping",
    "ended",
};
_Static_assert(sizeof(state_names) / sizeof(*state_names) == GUEST_STATES,
    "every state has a name");

struct guest {
	const struct guest_config *config;
	const struct options *options;
	enum guest_state state;
	struct loop *loop;
	int status;      /* our exit status, as far as it is known */
	const char *why; /* it ended */

	struct loop_source signals, engine, arrivals, agent, finished;
	struct loop_source boot_timer, life_timer, stop_timer;
	int arrival_writer;

	struct announce announce;
	bool ready;      /* sessions are served */
	bool going_down; /* the agent said that it powers off or reboots */
	unsigned events; /* shown so far */

	struct command command;
	bool session_started, session_joined;
	pthread_t session_thread;
	int session_fd;
	int forward[2]; /* signal numbers for the command */
	struct session_result result;
	struct err session_err;
	bool session_ok;
};

static void
set_state(struct guest *g, enum guest_state state)
{
	if (g->state == state || g->state == GUEST_ENDED)
		return;
	log_info(
	    "guest: %s, then %s", state_names[g->state], state_names[state]);
	g->state = state;
}

/* The end: the first reason counts. */
static void
finish(struct guest *g, int status, const char *why)
{
	if (g->state == GUEST_ENDED)
		return;
	set_state(g, GUEST_ENDED);
	g->status = status;
	g->why = why;
	loop_stop(g->loop);
}

static void
last_words(struct guest *g)
{
	if (g->config->last_words)
		g->config->last_words(g->config->owner);
}

/* ---- timers ---- */

static int
timer_new(struct guest *g, struct loop_source *timer,
    void (*expired)(struct loop_source *, uint32_t), struct err *e)
{
	*timer = (struct loop_source){
	    .fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
	    .ready = expired,
	    .owner = g,
	};
	if (timer->fd < 0)
		return err_errno(e, EX_OSERR, "timer");
	return loop_add(g->loop, timer, EPOLLIN, e);
}

/* 0 ms: never. */
static void
timer_set(struct loop_source *timer, uint64_t ms)
{
	struct itimerspec when = {
	    .it_value = {.tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000) * 1000000},
	};

	timerfd_settime(timer->fd, 0, &when, NULL);
}

/* ---- ending ---- */

/* Asks the guest to end: the agent if it is there, else the power button. */
static void
stop_in_order(struct guest *g, const char *why)
{
	struct announce_stop stop = {
	    .deadline_ms = (uint32_t)g->options->stop_timeout_ms,
	};
	json_t *members;

	if (g->state == GUEST_STOPPING || g->state == GUEST_ENDED)
		return;
	members = json_pack("{s:s}", "why", why);
	status_event(g->config->status, "stopping", members);
	/* Who has not called yet has nothing to put in order. */
	if (g->agent.fd < 0 || announce_stop(g->agent.fd, &stop) < 0) {
		finish(g, g->status, why);
		return;
	}
	g->why = why;
	set_state(g, GUEST_STOPPING);
	timer_set(&g->stop_timer, g->options->stop_timeout_ms + STOP_GRACE_MS);
}

static void
stop_expired(struct loop_source *source, uint32_t events)
{
	struct guest *g = source->owner;

	(void)events;
	if (g->session_joined && !g->session_ok) {
		log_warn("the command's connection: %s", g->session_err.text);
		finish(g, EXIT_FAILED, "failure");
		return;
	}
	log_warn("the guest did not stop within %llu s, ended",
	    (unsigned long long)g->options->stop_timeout_ms / 1000);
	finish(g, g->status, g->why);
}

static void
boot_expired(struct loop_source *source, uint32_t events)
{
	struct guest *g = source->owner;

	(void)events;
	log_warn("the guest was not up after %llu s",
	    (unsigned long long)g->options->boot_timeout_ms / 1000);
	last_words(g);
	finish(g, EXIT_TIMED_OUT, "timeout");
}

static void
life_expired(struct loop_source *source, uint32_t events)
{
	struct guest *g = source->owner;

	(void)events;
	log_warn("--timeout: stopped after %llu s",
	    (unsigned long long)g->options->timeout_ms / 1000);
	g->status = EXIT_TIMED_OUT;
	stop_in_order(g, "timeout");
}

static void
signal_arrived(struct loop_source *source, uint32_t events)
{
	struct guest *g = source->owner;
	struct signalfd_siginfo info;
	uint8_t number;

	(void)events;
	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return;
	number = (uint8_t)info.ssi_signo;
	switch (number) {
	case SIGTERM:
	case SIGINT:
	case SIGHUP:
		/* Asked twice: at once. */
		if (g->state == GUEST_STOPPING) {
			finish(g, 128 + number, "stopped");
			return;
		}
		g->status = 128 + number;
		stop_in_order(g, "stopped");
		return;
	default: /* the command's own business */
		if (g->session_started && write(g->forward[1], &number, 1) < 0)
			return;
	}
}

/* The engine stopped by itself. */
static void
engine_ended(struct loop_source *source, uint32_t events)
{
	struct guest *g = source->owner;
	char text[128];
	enum engine_end how = engine_how(g->config->engine, text);

	(void)events;
	eventfd_take(source->fd);
	if (how == ENGINE_POWERED_OFF && !g->ready &&
	    g->state != GUEST_STOPPING) {
		log_warn("the guest went off before it was up; its last "
			 "words:");
		last_words(g);
		finish(g, EXIT_FAILED, "failure");
	} else if (how == ENGINE_POWERED_OFF) {
		finish(g, g->status, g->why ? g->why : "power-off");
	} else if (how == ENGINE_FAILED) {
		log_warn("%s", text);
		last_words(g);
		finish(g, EXIT_FAILED, "failure");
	} else if (g->going_down) {
		finish(g, g->status, g->why ? g->why : "reboot");
	} else {
		log_warn("the guest crashed (%s); its last words:", text);
		last_words(g);
		finish(g, EXIT_GUEST_CRASHED, "crash");
	}
}

/* ---- the command ---- */

static void *
session_main(void *with)
{
	struct guest *g = with;
	uint64_t flags = OPEN_STDIN | OPEN_MAIN;
	struct session_request request = SESSION_REQUEST_INIT;

	request.kind = OPEN_EXEC;
	request.flags = (unsigned)flags | (g->options->tty ? OPEN_TTY : 0) |
			(g->options->keep ? OPEN_KEEP : 0);
	request.argv = g->command.argv.words;
	request.env = g->command.env.words;
	request.user = g->command.user;
	request.dir = g->command.dir;
	request.term = g->options->tty ? getenv("TERM") : NULL;
	request.signal = g->command.stop_signal;
	request.in = STDIN_FILENO;
	request.out = STDOUT_FILENO;
	request.err = STDERR_FILENO;
	request.tty = g->options->tty ? STDIN_FILENO : -1;
	request.signals = g->forward[0];
	g->session_ok = session_run(g->session_fd, &request, &g->result,
			    &g->session_err) == 0;
	eventfd_give(g->finished.fd);
	return NULL;
}

static int
session_start(struct guest *g, struct err *e)
{
	sigset_t all, before;
	int number;

	g->session_fd = vsock_dial(g->config->vsock, EXEC_PORT);
	if (g->session_fd < 0)
		return err_errno(e, EX_OSERR, "the guest's agent");
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	number = pthread_create(&g->session_thread, NULL, session_main, g);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (number != 0) {
		errno = number;
		return err_errno(e, EX_OSERR, "session");
	}
	pthread_setname_np(g->session_thread, "session");
	g->session_started = true;
	return 0;
}

static void
session_join(struct guest *g)
{
	if (g->session_started && !g->session_joined)
		pthread_join(g->session_thread, NULL);
	g->session_joined = true;
}

/* The command's status is known, or the connection to it is lost. */
static void
session_finished(struct loop_source *source, uint32_t events)
{
	struct guest *g = source->owner;

	(void)events;
	eventfd_take(source->fd);
	session_join(g);
	if (!g->session_ok) {
		/* The machine is often about to say more: a power-off, or a
		 * crash. It has a moment for that. */
		timer_set(&g->stop_timer, STOP_GRACE_MS);
		return;
	}
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
	fd_close(&g->session_fd); /* tells the agent that we have it */
	if (g->options->keep)
		return;
	if (g->config->throw_away) {
		finish(g, g->status, g->why);
		return;
	}
	set_state(g, GUEST_STOPPING);
	timer_set(&g->stop_timer, g->options->stop_timeout_ms + STOP_GRACE_MS);
}

/* ---- the agent's announcements ---- */

static void
tell_stages(struct guest *g, const struct announce_event *event)
{
	json_t *stages = json_array();

	for (unsigned i = 0; i < event->stage_count; i++)
		json_array_append_new(stages,
		    json_pack("{s:s%,s:f}", "name", event->stages[i].name,
			strnlen(event->stages[i].name, ANNOUNCE_NAME_MAX), "ms",
			(double)event->stages[i].ns / 1e6));
	status_event(
	    g->config->status, "boot", json_pack("{s:o}", "stages", stages));
}

static int
image_arrived(
    struct guest *g, const struct announce_event *event, struct err *e)
{
	struct command_wish wish = {
	    .argv = g->options->argv,
	    .entrypoint = g->options->entrypoint,
	    .env = &g->options->env,
	    .user = g->options->user,
	    .dir = g->options->dir,
	};

	return command_make(
	    &g->command, event->image, event->image_len, &wish, e);
}

static int
ready_arrived(struct guest *g, struct err *e)
{
	g->ready = true;
	timer_set(&g->boot_timer, 0);
	status_ready(g->config->status);
	if (g->state == GUEST_STOPPING)
		return 0;
	set_state(g, GUEST_RUNNING);
	return session_start(g, e);
}

static void
event_arrived(struct guest *g, const struct announce_event *event)
{
	json_t *members = json_pack("{s:s?}", "text", event->text);

	switch (event->kind) {
	case EVENT_POWER_OFF:
	case EVENT_REBOOT:
		g->going_down = true;
		json_decref(members);
		return;
	case EVENT_FATAL:
		log_warn("guest: %s", event->text);
		finish(g, EXIT_FAILED, "failure");
		json_decref(members);
		return;
	case EVENT_LOG:
	case EVENT_OOM:
		if (g->events++ < EVENTS_SHOWN_MAX)
			log_warn("guest: %s", event->text);
		status_event(g->config->status,
		    event->kind == EVENT_OOM ? "oom" : "log", members);
		return;
	default:
		log_info("guest: event %d: %s", event->kind, event->text);
		json_decref(members);
	}
}

static int
handle_event(struct guest *g, const struct announce_event *event, struct err *e)
{
	switch (event->type) {
	case FRAME_HELLO:
		set_state(g, GUEST_STARTING);
		tell_stages(g, event);
		return 0;
	case FRAME_IMAGE:
		return image_arrived(g, event, e);
	case FRAME_READY:
		return ready_arrived(g, e);
	default:
		event_arrived(g, event);
		return 0;
	}
}

static void
agent_says(struct loop_source *source, uint32_t events)
{
	struct guest *g = source->owner;
	struct announce_event event;
	enum announce_result result;
	struct err e = ERR_INIT;

	(void)events;
	while ((result = announce_next(&g->announce, source->fd, &event, &e)) ==
	       ANNOUNCE_EVENT)
		if (handle_event(g, &event, &e) < 0) {
			log_warn("%s", e.text);
			if (e.hint[0])
				log_warn("%s", e.hint);
			finish(g, e.status ? e.status : EXIT_FAILED, "failure");
			return;
		}
	if (result == ANNOUNCE_AGAIN)
		return;
	if (result == ANNOUNCE_ERROR && !g->going_down)
		log_warn("the guest's agent: %s", e.text);
	loop_remove(g->loop, source);
	fd_close(&source->fd);
	if (result == ANNOUNCE_ERROR)
		finish(g, EXIT_FAILED, "failure");
}

/* In the vsock device's thread. */
static void
agent_connected(void *owner, int fd)
{
	struct guest *g = owner;

	if (write(g->arrival_writer, &fd, sizeof(fd)) != sizeof(fd))
		close(fd);
}

static void
agent_arrived(struct loop_source *source, uint32_t events)
{
	struct guest *g = source->owner;
	struct err e = ERR_INIT;
	int fd;

	(void)events;
	if (read(source->fd, &fd, sizeof(fd)) != sizeof(fd))
		return;
	if (g->state != GUEST_BOOTING || g->agent.fd >= 0) {
		close(fd); /* one is all there is */
		return;
	}
	g->agent.fd = fd;
	if (io_nonblock(fd, 1) < 0 ||
	    loop_add(g->loop, &g->agent, EPOLLIN, &e) < 0)
		finish(g, EXIT_FAILED, "failure");
}

/* ---- start and end ---- */

static sigset_t
handled_signals(void)
{
	static const int numbers[] = {
	    SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(&set, numbers[i]);
	return set;
}

void
guest_signals(void)
{
	sigset_t set = handled_signals();

	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int
open_sources(struct guest *g, struct err *e)
{
	sigset_t set = handled_signals();
	int ends[2];

	g->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	g->signals.ready = signal_arrived;
	g->engine.fd = g->config->engine->end_fd;
	g->engine.ready = engine_ended;
	g->finished.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	g->finished.ready = session_finished;
	g->agent.ready = agent_says;
	g->arrivals.ready = agent_arrived;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(e, EX_OSERR, "pipe");
	g->arrivals.fd = ends[0];
	g->arrival_writer = ends[1];
	if (pipe2(g->forward, O_CLOEXEC) < 0 || g->signals.fd < 0 ||
	    g->finished.fd < 0)
		return err_errno(e, EX_OSERR, "descriptors");
	g->signals.owner = g->engine.owner = g->finished.owner = g;
	g->agent.owner = g->arrivals.owner = g;
	if (loop_add(g->loop, &g->signals, EPOLLIN, e) < 0 ||
	    loop_add(g->loop, &g->engine, EPOLLIN, e) < 0 ||
	    loop_add(g->loop, &g->arrivals, EPOLLIN, e) < 0 ||
	    loop_add(g->loop, &g->finished, EPOLLIN, e) < 0)
		return -1;
	if (timer_new(g, &g->boot_timer, boot_expired, e) < 0 ||
	    timer_new(g, &g->life_timer, life_expired, e) < 0 ||
	    timer_new(g, &g->stop_timer, stop_expired, e) < 0)
		return -1;
	timer_set(&g->boot_timer, g->options->boot_timeout_ms);
	timer_set(&g->life_timer, g->options->timeout_ms);
	return 0;
}

static void
release(struct guest *g)
{
	vsock_answer(g->config->vsock, EXEC_PORT, NULL, NULL);
	/* The device closes its end of the session; what the command wrote up
	 * to now is still passed on. */
	virtio_device_stop(g->config->vsock);
	session_join(g);
	announce_release(&g->announce);
	command_release(&g->command);
	fd_close(&g->session_fd);
	fd_close(&g->forward[0]);
	fd_close(&g->forward[1]);
	fd_close(&g->arrival_writer);
	fd_close(&g->arrivals.fd);
	fd_close(&g->signals.fd);
	fd_close(&g->finished.fd);
	fd_close(&g->agent.fd);
	fd_close(&g->boot_timer.fd);
	fd_close(&g->life_timer.fd);
	fd_close(&g->stop_timer.fd);
	loop_free(g->loop);
}

static int
start(struct guest *g, struct err *e)
{
	if (announce_init(&g->announce) < 0)
		return err_errno(e, EX_OSERR, "memory");
	g->loop = loop_new("main", e);
	if (!g->loop || open_sources(g, e) < 0)
		return -1;
	if (vsock_answer(g->config->vsock, EXEC_PORT, agent_connected, g) < 0)
		return err_errno(e, EX_OSERR, "vsock");
	if (g->config->engine->ops->start(
		g->config->engine, g->config->boot, e) < 0)
		return -1;
	boot_release(g->config->boot); /* it is in the guest's memory now */
	return 0;
}

int
guest_run(const struct guest_config *config, struct err *e)
{
	struct guest g = {
	    .config = config,
	    .options = config->options,
	    .agent = {.fd = -1},
	    .arrivals = {.fd = -1},
	    .signals = {.fd = -1},
	    .finished = {.fd = -1},
	    .boot_timer = {.fd = -1},
	    .life_timer = {.fd = -1},
	    .stop_timer = {.fd = -1},
	    .arrival_writer = -1,
	    .session_fd = -1,
	    .forward = {-1, -1},
	};
	int result = start(&g, e);

	if (result == 0) {
		loop_run(g.loop);
		result = g.status;
		status_event(config->status, "exit",
		    json_pack("{s:i,s:s}", "status", g.status, "why",
			g.why ? g.why : "failure"));
	}
	config->engine->ops->stop(config->engine);
	release(&g);
	return result;
}
