/* SPDX-License-Identifier: MIT */
/* kvm.c - the one file that knows KVM */
#include "cmd/vk-boot/kvm.h"

#include "cmd/vk-boot/x86/cpuid.h"
#include "cmd/vk-boot/x86/layout.h"

#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Three pages that Intel's real-mode emulation needs, out of the guest's way
 * (KVM_SET_TSS_ADDR, KVM_SET_IDENTITY_MAP_ADDR). */
#define TSS_ADDRESS      0xfffbd000ul
#define IDENTITY_ADDRESS 0xfffbc000ull

const struct filter_call kvm_run_calls[] = {
    CALL_IF(ioctl, 1, KVM_RUN),
    CALL_IF(ioctl, 1, KVM_KVMCLOCK_CTRL), /* after a pause */
    CALLS_END,
};

const struct filter_call kvm_device_calls[] = {
    CALL_IF(ioctl, 1, KVM_IOEVENTFD),
    CALL_IF(ioctl, 1, KVM_IRQFD),
    CALL_IF(ioctl, 1, KVM_SET_GSI_ROUTING),
    CALL_IF(ioctl, 1, KVM_SIGNAL_MSI),
    CALLS_END,
};

const struct filter_call kvm_again_calls[] = {
    CALL_IF(ioctl, 1, KVM_CREATE_VM),
    CALL_IF(ioctl, 1, KVM_CHECK_EXTENSION),
    CALL_IF(ioctl, 1, KVM_SET_IDENTITY_MAP_ADDR),
    CALL_IF(ioctl, 1, KVM_SET_TSS_ADDR),
    CALL_IF(ioctl, 1, KVM_ENABLE_CAP),
    CALL_IF(ioctl, 1, KVM_SET_USER_MEMORY_REGION),
    CALL_IF(ioctl, 1, KVM_CREATE_VCPU),
    CALL_IF(ioctl, 1, KVM_GET_SUPPORTED_CPUID),
    CALL_IF(ioctl, 1, KVM_SET_CPUID2),
    CALL_IF(ioctl, 1, KVM_GET_SREGS),
    CALL_IF(ioctl, 1, KVM_SET_SREGS),
    CALL_IF(ioctl, 1, KVM_SET_REGS),
    CALL_IF(ioctl, 1, KVM_SET_MSRS),
    CALLS_END,
};

/*
 * Says who may open it and how to become one of them. In the user namespace
 * that we are in by now all groups of others have one and the same number; what
 * distributions call this one is known.
 */
static void
hint_permission(struct err *e)
{
	struct stat st;

	if (stat("/dev/kvm", &st) == 0 && (st.st_mode & 060) == 060 &&
	    st.st_gid != 0 && getgrnam("kvm"))
		err_hint(e,
		    "its users are the group kvm: sudo usermod -aG kvm $USER, "
		    "then log in again");
	else
		err_hint(e, "sudo setfacl -m u:$USER:rw /dev/kvm lets you in");
}

