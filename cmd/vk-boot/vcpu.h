/* SPDX-License-Identifier: MIT */
/*
 * vcpu.h - a virtual processor: a thread that runs the guest and carries its
 * accesses to the buses
 */
#ifndef VK_BOOT_VCPU_H
#define VK_BOOT_VCPU_H

#include "cmd/vk-boot/bus.h"
#include "cmd/vk-boot/gate.h"
#include "cmd/vk-boot/kvm.h"

#include <pthread.h>
#include <stdatomic.h>

/* Why a vCPU runs no more by itself. */
enum vcpu_end {
	VCPU_STOPPED,      /* vcpu_stop */
	VCPU_TRIPLE_FAULT, /* the guest is beyond help, or reset that way */
	VCPU_FAILED,       /* KVM gave up; text says why */
};

struct vcpu {
	struct kvm_cpu cpu;
	const struct bus *ports, *memory;
	struct gate *gate;           /* before its first instruction */
	const struct filter *filter; /* what binds its thread, if compiled */
	pthread_t thread;
	bool started;
	atomic_bool stop;
	pthread_mutex_t lock; /* with moved: guards pause and still */
	pthread_cond_t moved;
	bool pause;          /* asked for */
	bool halted;         /* by its own doing: until vcpu_again */
	bool still;          /* it is held, or has ended */
	atomic_ullong exits; /* counted for stats */
	/* The machine has ended: who sees it runs no more. */
	const atomic_bool *over;
	/* Called in the thread when it can run no more; it is held then. */
	void (*ended)(void *owner, enum vcpu_end, const char *text);
	void *owner;
};

/* Sets up the signal that stops vCPUs; once, before the first starts. */
int vcpu_prepare(struct err *);

int vcpu_start(struct vcpu *, struct err *);

/* Holds it still: asks, and waits until it is, or its thread has ended; lets it
 * go on. */
void vcpu_ask_pause(struct vcpu *);
void vcpu_await_pause(struct vcpu *);
void vcpu_resume(struct vcpu *);

/* Held still, and another of KVM's processors in cpu: its thread runs that one
 * once it is let go on. */
void vcpu_again(struct vcpu *);

/* The processor time that its thread used, 0 when it does not run. */
uint64_t vcpu_time_ns(const struct vcpu *);

/* Asks, and waits for the end. May be called twice, and on one that never
 * started. */
void vcpu_ask_stop(struct vcpu *);
void vcpu_join(struct vcpu *);

#endif
