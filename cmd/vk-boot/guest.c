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
#include "cmd/vk-boot/guest_parts.h"

#include "cmd/vk-boot/sandbox.h"
#include "cmd/vk-boot/virtio/vsock.h"

#include "common/log.h"
#include "common/scope.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

/* After the agent's own deadline, for sync and power-off. */
#define STOP_GRACE_MS 3000

static const char *const state_names[] = {
    "booting",
    "starting",
    "running",
    "rebooting",
    "stopping",
    "ended",
};
_Static_assert(sizeof(state_names) / sizeof(*state_names) == GUEST_STATES,
    "every state has a name");

const char *
guest_state_name(const struct guest *g)
{
	return g->paused ? "paused" : state_names[g->state];
}

void
guest_set_state(struct guest *g, enum guest_state state)
{
	if (g->state == state || g->state == GUEST_ENDED)
		return;
	log_info(
	    "guest: %s, then %s", state_names[g->state], state_names[state]);
	g->state = state;
}

void
guest_finish(struct guest *g, int status, const char *why)
{
	if (g->state == GUEST_ENDED)
		return;
	guest_set_state(g, GUEST_ENDED);
	g->status = status;
	g->why = why;
	loop_stop(g->loop);
}

void
guest_end_at_once(struct guest *g, int status, const char *why)
{
	guest_finish(g, status, why);
	g->at_once = true;
}

void
guest_last_words(struct guest *g, const char *why)
{
	const char *text = g->config->last_words(g->config->owner);
	json_t *members = json_pack("{s:s}", "text", why);

	/* Not where it is no UTF-8. */
	json_object_set_new(members, "console", json_string(text));
	status_event(g->config->status, "crash", members);
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

void
guest_expect_end(struct guest *g, uint64_t ms)
{
	g->stop_timeout_ms = ms;
	timer_set(&g->stop_timer, ms + STOP_GRACE_MS);
}

/* 0 ms: for ever. */
static void
expect_up(struct guest *g, uint64_t ms)
{
	g->boot_end_ms = ms ? status_ms(g->config->status) + ms : 0;
	timer_set(&g->boot_timer, ms);
}

/* A guest that is held does not boot. */
static void
hold_boot_timer(struct guest *g, bool on)
{
	uint64_t now_ms = status_ms(g->config->status);

	if (on && g->boot_end_ms) {
		/* At least one: none would be for ever. */
		g->boot_left_ms =
		    g->boot_end_ms > now_ms ? g->boot_end_ms - now_ms : 1;
		expect_up(g, 0);
	} else if (!on && g->boot_left_ms) {
		expect_up(g, g->boot_left_ms);
		g->boot_left_ms = 0;
	}
}

void
guest_boots(struct guest *g)
{
	expect_up(g, g->options->boot_timeout_ms);
	if (g->paused)
		hold_boot_timer(g, true);
	timer_set(&g->stop_timer, 0);
}

void
guest_is_up(struct guest *g)
{
	expect_up(g, 0);
	g->boot_left_ms = 0;
}

int
guest_pause(struct guest *g, bool on, struct err *e)
{
	struct engine *engine = g->config->engine;

	if (g->paused == on || g->state == GUEST_ENDED)
		return 0;
	if (engine->ops->pause(engine, on, e) < 0)
		return -1;
	g->paused = on;
	hold_boot_timer(g, on);
	if (!on)
		guest_clock_tell(&g->clock);
	status_event(g->config->status, on ? "paused" : "resumed",
	    json_pack("{s:s}", "state", guest_state_name(g)));
	return 0;
}

void
guest_stop(struct guest *g, const char *why, uint64_t timeout_ms)
{
	struct err e = ERR_INIT;
	json_t *members;

	if (g->state == GUEST_STOPPING || g->state == GUEST_ENDED)
		return;
	if (guest_pause(g, false, &e) < 0)
		log_warn("%s", e.text);
	members = json_pack("{s:s}", "why", why);
	status_event(g->config->status, "stopping", members);
	/* Who has not called yet has nothing to put in order. */
	if (g->agent.fd < 0) {
		guest_finish(g, g->status, why);
		return;
	}
	g->why = why;
	guest_set_state(g, GUEST_STOPPING);
	guest_expect_end(g, timeout_ms);
	g->stop_due = true;
	guest_command_hurry(g);
	guest_stop_tell(g);
}

void
guest_stop_tell(struct guest *g)
{
	uint64_t ms = g->stop_timeout_ms;
	struct announce_stop stop = {
	    .deadline_ms = ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX};

	/* The agent asks the command to end: there must be one. */
	if (!g->stop_due || guest_command_pending(g))
		return;
	g->stop_due = false;
	if (g->agent.fd < 0 || announce_stop(g->agent.fd, &stop) < 0)
		guest_finish(g, g->status, g->why);
}

static void
stop_expired(struct loop_source *source, uint32_t events)
{
	struct guest *g = source->owner;

	(void)events;
	if (g->session_over && !g->session_ok) {
		log_warn("the command's connection: %s", g->session_err.text);
		guest_finish(g, EXIT_FAILED, "failure");
		return;
	}
	log_warn("the guest did not stop within %llu ms, ended",
	    (unsigned long long)g->stop_timeout_ms);
	guest_command_settle(g);
	guest_finish(g, g->status, g->why);
}

static void
boot_expired(struct loop_source *source, uint32_t events)
{
	struct guest *g = source->owner;

	(void)events;
	log_warn("the guest was not up after %llu s",
	    (unsigned long long)g->options->boot_timeout_ms / 1000);
	guest_last_words(g, "not up in time");
	guest_finish(g, EXIT_TIMED_OUT, "timeout");
}

static void
life_expired(struct loop_source *source, uint32_t events)
{
	struct guest *g = source->owner;

	(void)events;
	eventfd_take(source->fd); /* the guest has time to stop */
	if (g->state == GUEST_STOPPING)
		return; /* for another reason, and that has its status */
	log_warn("--timeout: stopped after %llu s",
	    (unsigned long long)g->options->timeout_ms / 1000);
	g->status = EXIT_TIMED_OUT;
	guest_stop(g, "timeout", g->options->stop_timeout_ms);
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
			guest_end_at_once(g, 128 + number, "stopped");
			return;
		}
		g->status = 128 + number;
		guest_stop(g, "stopped", g->options->stop_timeout_ms);
		return;
	default: /* the command's own business */
		guest_command_signal(g, number);
	}
}

