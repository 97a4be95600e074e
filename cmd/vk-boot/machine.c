/* SPDX-License-Identifier: MIT */
/* machine.c - the engine that is KVM, and a machine of our own */
#include "cmd/vk-boot/machine.h"

#include "cmd/vk-boot/boot.h"
#include "cmd/vk-boot/pci.h"
#include "cmd/vk-boot/pluggable.h"
#include "cmd/vk-boot/probe.h"
#include "cmd/vk-boot/sandbox.h"
#include "cmd/vk-boot/vcpu.h"
#include "cmd/vk-boot/virtio/msix.h"
#include "cmd/vk-boot/virtio/pci.h"
#include "cmd/vk-boot/x86/acpi.h"
#include "cmd/vk-boot/x86/cpu.h"
#include "cmd/vk-boot/x86/ioapic.h"
#include "cmd/vk-boot/x86/layout.h"
#include "cmd/vk-boot/x86/pc.h"
#include "cmd/vk-boot/x86/reset.h"
#include "cmd/vk-boot/x86/serial.h"
#include "cmd/vk-boot/x86/slots.h"

#include "common/scope.h"
#include "common/size.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

struct machine {
	struct engine engine; /* first */
	struct kvm kvm;
	struct gmem mem;
	struct pluggable pluggable;
	struct bus ports, memory;
	struct pci pci;
	struct ioapic ioapic;
	struct acpi acpi;
	struct reset reset;
	struct serial *serial;
	struct vcpu *cpus;
	unsigned cpu_count;
	atomic_bool over;     /* vCPUs that see it run no more */
	struct filter filter; /* of the vCPUs' threads */
	struct virtio_pci *transports[PCI_DEVICES_MAX];
	unsigned transport_count;
	struct slots slots;
	struct virtio_pci *plugged[SLOTS];
};

/* ---- what ends it ---- */

static void
machine_over(struct machine *m, enum engine_end how, const char *text)
{
	atomic_store(&m->over, true);
	engine_over(&m->engine, how, text);
}

static void
vcpu_ended(void *owner, enum vcpu_end how, const char *text)
{
	machine_over(owner,
	    how == VCPU_TRIPLE_FAULT ? ENGINE_CRASHED : ENGINE_FAILED, text);
}

static void
was_reset(void *owner)
{
	struct machine *m = owner;
	const uint8_t *kind = gmem_at(&m->mem, PC_START_KIND, 2);

	if (kind && bus_value(kind, 2) == PC_START_WARM)
		machine_over(m, ENGINE_CRASHED, "panic");
	else
		machine_over(m, ENGINE_RESET, "reset");
}

static void
acpi_requested(void *owner, enum acpi_request request)
{
	if (request == ACPI_POWER_OFF)
		machine_over(owner, ENGINE_POWERED_OFF, "powered off");
	else
		was_reset(owner);
}

static void
serial_access(
    void *owner, uint64_t offset, uint8_t *data, unsigned len, bool write)
{
	struct machine *m = owner;

	if (write)
		serial_out(m->serial, (unsigned)offset, data[0]);
	else
		bus_answer(data, len, serial_in(m->serial, (unsigned)offset));
}

static void
serial_interrupt(void *owner, bool level)
{
	struct machine *m = owner;

	ioapic_set(&m->ioapic, GSI_SERIAL, level);
}

static void
serial_output(void *owner, const void *text, size_t len)
{
	struct machine *m = owner;

	if (m->engine.config.console)
		m->engine.config.console(m->engine.config.owner, text, len);
}

static int
add_serial(struct machine *m, struct err *e)
{
	struct serial_config config = {
	    .output = serial_output,
	    .raise_irq = serial_interrupt,
	    .owner = m,
	};

	m->serial = serial_new(&config, e);
	return m->serial ? 0 : -1;
}

/* What is put into memory before the guest runs is little, but for its kernel:
 * loader.c sees to that. */
