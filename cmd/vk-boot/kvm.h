/* SPDX-License-Identifier: MIT */
/*
 * kvm.h - the one file that knows KVM
 *
 * A VM here has local APICs in the kernel and its I/O APIC in our hands (split
 * irqchip): making the in-kernel one costs milliseconds, and nothing of ours
 * but the serial port and the power button has a pin. Devices interrupt by
 * messages (MSI-X): an eventfd, a route and KVM do it without us.
 */
#ifndef VK_BOOT_KVM_H
#define VK_BOOT_KVM_H

#include "cmd/vk-boot/gmem.h"

#include "common/filter.h"

#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>

/* Interrupt numbers 0 .. 23 are the I/O APIC's pins; messages come after. 32
 * devices of up to 17 sources each (16 queues and configuration). */
#define KVM_GSI_FIRST 24
#define KVM_GSI_MAX   600

struct kvm {
	int dev; /* /dev/kvm */
	int vm;
	int run_size; /* bytes of a vCPU's shared page */
	unsigned cpus_max;
	bool no_nested;       /* set before vCPUs are made */
	pthread_mutex_t lock; /* guards routes */
	struct kvm_irq_routing_entry routes[KVM_GSI_MAX];
	bool routed[KVM_GSI_MAX];
	bool routes_due; /* KVM does not know them all yet */
	bool gsi_used[KVM_GSI_MAX];
};

struct kvm_cpu {
	int fd;
	unsigned id;
	struct kvm_run *run;
};

/* What is asked of the host by kvm_cpu_run, and by what devices do while the
 * guest runs: ioeventfds, interrupts (filter.h). */
extern const struct filter_call kvm_run_calls[], kvm_device_calls[];

/* And for another VM in the place of one that was left. */
extern const struct filter_call kvm_again_calls[];

/*
 * Opens /dev/kvm. Where it is missing or not permitted, err says so with what
 * mends it, and the status is EX_UNAVAILABLE.
 */
int kvm_open(struct kvm *, struct err *);

/* Makes the VM and its split irqchip. */
int kvm_create(struct kvm *, struct err *);

/* Leaves the VM, whose vCPUs are released; kvm_create makes another. Numbers of
 * interrupt sources stay. */
void kvm_leave(struct kvm *);

/* Ends it all; may be called twice. */
void kvm_release(struct kvm *);

/* Shows the guest a region as memory; slot is the caller's count. */
int kvm_map(
    struct kvm *, unsigned slot, const struct gmem_region *, struct err *);

/* A vCPU with the host's features passed on. cpus is how many there will be. */
int kvm_cpu_create(
    struct kvm *, struct kvm_cpu *, unsigned id, unsigned cpus, struct err *);
void kvm_cpu_release(struct kvm *, struct kvm_cpu *);

/* Until the next exit: 0 with cpu->run filled in, -1 with errno. */
int kvm_cpu_run(struct kvm_cpu *);

/* Tells the guest, if it asks, that this one was held still. Not while it
 * runs. */
void kvm_cpu_was_paused(struct kvm_cpu *);

/* Registers. 0, -1 with err. */
int kvm_cpu_get(struct kvm_cpu *, struct kvm_sregs *, struct err *);
int kvm_cpu_set(struct kvm_cpu *, const struct kvm_regs *,
    const struct kvm_sregs *, struct err *);
/* As after reset, but at 0:at. */
int kvm_cpu_real_mode(struct kvm_cpu *, uint16_t at, struct err *);
/* Those that KVM does not know are passed over. */
int kvm_cpu_set_msrs(struct kvm_cpu *, const struct kvm_msr_entry *,
    unsigned count, struct err *);

/*
 * A write of len bytes (0: any) at the guest-physical address becomes an event
 * on fd instead of an exit; on = false takes it back. Returns 0, -1 errno.
 */
int kvm_ioeventfd(struct kvm *, uint64_t gpa, unsigned len, int fd, bool on);

/* A number for one interrupt source, -1 if there are no more; and back. For
 * one thread. */
int kvm_gsi_new(struct kvm *);
void kvm_gsi_free(struct kvm *, int gsi);

/* Where the source's message goes, from the next kvm_routes_commit on. */
void kvm_route(struct kvm *, int gsi, uint64_t address, uint32_t data);
int kvm_routes_commit(struct kvm *);

/* Events on fd become that message; on = false takes it back. What was given
 * to fd in between is delivered when it is turned on. */
int kvm_irqfd(struct kvm *, int gsi, int fd, bool on);

/* Sends a message now. */
int kvm_message(struct kvm *, uint64_t address, uint32_t data);

#endif
