/* SPDX-License-Identifier: MIT */
/*
 * guest.h - the guest's life as the host sees it
 *
 * The engine runs; the agent calls (announce.h); the command is started as a
 * session (session.h) and its end decides ours. Everything ends here: the
 * command, a signal, a time limit, the guest's own power-off, a crash.
 *
 *	booting		vCPUs run, the agent has not called yet
 *	starting	it has: version and image configuration are known
 *	running		the command runs
 *	rebooting	it was reset, and the command's end is waited for
 *	stopping	asked to end in order, with a deadline
 *	ended		nothing is to be expected any more
 */
#ifndef VK_BOOT_GUEST_H
#define VK_BOOT_GUEST_H

#include "cmd/vk-boot/engine.h"
#include "cmd/vk-boot/options.h"
#include "cmd/vk-boot/status.h"

/* vk-boot's own exit statuses beside the command's (vk-boot(1)). */
#define EXIT_GUEST_CRASHED 123
#define EXIT_TIMED_OUT     124
#define EXIT_FAILED        125

struct boot;
struct control;
struct hot_disks;
struct views;
struct terminal;

struct guest_config {          /* borrowed */
	struct engine *engine; /* ready to start */
	struct boot *boot;     /* to load again when it reboots */
	struct gate *gate;     /* the other threads wait there */
	struct filter *filter; /* of the main thread; NULL: nothing binds the
				* threads of this VM */
	struct loop *loop;     /* the main one; guest_run runs it */
	struct virtio_device *vsock;
	struct virtio_device *balloon; /* NULL: there is none */
	struct virtio_device *mem;     /* the same */
	struct hot_disks *hot_disks;   /* the same */
	struct control *control;       /* NULL: there is none */
	struct views *views;           /* of the console; NULL: none */
	struct terminal *terminal;     /* raw while the command runs */
	const struct options *options;
	struct status *status;
	/* Nothing that the guest wrote outlives it, so that its end need not
	 * wait for it to put things in order. */
	bool throw_away;
	/* Prints the console's last lines, after something went wrong, and
	 * gives them (borrowed until the next call). */
	const char *(*last_words)(void *owner);
	/* What is counted, as an object. */
	json_t *(*stats)(void *owner);
	void *owner;
};

/*
 * Starts the guest, waits for its end and stops the engine. The calling
 * thread has blocked the signals of guest_signals. Returns our exit status;
 * what went wrong was said. -1 with err: it could not even be started.
 */
int guest_run(const struct guest_config *, struct err *);

/* Blocks what guest_run takes by a descriptor; before any thread starts. Once
 * there is no guest any more, they may end us again. */
void guest_signals(void);
void guest_signals_over(void);

#endif