static void
use_huge_pages(struct machine *m, bool on)
{
	for (unsigned i = 0; i < m->mem.count; i++)
		gmem_pages(
		    &m->mem, m->mem.regions[i].gpa, m->mem.regions[i].len, on);
}

static int
add_memory(struct machine *m, struct err *e)
{
	uint64_t low = m->engine.config.memory, high = 0;
	uint64_t max = m->engine.config.memory_max;

	m->mem.huge = m->engine.config.hugepages;
	m->mem.filled = m->engine.config.prealloc;
	if (low > HOLE_START) {
		high = low - HOLE_START;
		low = HOLE_START;
	}
	if (gmem_add(&m->mem, 0, low, 0, e) < 0)
		return -1;
	if (high && gmem_add(&m->mem, HOLE_END, high, 0, e) < 0)
		return -1;
	use_huge_pages(m, false);
	if (max > m->engine.config.memory)
		return pluggable_add(
		    &m->pluggable, &m->mem, max - m->engine.config.memory, e);
	return 0;
}

static int
add_cpus(struct machine *m, struct engine_config *config, struct err *e)
{
	unsigned max = m->kvm.cpus_max < MACHINE_CPUS_MAX ? m->kvm.cpus_max
							  : MACHINE_CPUS_MAX;
	unsigned count;

	if (config->cpus > max && config->cpus_host)
		config->cpus = max;
	count = config->cpus;
	if (count > max)
		return err_set(
		    e, EX_USAGE, "-c %u: this KVM has at most %u", count, max);
	m->cpus = calloc(count, sizeof(*m->cpus));
	if (!m->cpus)
		return err_errno(e, EX_OSERR, "vCPUs");
	m->cpu_count = count;
	for (unsigned i = 0; i < count; i++) {
		struct vcpu *vcpu = &m->cpus[i];

		vcpu->cpu.fd = -1;
		vcpu->ports = &m->ports;
		vcpu->memory = &m->memory;
		vcpu->filter = &m->filter;
		vcpu->over = &m->over;
		vcpu->ended = vcpu_ended;
		vcpu->owner = m;
	}
	return 0;
}

/* Shows the memory and the processors to the VM, and the tables to the
 * guest. */
static int
join(struct machine *m, struct err *e)
{
	for (unsigned i = 0; i < m->mem.count; i++)
		if (!m->mem.regions[i].blocks &&
		    kvm_map(&m->kvm, i, &m->mem.regions[i], e) < 0)
			return -1;
	for (unsigned i = 0; i < m->cpu_count; i++)
		if (kvm_cpu_create(
			&m->kvm, &m->cpus[i].cpu, i, m->cpu_count, e) < 0)
			return -1;
	return acpi_tables(&m->mem, m->cpu_count, m->engine.config.slots, e);
}

static void
add_ranges(struct machine *m)
{
	const struct bus_range ports[] = {
	    {PORT_KEYBOARD, RESET_KEYBOARD_PORTS, reset_keyboard_access,
		&m->reset},
	    {PORT_SERIAL, SERIAL_REGISTERS, serial_access, m},
	    {PORT_ACPI, ACPI_PORTS, acpi_access, &m->acpi},
	    {PORT_RESET, RESET_CONTROL_PORTS, reset_control_access, &m->reset},
	    {PORT_PCI_ADDR, 8, pci_port_access, &m->pci},
	    {PORT_SLOTS, SLOTS_PORTS, slots_access, &m->slots},
	};
	const struct bus_range memory[] = {
	    {MMIO_START, MMIO_END - MMIO_START, pci_window_access, &m->pci},
	    {ECAM_START, ECAM_SIZE, pci_ecam_access, &m->pci},
	    {IOAPIC_START, IOAPIC_SIZE, ioapic_access, &m->ioapic},
	};

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		bus_add(&m->ports, &ports[i]);
	for (size_t i = 0; i < sizeof(memory) / sizeof(memory[0]); i++)
		bus_add(&m->memory, &memory[i]);
}