int
kvm_open(struct kvm *kvm, struct err *e)
{
	*kvm = (struct kvm){
	    .vm = -1,
	    .no_nested = kvm->no_nested,
	};
	pthread_mutex_init(&kvm->lock, NULL);
	kvm->dev = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm->dev < 0) {
		int number = errno;

		err_errno(e, EX_UNAVAILABLE, "/dev/kvm");
		if (number == EACCES || number == EPERM)
			hint_permission(e);
		else
			err_hint(e,
			    "load kvm-intel or kvm-amd (sudo modprobe), "
			    "switch virtualisation on in the firmware, "
			    "or allow nesting in the hypervisor");
		return -1;
	}
	if (ioctl(kvm->dev, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return err_set(e, EX_UNAVAILABLE,
		    "/dev/kvm: not the KVM interface that this program speaks");
	kvm->run_size = ioctl(kvm->dev, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (kvm->run_size < (int)sizeof(struct kvm_run))
		return err_errno(e, EX_UNAVAILABLE, "/dev/kvm: vCPU size");
	return 0;
}

static int
enable_split_irqchip(struct kvm *kvm)
{
	struct kvm_enable_cap cap = {
	    .cap = KVM_CAP_SPLIT_IRQCHIP,
	    .args = {IOAPIC_PINS},
	};

	return ioctl(kvm->vm, KVM_ENABLE_CAP, &cap);
}

int
kvm_create(struct kvm *kvm, struct err *e)
{
	uint64_t identity = IDENTITY_ADDRESS;
	int cpus;

	do
		kvm->vm = ioctl(kvm->dev, KVM_CREATE_VM, 0);
	while (kvm->vm < 0 && errno == EINTR);
	if (kvm->vm < 0)
		return err_errno(
		    e, EX_UNAVAILABLE, "/dev/kvm: cannot make a VM");
	cpus = ioctl(kvm->vm, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	kvm->cpus_max = cpus > 0 ? (unsigned)cpus : 1;
	/* Not every kind of KVM has these two, and only Intel's wants them. */
	ioctl(kvm->vm, KVM_SET_IDENTITY_MAP_ADDR, &identity);
	ioctl(kvm->vm, KVM_SET_TSS_ADDR, TSS_ADDRESS);
	if (enable_split_irqchip(kvm) < 0)
		return err_errno(
		    e, EX_UNAVAILABLE, "/dev/kvm: no split irqchip");
	return 0;
}

void
kvm_leave(struct kvm *kvm)
{
	fd_close(&kvm->vm);
	memset(kvm->routed, 0, sizeof(kvm->routed));
	kvm->routes_due = false;
}

void
kvm_release(struct kvm *kvm)
{
	fd_close(&kvm->vm);
	fd_close(&kvm->dev);
}

int
kvm_map(struct kvm *kvm, unsigned slot, const struct gmem_region *region,
    struct err *e)
{
	struct kvm_userspace_memory_region map = {
	    .slot = slot,
	    .guest_phys_addr = region->gpa,
	    .memory_size = region->len,
	    .userspace_addr = (uintptr_t)region->hva,
	};

	if (ioctl(kvm->vm, KVM_SET_USER_MEMORY_REGION, &map) < 0)
		return err_errno(e, EX_OSERR, "guest memory");
	return 0;
}

static int
set_cpuid(
    struct kvm *kvm, const struct kvm_cpu *cpu, unsigned cpus, struct err *e)
{
	/* As many leaves as any processor has told so far, twice over. */
	enum { LEAVES_MAX = 256 };
	cleanup_free struct kvm_cpuid2 *cpuid =
	    calloc(1, sizeof(*cpuid) + LEAVES_MAX * sizeof(cpuid->entries[0]));
	struct cpuid_wanted wanted = {
	    .id = cpu->id,
	    .cpus = cpus,
	    .no_nested = kvm->no_nested,
	    .tsc_deadline = ioctl(kvm->vm, KVM_CHECK_EXTENSION,
				KVM_CAP_TSC_DEADLINE_TIMER) > 0,
	};

	if (!cpuid)
		return err_errno(e, EX_OSERR, "vCPU %u", cpu->id);
	cpuid->nent = LEAVES_MAX;
	if (ioctl(kvm->dev, KVM_GET_SUPPORTED_CPUID, cpuid) < 0)
		return err_errno(e, EX_OSERR, "vCPU %u: features", cpu->id);
	cpuid_adjust(cpuid, LEAVES_MAX, &wanted);
	if (ioctl(cpu->fd, KVM_SET_CPUID2, cpuid) < 0)
		return err_errno(e, EX_OSERR, "vCPU %u: features", cpu->id);
	return 0;
}

int
kvm_cpu_create(struct kvm *kvm, struct kvm_cpu *cpu, unsigned id, unsigned cpus,
    struct err *e)
{
	*cpu = (struct kvm_cpu){.id = id};
	cpu->fd = ioctl(kvm->vm, KVM_CREATE_VCPU, id);
	if (cpu->fd < 0)
		return err_errno(e, EX_OSERR, "vCPU %u", id);
	cpu->run = mmap(NULL, (size_t)kvm->run_size, PROT_READ | PROT_WRITE,
	    MAP_SHARED, cpu->fd, 0);
	if (cpu->run == MAP_FAILED) {
		cpu->run = NULL;
		return err_errno(e, EX_OSERR, "vCPU %u", id);
	}
	return set_cpuid(kvm, cpu, cpus, e);
}

void
kvm_cpu_release(struct kvm *kvm, struct kvm_cpu *cpu)
{
	if (cpu->run)
		munmap(cpu->run, (size_t)kvm->run_size);
	cpu->run = NULL;
	fd_close(&cpu->fd);
}

int
kvm_ioeventfd(struct kvm *kvm, uint64_t gpa, unsigned len, int fd, bool on)
{
	struct kvm_ioeventfd event = {
	    .addr = gpa,
	    .len = len,
	    .fd = fd,
	    .flags = on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN,
	};

	return ioctl(kvm->vm, KVM_IOEVENTFD, &event);
}

int
kvm_gsi_new(struct kvm *kvm)
{
	for (int gsi = KVM_GSI_FIRST; gsi < KVM_GSI_MAX; gsi++)
		if (!kvm->gsi_used[gsi]) {
			kvm->gsi_used[gsi] = true;
			return gsi;
		}
	return -1;
}

void
kvm_gsi_free(struct kvm *kvm, int gsi)
{
	pthread_mutex_lock(&kvm->lock);
	kvm->routed[gsi] = false;
	pthread_mutex_unlock(&kvm->lock);
	kvm->gsi_used[gsi] = false;
}

/* KVM takes the whole table at once. */
static int
set_routes(struct kvm *kvm)
{
	cleanup_free struct kvm_irq_routing *table =
	    calloc(1, sizeof(*table) + KVM_GSI_MAX * sizeof(table->entries[0]));

	if (!table)
		return -1;
	for (unsigned i = 0; i < KVM_GSI_MAX; i++)
		if (kvm->routed[i])
			table->entries[table->nr++] = kvm->routes[i];
	return ioctl(kvm->vm, KVM_SET_GSI_ROUTING, table);
}

void
kvm_route(struct kvm *kvm, int gsi, uint64_t address, uint32_t data)
{
	struct kvm_irq_routing_entry entry = {
	    .gsi = (uint32_t)gsi,
	    .type = KVM_IRQ_ROUTING_MSI,
	    .u.msi = {.address_lo = (uint32_t)address,
		.address_hi = (uint32_t)(address >> 32),
		.data = data},
	};
	struct kvm_irq_routing_entry *had = &kvm->routes[gsi];

	pthread_mutex_lock(&kvm->lock);
	if (!kvm->routed[gsi] ||
	    memcmp(&had->u.msi, &entry.u.msi, sizeof(entry.u.msi)) != 0) {
		*had = entry;
		kvm->routed[gsi] = kvm->routes_due = true;
	}
	pthread_mutex_unlock(&kvm->lock);
}

int
kvm_routes_commit(struct kvm *kvm)
{
	int result = 0;

	pthread_mutex_lock(&kvm->lock);
	if (kvm->routes_due)
		result = set_routes(kvm);
	kvm->routes_due = false;
	pthread_mutex_unlock(&kvm->lock);
	return result;
}

int
kvm_irqfd(struct kvm *kvm, int gsi, int fd, bool on)
{
	struct kvm_irqfd irqfd = {
	    .fd = (uint32_t)fd,
	    .gsi = (uint32_t)gsi,
	    .flags = on ? 0 : KVM_IRQFD_FLAG_DEASSIGN,
	};

	return ioctl(kvm->vm, KVM_IRQFD, &irqfd);
}

int
kvm_message(struct kvm *kvm, uint64_t address, uint32_t data)
{
	struct kvm_msi msi = {
	    .address_lo = (uint32_t)address,
	    .address_hi = (uint32_t)(address >> 32),
	    .data = data,
	};

	return ioctl(kvm->vm, KVM_SIGNAL_MSI, &msi);
}

int
kvm_cpu_run(struct kvm_cpu *cpu)
{
	return ioctl(cpu->fd, KVM_RUN, 0) < 0 ? -1 : 0;
}

void
kvm_cpu_was_paused(struct kvm_cpu *cpu)
{
	/* It fails for a guest without a KVM clock: nobody would ask. */
	if (ioctl(cpu->fd, KVM_KVMCLOCK_CTRL, 0) < 0)
		return;
}

int
kvm_cpu_get(struct kvm_cpu *cpu, struct kvm_sregs *sregs, struct err *e)
{
	if (ioctl(cpu->fd, KVM_GET_SREGS, sregs) < 0)
		return err_errno(e, EX_OSERR, "vCPU %u: registers", cpu->id);
	return 0;
}

int
kvm_cpu_set(struct kvm_cpu *cpu, const struct kvm_regs *regs,
    const struct kvm_sregs *sregs, struct err *e)
{
	if (ioctl(cpu->fd, KVM_SET_SREGS, sregs) < 0 ||
	    ioctl(cpu->fd, KVM_SET_REGS, regs) < 0)
		return err_errno(e, EX_OSERR, "vCPU %u: registers", cpu->id);
	return 0;
}

int
kvm_cpu_real_mode(struct kvm_cpu *cpu, uint16_t at, struct err *e)
{
	struct kvm_regs regs = {.rip = at, .rflags = 2};
	struct kvm_sregs sregs;

	if (kvm_cpu_get(cpu, &sregs, e) < 0)
		return -1;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	return kvm_cpu_set(cpu, &regs, &sregs, e);
}

int
kvm_cpu_set_msrs(struct kvm_cpu *cpu, const struct kvm_msr_entry *entries,
    unsigned count, struct err *e)
{
	cleanup_free struct kvm_msrs *msrs =
	    calloc(1, sizeof(*msrs) + count * sizeof(*entries));

	if (!msrs)
		return err_errno(e, EX_OSERR, "vCPU %u", cpu->id);
	msrs->nmsrs = count;
	memcpy(msrs->entries, entries, count * sizeof(*entries));
	if (ioctl(cpu->fd, KVM_SET_MSRS, msrs) < 0)
		return err_errno(e, EX_OSERR, "vCPU %u: MSRs", cpu->id);
	return 0;
}
