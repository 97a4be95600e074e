/* SPDX-License-Identifier: MIT */
/*
 * vcpu.c - a virtual processor
 *
 * Stopping and pausing: immediate_exit makes the next KVM_RUN return at once
 * (it completes a port or memory access that is under way), and a signal ends
 * the one that may run; the two together leave no gap.
 *
 * What ends the machine holds its vCPU where it is: whether the machine goes on
 * from its beginning (vcpu_again) or not is decided elsewhere, and until then
 * the guest must not run into the next end.
 */
#include "cmd/vk-boot/vcpu.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define STOP_SIGNAL SIGRTMIN

static void
on_stop_signal(int number)
{
	(void)number; /* KVM_RUN returns, that is all */
}

int
vcpu_prepare(struct err *e)
{
	struct sigaction action = {.sa_handler = on_stop_signal};

	if (sigaction(STOP_SIGNAL, &action, NULL) < 0)
		return err_errno(e, EX_OSERR, "signals");
	return 0;
}

/* Whether KVM_RUN returns without running the guest. */
static void
exit_at_once(struct vcpu *vcpu, bool yes)
{
	if (!vcpu->cpu.run)
		return; /* it is held, and has nothing to run */
	__atomic_store_n(&vcpu->cpu.run->immediate_exit, yes, __ATOMIC_SEQ_CST);
}

static void
port_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->cpu.run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	for (uint32_t i = 0; i < run->io.count; i++) {
		bus_access(vcpu->ports, run->io.port, data, run->io.size,
		    run->io.direction == KVM_EXIT_IO_OUT);
		data += run->io.size;
	}
}

static void
fail(struct vcpu *vcpu, const char *what, unsigned long long code)
{
	char text[128];

	snprintf(
	    text, sizeof(text), "vCPU %u: %s (%llu)", vcpu->cpu.id, what, code);
	vcpu->ended(vcpu->owner, VCPU_FAILED, text);
}

/* Handles one exit; false: it is the last. */
static bool
handle_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->cpu.run;

	/* Written by this thread alone. */
	atomic_store_explicit(
	    &vcpu->exits, vcpu->exits + 1, memory_order_relaxed);
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		port_exit(vcpu);
		return true;
	case KVM_EXIT_MMIO:
		bus_access(vcpu->memory, run->mmio.phys_addr, run->mmio.data,
		    run->mmio.len, run->mmio.is_write);
		return true;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_IOAPIC_EOI:
		return true;
	case KVM_EXIT_SHUTDOWN:
		vcpu->ended(vcpu->owner, VCPU_TRIPLE_FAULT, "triple fault");
		return false;
	case KVM_EXIT_SYSTEM_EVENT:
		vcpu->ended(vcpu->owner, VCPU_TRIPLE_FAULT, "system event");
		return false;
	case KVM_EXIT_FAIL_ENTRY:
		fail(vcpu, "cannot be entered",
		    run->fail_entry.hardware_entry_failure_reason);
		return false;
	case KVM_EXIT_INTERNAL_ERROR:
		fail(vcpu, "KVM could not go on", run->internal.suberror);
		return false;
	default:
		fail(vcpu, "unknown exit", run->exit_reason);
		return false;
	}
}

/* Says where the thread is, to who waits for that. */
static void
settle(struct vcpu *vcpu, bool still)
{
	vcpu->still = still;
	pthread_cond_broadcast(&vcpu->moved);
}

/* Holds still for as long as that is wanted. */
static void
hold(struct vcpu *vcpu)
{
	pthread_mutex_lock(&vcpu->lock);
	if (vcpu->pause || vcpu->halted) {
		/* So that a watchdog in the guest does not take the time that
		 * is lost for a processor that hangs. */
		kvm_cpu_was_paused(&vcpu->cpu);
		settle(vcpu, true);
		while (
		    (vcpu->pause || vcpu->halted) && !atomic_load(&vcpu->stop))
			pthread_cond_wait(&vcpu->moved, &vcpu->lock);
		settle(vcpu, false);
		exit_at_once(vcpu, false);
	}
	pthread_mutex_unlock(&vcpu->lock);
}