static int
add_slots(struct machine *m, struct err *e)
{
	m->slots.ioapic = &m->ioapic;
	m->slots.given_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	m->engine.given_fd = m->slots.given_fd;
	return m->slots.given_fd < 0 ? err_errno(e, EX_OSERR, "slots") : 0;
}

/* KVM, memory, processors, and what they find on the buses. */
static int
build(struct machine *m, struct err *e)
{
	if (kvm_open(&m->kvm, e) < 0 || kvm_create(&m->kvm, e) < 0 ||
	    vcpu_prepare(e) < 0 || add_memory(m, e) < 0 ||
	    add_cpus(m, &m->engine.config, e) < 0 || join(m, e) < 0)
		return -1;
	pci_init(&m->pci);
	ioapic_init(&m->ioapic, &m->kvm);
	m->acpi = (struct acpi){
	    .ioapic = &m->ioapic,
	    .request = acpi_requested,
	    .owner = m,
	};
	m->reset = (struct reset){.pulled = was_reset, .owner = m};
	if (add_serial(m, e) < 0 ||
	    (m->engine.config.slots && add_slots(m, e) < 0))
		return -1;
	add_ranges(m);
	if (!m->engine.config.no_probe &&
	    probe_run(&m->cpus[0].cpu, &m->mem, e) < 0)
		return -1;
	return 0;
}

/* ---- the engine's operations ---- */

static const struct gmem *
memory(struct engine *engine, struct err *e)
{
	(void)e;
	return &((struct machine *)engine)->mem;
}

static int
add(struct engine *engine, struct virtio_device *dev, struct err *e)
{
	struct machine *m = (struct machine *)engine;
	struct virtio_pci *tp = virtio_pci_new(dev, &m->pci, &m->kvm, e);

	if (!tp)
		return -1;
	m->transports[m->transport_count++] = tp;
	return 0;
}

static int
fill_memory(struct machine *m, const struct boot *boot, struct entry *entry,
    struct err *e)
{
	struct loader loader = {
	    .mem = &m->mem,
	    .kernel = &boot->kernel,
	    .cmdline = boot->cmdline.data,
	    .initramfs = &boot->initramfs,
	    .rsdp = ACPI_START,
	    .mode = ENTRY_AUTO,
	};

	return loader_load(&loader, entry, e);
}

static int
load(struct engine *engine, const struct boot *boot, struct err *e)
{
	struct machine *m = (struct machine *)engine;
	struct entry entry;

	if (fill_memory(m, boot, &entry, e) < 0)
		return -1;
	use_huge_pages(m, true);
	for (unsigned i = 0; i < m->cpu_count; i++)
		if (cpu_init(&m->cpus[i].cpu, e) < 0)
			return -1;
	if (cpu_enter(&m->cpus[0].cpu, &entry, e) < 0)
		return -1;
	return 0;
}

void
machine_allow(struct filter *filter, const struct filter_call *console)
{
	filter_add(filter, filter_libc);
	filter_add(filter, kvm_run_calls);
	filter_add(filter, kvm_device_calls);
	filter_add(filter, virtio_pci_calls);
	filter_add(filter, msix_calls);
	filter_add(filter, console);
}

static int
confine(struct engine *engine, struct err *e)
{
	struct machine *m = (struct machine *)engine;

	filter_init(&m->filter, "vcpu", MACHINE_CPU_CALLS_MAX);
	machine_allow(&m->filter, m->engine.config.console_calls);
	return sandbox_filter(&m->filter, e);
}

static int
start(struct engine *engine, struct gate *gate, struct err *e)
{
	struct machine *m = (struct machine *)engine;

	for (unsigned i = 0; i < m->cpu_count; i++) {
		m->cpus[i].gate = gate;
		if (vcpu_start(&m->cpus[i], e) < 0)
			return -1;
	}
	return 0;
}

