/* SPDX-License-Identifier: MIT */
/*
 * guest_parts.h - what the parts of the guest's life share
 *
 *	guest.c          states, start and end, signals, time limits; theory
 *	guest_agent.c    what the agent announces
 *	guest_command.c  the command: a session in a thread of its own
 *	guest_reboot.c   a guest that was reset begins anew
 *	guest_orders.c   what is asked through the control socket
 *
 * All of it but the session's thread runs in the main loop.
 */
#ifndef VK_BOOT_GUEST_PARTS_H
#define VK_BOOT_GUEST_PARTS_H

#include "cmd/vk-boot/command.h"
#include "cmd/vk-boot/guest.h"
#include "cmd/vk-boot/guest_clock.h"
#include "cmd/vk-boot/loop.h"

#include "common/announce.h"
#include "common/session.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

enum guest_state {
	GUEST_BOOTING,
	GUEST_STARTING,
	GUEST_RUNNING,
	GUEST_REBOOTING,
	GUEST_STOPPING,
	GUEST_ENDED,
	GUEST_STATES,
};

struct guest {
	const struct guest_config *config;
	const struct options *options;
	enum guest_state state;
	struct loop *loop; /* the main one */
	int status;        /* our exit status, as far as it is known */
	const char *why;   /* it ended */
	bool paused;
	bool at_once; /* it ended so */

	struct loop_source signals, engine;
	struct loop_source boot_timer, life_timer, stop_timer;
	uint64_t boot_end_ms;  /* of status_ms: when it is to be up; 0: it is */
	uint64_t boot_left_ms; /* of that, when it was held */
	struct guest_clock clock;
	uint64_t stop_timeout_ms; /* of the stop under way */
	bool stop_due;            /* the agent is still to be told of it */

	/* guest_agent.c */
	struct loop_source arrivals, agent;
	int arrival_writer;
	struct announce announce;
	bool ready;      /* sessions are served */
	bool going_down; /* the agent said that it powers off or reboots */
	bool rebooting;  /* the latter */
	unsigned told;   /* events of the last while */
	uint64_t told_s; /* when one was counted last */
	bool init_ready;

	/* guest_command.c */
	struct loop_source finished;
	struct command command;
	bool session_made, session_started;
	bool session_over; /* nothing of the session is left in its thread */
	struct filter session_filter;
	struct sink sinks[2]; /* stdout, stderr */
	int session_call; /* an eventfd: session_fd is there, or is not to be */
	atomic_bool session_runs;  /* the guest has started the command */
	atomic_bool session_ended; /* result, session_err, session_ok hold */
	sem_t session_done;        /* the same, to wait for */
	pthread_t session_thread;
	int session_fd;
	int forward[2]; /* signal numbers for the command */
	int hurry;  /* an eventfd: who takes its output is waited for less */
	int cancel; /* the same, and not at all */
	struct session_result result;
	struct err session_err;
	bool session_ok;

	/* guest_reboot.c */
	unsigned reboots;  /* so far */
	unsigned brief;    /* lives in a row that came to nothing */
	uint64_t began_ms; /* this one */
};

/* ---- guest.c ---- */

const char *guest_state_name(const struct guest *);
void guest_set_state(struct guest *, enum guest_state);

/* The end: the first reason counts. */
void guest_finish(struct guest *, int status, const char *why);

/* The same, and nobody who reads what the command wrote is waited for. */
void guest_end_at_once(struct guest *, int status, const char *why);

/* Asks the guest to end in order; what is left after that time is killed. */
void guest_stop(struct guest *, const char *why, uint64_t timeout_ms);

/* Tells the agent of a stop that is due, once it can. */
void guest_stop_tell(struct guest *);

/* Holds the guest still; lets it go on, and sets its clock. 0, -1 with err. */
int guest_pause(struct guest *, bool on, struct err *);

/* The end is near: only so long is waited for it. */
void guest_expect_end(struct guest *, uint64_t ms);

/* It boots: so long is waited for it to be up. And nothing is any more. */
void guest_boots(struct guest *);
void guest_is_up(struct guest *);

/* Prints the console's end; events have it as well. */
void guest_last_words(struct guest *, const char *why);

/* ---- guest_agent.c ---- */

/* Waits for the agent's call from now on. 0, -1 with err. */
int guest_agent_open(struct guest *, struct err *);
void guest_agent_release(struct guest *);

/* Takes what it has said up to now. */
void guest_agent_hear(struct guest *);

/* Forgets it: another will call. 0, -1 with err. */
int guest_agent_again(struct guest *, struct err *);

/* ---- guest_command.c ---- */

/* Adds what the command asks of the host in the main thread, and compiles what
 * binds its own. 0, -1 with err. */
int guest_command_confine(struct guest *, struct err *);

/* Makes its thread, which waits at the gate and then for the start: once the
 * guest runs no thread can be made. 0, -1 with err. */
int guest_command_open(struct guest *, struct err *);
void guest_command_release(struct guest *);

/* Starts it; the image's configuration is known. 0, -1 with err. */
int guest_command_start(struct guest *, struct err *);

/* Waits for its end; the connection is closed, or will be. */
void guest_command_await(struct guest *);

/* It is over; it may be started once more. */
void guest_command_again(struct guest *);

/* The guest is gone: if it said how the command ended, that counts. */
void guest_command_settle(struct guest *);

/* It was asked for, and the guest has not started it yet. */
bool guest_command_pending(const struct guest *);

/* A stop is asked for: its output is not waited for as long as it takes. */
void guest_command_hurry(struct guest *);

/* Passes a signal on to it. */
void guest_command_signal(struct guest *, int number);

/* ---- guest_reboot.c ---- */

/* Whether the guest's reset is to be a reboot. */
bool guest_reboots(const struct guest *);

/* It was reset. */
void guest_reboot(struct guest *);

/* Its command has ended. */
void guest_reboot_go_on(struct guest *);

/* ---- guest_orders.c ---- */

/* Serves the control socket; who waits for the end is told it. */
void guest_orders_open(struct guest *);
void guest_orders_ended(struct guest *);

#endif
