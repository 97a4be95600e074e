/* SPDX-License-Identifier: MIT */
/*
 * vcpu.c - a virtual processor
 *
 * Stopping: immediate_exit makes the next KVM_RUN return at once, and a signal
 * ends the one that may be under way; the two together leave no gap.
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

/* Handles one exit; false ends the thread. */
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

static void *
vcpu_main(void *with)
{
	struct vcpu *vcpu = with;

	while (!atomic_load(&vcpu->stop)) {
		if (kvm_cpu_run(&vcpu->cpu) == 0) {
			if (!handle_exit(vcpu))
				break;
		} else if (errno != EINTR && errno != EAGAIN) {
			fail(vcpu, strerror(errno), (unsigned)errno);
			break;
		}
	}
	return NULL;
}

int
vcpu_start(struct vcpu *vcpu, struct err *e)
{
	sigset_t most, before;
	char name[16];
	int number;

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
	snprintf(name, sizeof(name), "vcpu%u", vcpu->cpu.id);
	pthread_setname_np(vcpu->thread, name);
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
	atomic_store(&vcpu->stop, true);
	__atomic_store_n(&vcpu->cpu.run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	pthread_kill(vcpu->thread, STOP_SIGNAL);
}

void
vcpu_join(struct vcpu *vcpu)
{
	if (vcpu->started)
		pthread_join(vcpu->thread, NULL);
	vcpu->started = false;
}