static int
pause_all(struct engine *engine, bool on, struct err *e)
{
	struct machine *m = (struct machine *)engine;

	(void)e;
	for (unsigned i = 0; i < m->cpu_count; i++)
		(on ? vcpu_ask_pause : vcpu_resume)(&m->cpus[i]);
	for (unsigned i = 0; on && i < m->cpu_count; i++)
		vcpu_await_pause(&m->cpus[i]);
	return 0;
}

static int
show(struct engine *engine, uint64_t bytes, struct err *e)
{
	struct machine *m = (struct machine *)engine;

	return pluggable_show(&m->pluggable, &m->kvm, bytes, e);
}

static int
plug(struct engine *engine, struct virtio_device *dev, struct err *e)
{
	struct machine *m = (struct machine *)engine;

	for (unsigned i = 0; i < SLOTS; i++) {
		/* The last may be taken by those that never go. */
		if (m->plugged[i] || SLOT_FIRST + i < m->pci.count)
			continue;
		m->plugged[i] =
		    virtio_pci_plug(dev, &m->pci, &m->kvm, SLOT_FIRST + i, e);
		if (!m->plugged[i])
			return -1;
		slots_added(&m->slots, i);
		return (int)i;
	}
	return err_set(e, EX_UNAVAILABLE, "no slot is free");
}

static void
ask(struct engine *engine, unsigned slot)
{
	slots_wanted(&((struct machine *)engine)->slots, slot);
}

static uint32_t
given(struct engine *engine)
{
	return slots_given(&((struct machine *)engine)->slots);
}

static void
unplug(struct engine *engine, unsigned slot)
{
	struct machine *m = (struct machine *)engine;

	if (m->plugged[slot])
		virtio_pci_unplug(m->plugged[slot], SLOT_FIRST + slot);
	m->plugged[slot] = NULL;
}

static void
allow_again(struct filter *filter)
{
	filter_add(filter, kvm_again_calls);
	filter_add(filter, loader_calls);
}

/* Another VM around the same memory, in the same threads: nothing that the
 * guest did to the first is in it. */
static int
again(struct engine *engine, const struct boot *boot, struct err *e)
{
	struct machine *m = (struct machine *)engine;

	pause_all(engine, true, e);
	pci_reset(&m->pci);
	ioapic_reset(&m->ioapic);
	slots_reset(&m->slots);
	serial_free(m->serial);
	m->serial = NULL;
	for (unsigned i = 0; i < m->cpu_count; i++)
		kvm_cpu_release(&m->kvm, &m->cpus[i].cpu);
	kvm_leave(&m->kvm);
	if (gmem_clear(&m->mem, e) < 0)
		return -1;
	use_huge_pages(m, false);
	if (add_serial(m, e) < 0 || kvm_create(&m->kvm, e) < 0 ||
	    join(m, e) < 0 || pluggable_again(&m->pluggable, &m->kvm, e) < 0 ||
	    load(engine, boot, e) < 0)
		return -1;
	atomic_store(&m->over, false);
	engine_runs(engine);
	for (unsigned i = 0; i < m->cpu_count; i++)
		vcpu_again(&m->cpus[i]);
	return pause_all(engine, false, e);
}

static void
power_button(struct engine *engine)
{
	acpi_power_button(&((struct machine *)engine)->acpi);
}

static void
stats(struct engine *engine, json_t *into)
{
	struct machine *m = (struct machine *)engine;
	json_t *list = json_array();
	uint64_t all_ns = 0, ns;

	for (unsigned i = 0; i < m->cpu_count; i++) {
		ns = vcpu_time_ns(&m->cpus[i]);
		all_ns += ns;
		json_array_append_new(list,
		    json_pack("{s:I,s:I}", "cpu_ms", (json_int_t)(ns / 1000000),
			"exits", (json_int_t)atomic_load(&m->cpus[i].exits)));
	}
	json_object_set_new(
	    into, "cpu_ms", json_integer((json_int_t)(all_ns / 1000000)));
	json_object_set_new(into, "vcpus", list);
	json_object_set_new(
	    into, "resident", json_integer((json_int_t)gmem_resident(&m->mem)));
}

