/* SPDX-License-Identifier: MIT */
/*
 * engine.h - what runs the guest's processors
 *
 * Our devices, the agent and the guest's life are the same for all engines:
 *
 *	kvm	this process: KVM and a machine of our own (machine.h)
 *	uml	User-mode Linux, an ordinary process, where KVM cannot (uml.h)
 *	qemu	QEMU's machine, emulated where KVM cannot (qemu.h)
 *	cloud-hypervisor  another's KVM (cloud_hypervisor.h)
 *
 * An engine is made, devices are added, and it loads what boot.h has prepared
 * for it: everything is open then, and may be given up (sandbox.h). It starts
 * its threads, and goes. From then on end_fd tells when it is over, and how.
 * Other parts know nothing more of it.
 */
#ifndef VK_BOOT_ENGINE_H
#define VK_BOOT_ENGINE_H

#include "cmd/vk-boot/gate.h"
#include "cmd/vk-boot/gmem.h"

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>

struct boot;
struct console_config;
struct engine;
struct virtio_device;

enum engine_end {
	ENGINE_RUNS,
	ENGINE_POWERED_OFF,
	ENGINE_RESET,   /* the guest's own wish, as far as it can be told */
	ENGINE_CRASHED, /* it is beyond help */
	ENGINE_FAILED,  /* not the guest's fault; text says why */
};

/* What a guest of this kind is booted with. */
struct engine_guest {
	/* Kernel parameters; what the user adds comes behind them. */
	const char *parameters;
	/* Finds the kernel where none is named (stock: only a distribution's):
	 * path, or -1 with err. */
	int (*find_kernel)(char *path, bool stock, struct err *);
	/* Opens it for loading, so that its version is known too; else it is a
	 * program, and its modules are where find_modules says. */
	bool loads_kernel;
	int (*find_modules)(const char *kernel, char *folder, struct err *);
	/* Modules without which no device is found; ends with NULL. */
	const char *const *modules;
};

struct engine_ops {
	const char *name;
	/* What the operations from go on ask of the host in the main thread
	 * (filter.h). */
	const struct filter_call *main_calls;
	/* Another program has the guest's memory, and shows it to devices. */
	bool outside;
	const struct engine_guest *guest;
	/* Where the next device finds the guest's memory. NULL with err. */
	const struct gmem *(*memory)(struct engine *, struct err *);
	/* Joins the device (borrowed) to the guest. */
	int (*add)(struct engine *, struct virtio_device *, struct err *);
	/* Is a console in the place of our device; NULL: ours can be added. */
	int (*console)(
	    struct engine *, const struct console_config *, struct err *);
	/* Puts everything of the guest in place: memory, processes. boot is
	 * needed again only by again. */
	int (*load)(struct engine *, const struct boot *, struct err *);
	/* Compiles the filters of its threads. */
	int (*confine)(struct engine *, struct err *);
	/* Makes its threads, which wait at the gate. */
	int (*start)(struct engine *, struct gate *, struct err *);
	/* The gate is about to open. NULL: the engine waits for no more. */
	int (*go)(struct engine *, struct err *);
	/* Holds the guest still, and lets it go on. When it returns, the guest
	 * does nothing (uml.h: but). 0, -1 with err. */
	int (*pause)(struct engine *, bool on, struct err *);
	/* Lets the guest's processors reach so much of the memory that can be
	 * added (gmem_pluggable). NULL: none can be. 0, -1 with err. */
	int (*show)(struct engine *, uint64_t bytes, struct err *);
	/* Devices that come and go while the guest runs, in slots; NULL: none
	 * can. plug puts one (borrowed) into a free slot and tells the guest:
	 * its number, -1 with err. ask tells the guest to give it up. given_fd
	 * is an eventfd by which it says that it has; given, of which slots, a
	 * bit each; then unplug takes it away, while the guest is held. */
	int (*plug)(struct engine *, struct virtio_device *, struct err *);
	void (*ask)(struct engine *, unsigned slot);
	const struct filter_call *plug_calls; /* of plug, for any thread */
	uint32_t (*given)(struct engine *);
	void (*unplug)(struct engine *, unsigned slot);
	/* Presses the power button; NULL: there is none. Any thread. */
	void (*power_button)(struct engine *);
	/* Begins anew after ENGINE_RESET: memory is zero and loaded again,
	 * devices are as they were first, and it runs. 0, -1 with err. What
	 * that asks of the host beside main_calls is added by allow_again. */
	void (*allow_again)(struct filter *);
	int (*again)(struct engine *, const struct boot *, struct err *);
	/* Puts what it knows of its processors and memory into the object. */
	void (*stats)(struct engine *, json_t *into);
	/* The guest stops and touches no device any more. May be called twice,
	 * and without start. */
	void (*stop)(struct engine *);
	/* Stops, and frees all but the devices. */
	void (*free)(struct engine *);
};

struct engine_config {
	unsigned cpus;
	bool cpus_host;      /* fewer will do, where an engine has fewer */
	uint64_t memory;     /* bytes */
	uint64_t memory_max; /* that it can have in the end; 0: no more */
	/* Takes what the guest writes to its first console, from any thread. */
	void (*console)(void *owner, const void *text, size_t len);
	void *owner;
	const struct filter_call *console_calls; /* that it makes */
	bool hugepages, prealloc;                /* gmem.h: huge, filled */
	bool no_probe;                           /* take KVM as it is */
	bool no_nested;  /* no virtualisation in the guest */
	bool slots;      /* devices may come and go */
	bool no_sandbox; /* its processes keep all rights of this user */
	int run_folder;  /* borrowed for its life; -1: there is none */
};

struct engine { /* first member of each kind */
	const struct engine_ops *ops;
	struct engine_config config;
	int end_fd;           /* an eventfd: it is over */
	int given_fd;         /* see given; -1: there is none */
	pthread_mutex_t lock; /* guards what follows */
	enum engine_end end;  /* the first reason counts */
	char text[128];
};

/* For engines: the common part; and the end, from any thread. */
int engine_init(struct engine *, const struct engine_ops *,
    const struct engine_config *, struct err *);
void engine_release(struct engine *);
void engine_over(struct engine *, enum engine_end, const char *text);

void engine_runs(struct engine *); /* not over any more */

/* How it ended; text holds 128. */
enum engine_end engine_how(struct engine *, char *text);

/* Takes a name; "auto" is KVM where it runs kernels, else UML where there is
 * one, else QEMU. NULL with err. */
struct engine *engine_new(
    const char *name, const struct engine_config *, struct err *);
void engine_free(struct engine *); /* NULL is fine */

#endif