/* The engine stopped by itself. */
static void
engine_ended(struct loop_source *source, uint32_t events)
{
	struct guest *g = source->owner;
	char text[128];
	enum engine_end how = engine_how(g->config->engine, text);
	bool off = how == ENGINE_POWERED_OFF || how == ENGINE_RESET;

	(void)events;
	eventfd_take(source->fd);
	if (how == ENGINE_RESET && guest_reboots(g)) {
		guest_reboot(g);
		return;
	}
	if (off)
		guest_command_settle(g);
	if (off && !g->ready && g->state != GUEST_STOPPING) {
		log_warn("the guest went off before it was up; its last "
			 "words:");
		guest_last_words(g, "off before it was up");
		guest_finish(g, EXIT_FAILED, "failure");
	} else if (how == ENGINE_POWERED_OFF) {
		guest_finish(g, g->status, g->why ? g->why : "power-off");
	} else if (how == ENGINE_FAILED) {
		log_warn("%s", text);
		guest_last_words(g, text);
		guest_finish(g, EXIT_FAILED, "failure");
	} else if (how == ENGINE_RESET || g->going_down) {
		guest_finish(g, g->status, g->why ? g->why : "reboot");
	} else {
		log_warn("the guest crashed (%s); its last words:", text);
		guest_last_words(g, text);
		guest_finish(g, EXIT_GUEST_CRASHED, "crash");
	}
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

void
guest_signals_over(void)
{
	sigset_t set = handled_signals();

	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static int
open_sources(struct guest *g, struct err *e)
{
	sigset_t set = handled_signals();

	g->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (g->signals.fd < 0)
		return err_errno(e, EX_OSERR, "signals");
	g->signals.ready = signal_arrived;
	g->engine.fd = g->config->engine->end_fd;
	g->engine.ready = engine_ended;
	g->signals.owner = g->engine.owner = g;
	if (loop_add(g->loop, &g->signals, EPOLLIN, e) < 0 ||
	    loop_add(g->loop, &g->engine, EPOLLIN, e) < 0)
		return -1;
	if (timer_new(g, &g->boot_timer, boot_expired, e) < 0 ||
	    timer_new(g, &g->life_timer, life_expired, e) < 0 ||
	    timer_new(g, &g->stop_timer, stop_expired, e) < 0)
		return -1;
	if (guest_clock_start(&g->clock, g->loop, &g->agent.fd, e) < 0)
		return -1;
	status_serve(g->config->status, g->loop);
	guest_boots(g);
	timer_set(&g->life_timer, g->options->timeout_ms);
	return 0;
}

static void
release(struct guest *g)
{
	status_finish(g->config->status);
	vsock_answer(g->config->vsock, EXEC_PORT, NULL, NULL);
	/* The device closes its end of the session; what the command wrote up
	 * to now is still passed on. */
	virtio_device_stop(g->config->vsock);
	guest_command_await(g);
	guest_orders_ended(g);
	guest_command_release(g);
	guest_agent_release(g);
	loop_remove(g->loop, &g->engine);
	loop_close(g->loop, &g->signals);
	loop_close(g->loop, &g->boot_timer);
	loop_close(g->loop, &g->life_timer);
	loop_close(g->loop, &g->stop_timer);
	loop_close(g->loop, &g->clock.timer);
}

/* Of the main thread, beside those of what it uses. */
static const struct filter_call calls[] = {
    CALL(read), /* signals, events, the agent */
    CALL(write),
    CALL(close),
    CALL(fcntl), /* O_NONBLOCK */
    CALL(timerfd_settime),
    CALL(exit_group),
    CALLS_END,
};

/* What binds all threads but those of the devices (sandbox.h). */
static int
confine(struct guest *g, struct err *e)
{
	struct engine *engine = g->config->engine;
	struct filter *filter = g->config->filter;

	filter_add(filter, filter_libc);
	filter_add(filter, loop_calls);
	filter_add(filter, calls);
	filter_add(filter, status_calls);
	filter_add(filter, engine->ops->main_calls);
	if (!g->options->no_reboot)
		engine->ops->allow_again(filter);
	if (guest_command_confine(g, e) < 0 || sandbox_filter(filter, e) < 0)
		return -1;
	return engine->ops->confine(engine, e);
}

/* All threads are made and bound; then the guest runs. */
static int
start(struct guest *g, struct err *e)
{
	const struct guest_config *config = g->config;
	struct engine *engine = config->engine;

	if (config->filter && confine(g, e) < 0)
		return -1;
	if (open_sources(g, e) < 0 || guest_agent_open(g, e) < 0 ||
	    guest_command_open(g, e) < 0)
		return -1;
	guest_orders_open(g);
	if (engine->ops->start(engine, config->gate, e) < 0)
		return -1;
	if (config->filter && filter_load(config->filter, e) < 0)
		return -1;
	if (engine->ops->go &&
	    (gate_await(config->gate, e) < 0 || engine->ops->go(engine, e) < 0))
		return -1;
	return gate_open(config->gate, e);
}

int
guest_run(const struct guest_config *config, struct err *e)
{
	struct guest g = {
	    .config = config,
	    .options = config->options,
	    .loop = config->loop,
	    .agent = {.fd = -1},
	    .arrivals = {.fd = -1},
	    .signals = {.fd = -1},
	    .finished = {.fd = -1},
	    .boot_timer = {.fd = -1},
	    .life_timer = {.fd = -1},
	    .stop_timer = {.fd = -1},
	    .clock.timer.fd = -1,
	    .arrival_writer = -1,
	    .session_fd = -1,
	    .session_call = -1,
	    .sinks = {{.opened = -1}, {.opened = -1}},
	    .forward = {-1, -1},
	    .hurry = -1,
	    .cancel = -1,
	};
	int result = start(&g, e);

	if (result == 0) {
		loop_run(g.loop);
		result = g.status;
		status_event(config->status, "exit",
		    json_pack("{s:i,s:s}", "status", g.status, "why",
			g.why ? g.why : "failure"));
	}
	gate_cancel(config->gate);
	config->engine->ops->stop(config->engine);
	release(&g);
	return result;
}