static void
stop(struct engine *engine)
{
	struct machine *m = (struct machine *)engine;

	for (unsigned i = 0; i < m->cpu_count; i++)
		vcpu_ask_stop(&m->cpus[i]);
	for (unsigned i = 0; i < m->cpu_count; i++)
		vcpu_join(&m->cpus[i]);
	if (m->serial)
		serial_flush(m->serial);
}

static void
machine_free(struct engine *engine)
{
	struct machine *m = (struct machine *)engine;

	stop(engine);
	for (unsigned i = 0; i < SLOTS; i++)
		virtio_pci_free(m->plugged[i]);
	while (m->transport_count > 0)
		virtio_pci_free(m->transports[--m->transport_count]);
	for (unsigned i = 0; i < m->cpu_count; i++)
		kvm_cpu_release(&m->kvm, &m->cpus[i].cpu);
	free(m->cpus);
	serial_free(m->serial);
	fd_close(&m->slots.given_fd);
	kvm_release(&m->kvm);
	gmem_release(&m->mem);
	filter_release(&m->filter);
	engine_release(engine);
	free(m);
}

static const struct filter_call main_calls[] = {
    CALL(getpid), /* vcpu_ask_stop, vcpu_ask_pause */
    CALL(tgkill),
    CALL(clock_gettime),              /* vcpu_time_ns */
    CALL(mincore),                    /* gmem_resident */
    CALL_IF(ioctl, 1, KVM_IOEVENTFD), /* virtio_pci_free */
    CALL_IF(ioctl, 1, KVM_IRQFD),
    CALL_IF(ioctl, 1, KVM_SIGNAL_MSI),             /* power_button, ask */
    CALL_IF(ioctl, 1, KVM_SET_USER_MEMORY_REGION), /* pluggable_show */
    CALLS_END,
};

static const struct filter_call plug_calls[] = {
    CALL(eventfd2),                    /* virtio_pci_plug */
    CALL_IF(ioctl, 1, KVM_SIGNAL_MSI), /* slots_added */
    CALLS_END,
};

static const struct engine_ops machine_ops = {
    .name = "kvm",
    .main_calls = main_calls,
    .guest = &pc_guest,
    .memory = memory,
    .add = add,
    .load = load,
    .confine = confine,
    .start = start,
    .pause = pause_all,
    .show = show,
    .allow_again = allow_again,
    .again = again,
    .plug = plug,
    .plug_calls = plug_calls,
    .ask = ask,
    .given = given,
    .unplug = unplug,
    .power_button = power_button,
    .stats = stats,
    .stop = stop,
    .free = machine_free,
};

struct engine *
machine_new(const struct engine_config *config, struct err *e)
{
	struct machine *m = calloc(1, sizeof(*m));

	if (!m) {
		err_errno(e, EX_OSERR, "kvm");
		return NULL;
	}
	m->kvm.dev = m->kvm.vm = m->slots.given_fd = -1;
	m->kvm.no_nested = config->no_nested;
	if (engine_init(&m->engine, &machine_ops, config, e) < 0 ||
	    build(m, e) < 0) {
		machine_free(&m->engine);
		return NULL;
	}
	return &m->engine;
}

int
machine_probe(const struct engine_config *config, struct err *e)
{
	struct engine_config smallest = {
	    .cpus = 1,
	    .memory = MACHINE_MEMORY_MIN,
	    .no_probe = config->no_probe,
	};
	struct engine *machine = machine_new(&smallest, e);

	engine_free(machine);
	return machine ? 0 : -1;
}