/* Nothing more of this guest is run here. */
static void
halt(struct vcpu *vcpu)
{
	pthread_mutex_lock(&vcpu->lock);
	vcpu->halted = true;
	pthread_mutex_unlock(&vcpu->lock);
	hold(vcpu);
}

static void *
vcpu_main(void *with)
{
	struct vcpu *vcpu = with;
	char name[16];

	snprintf(name, sizeof(name), "vcpu%u", vcpu->cpu.id);
	pthread_setname_np(pthread_self(), name);
	if (!gate_enter(vcpu->gate, vcpu->filter))
		return NULL;
	while (!atomic_load(&vcpu->stop)) {
		if (kvm_cpu_run(&vcpu->cpu) == 0) {
			if (!handle_exit(vcpu) || atomic_load(vcpu->over))
				halt(vcpu);
		} else if (errno == EINTR) {
			hold(vcpu);
		} else if (errno != EAGAIN) {
			fail(vcpu, strerror(errno), (unsigned)errno);
			halt(vcpu);
		}
	}
	pthread_mutex_lock(&vcpu->lock);
	settle(vcpu, true);
	pthread_mutex_unlock(&vcpu->lock);
	return NULL;
}

int
vcpu_start(struct vcpu *vcpu, struct err *e)
{
	sigset_t most, before;
	int number;

	pthread_mutex_init(&vcpu->lock, NULL);
	pthread_cond_init(&vcpu->moved, NULL);
	sigfillset(&most);
	sigdelset(&most, STOP_SIGNAL);
	pthread_sigmask(SIG_SETMASK, &most, &before);
	number = pthread_create(&vcpu->thread, NULL, vcpu_main, vcpu);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (number != 0) {
		errno = number;
		return err_errno(e, EX_OSERR, "vCPU %u", vcpu->cpu.id);
	}
	vcpu->started = true;
	gate_expect(vcpu->gate);
	return 0;
}

uint64_t
vcpu_time_ns(const struct vcpu *vcpu)
{
	struct timespec used;
	clockid_t clock;

	if (!vcpu->started || pthread_getcpuclockid(vcpu->thread, &clock) ||
	    clock_gettime(clock, &used) < 0)
		return 0;
	return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

void
vcpu_ask_stop(struct vcpu *vcpu)
{
	if (!vcpu->started)
		return;
	pthread_mutex_lock(&vcpu->lock);
	atomic_store(&vcpu->stop, true);
	exit_at_once(vcpu, true);
	pthread_cond_broadcast(&vcpu->moved);
	pthread_mutex_unlock(&vcpu->lock);
	pthread_kill(vcpu->thread, STOP_SIGNAL);
}

void
vcpu_ask_pause(struct vcpu *vcpu)
{
	if (!vcpu->started)
		return;
	pthread_mutex_lock(&vcpu->lock);
	vcpu->pause = true;
	exit_at_once(vcpu, true);
	pthread_mutex_unlock(&vcpu->lock);
	pthread_kill(vcpu->thread, STOP_SIGNAL);
}

void
vcpu_await_pause(struct vcpu *vcpu)
{
	if (!vcpu->started)
		return;
	pthread_mutex_lock(&vcpu->lock);
	while (!vcpu->still)
		pthread_cond_wait(&vcpu->moved, &vcpu->lock);
	pthread_mutex_unlock(&vcpu->lock);
}

void
vcpu_resume(struct vcpu *vcpu)
{
	if (!vcpu->started)
		return;
	pthread_mutex_lock(&vcpu->lock);
	vcpu->pause = false;
	pthread_cond_broadcast(&vcpu->moved);
	pthread_mutex_unlock(&vcpu->lock);
}

void
vcpu_again(struct vcpu *vcpu)
{
	pthread_mutex_lock(&vcpu->lock);
	vcpu->halted = false;
	pthread_mutex_unlock(&vcpu->lock);
}

void
vcpu_join(struct vcpu *vcpu)
{
	if (vcpu->started)
		pthread_join(vcpu->thread, NULL);
	vcpu->started = false;
}
