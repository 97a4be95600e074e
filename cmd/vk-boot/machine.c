/* SPDX-License-Identifier: MIT */
/* machine.c - the machine: memory, processors, buses, PCI */
#include "cmd/vk-boot/machine.h"

#include "cmd/vk-boot/probe.h"
#include "cmd/vk-boot/virtio/pci.h"
#include "cmd/vk-boot/x86/cpu.h"
#include "cmd/vk-boot/x86/layout.h"

#include "common/scope.h"
#include "common/size.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

/* Keyboard controller (8042): nothing but its line to the reset pin. */
#define PORT_KEYBOARD    0x60
#define KEYBOARD_COMMAND 4 /* PORT_KEYBOARD + 4 */
#define KEYBOARD_RESET   0xfe

/* Reset control (PCI bridges have it): bit 2 pulls. */
#define RESET_PULL 0x04

static void
end(struct machine *m, enum machine_end how, const char *text)
{
	pthread_mutex_lock(&m->lock);
	if (m->end == MACHINE_RUNS) {
		m->end = how;
		snprintf(m->text, sizeof(m->text), "%s", text);
	}
	pthread_mutex_unlock(&m->lock);
	eventfd_give(m->end_fd);
}

static void
vcpu_ended(void *owner, enum vcpu_end how, const char *text)
{
	end(owner,
	    how == VCPU_TRIPLE_FAULT ? MACHINE_TRIPLE_FAULT : MACHINE_FAILED,
	    text);
}

static void
acpi_requested(void *owner, enum acpi_request request)
{
	if (request == ACPI_POWER_OFF)
		end(owner, MACHINE_POWERED_OFF, "powered off");
	else
		end(owner, MACHINE_RESET, "reset");
}

static void
keyboard_access(
    void *owner, uint64_t offset, uint8_t *data, unsigned len, bool write)
{
	if (!write)
		bus_answer(data, len, 0); /* nothing waits, ready for more */
	else if (offset == KEYBOARD_COMMAND && data[0] == KEYBOARD_RESET)
		end(owner, MACHINE_RESET, "reset");
}

static void
reset_access(
    void *owner, uint64_t offset, uint8_t *data, unsigned len, bool write)
{
	(void)offset;
	if (!write)
		bus_answer(data, len, 0);
	else if (data[0] & RESET_PULL)
		end(owner, MACHINE_RESET, "reset");
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

	if (m->console)
		m->console(m->console_owner, text, len);
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

static int
add_memory(
    struct machine *m, const struct machine_config *config, struct err *e)
{
	uint64_t low = config->memory, high = 0;

	if (low > HOLE_START) {
		high = low - HOLE_START;
		low = HOLE_START;
	}
	if (gmem_add(&m->mem, 0, low, config->shared, e) < 0)
		return -1;
	if (high && gmem_add(&m->mem, HOLE_END, high, config->shared, e) < 0)
		return -1;
	for (unsigned i = 0; i < m->mem.count; i++)
		if (kvm_map(&m->kvm, i, &m->mem.regions[i], e) < 0)
			return -1;
	return 0;
}

static int
add_cpus(struct machine *m, unsigned count, struct err *e)
{
	if (count > m->kvm.cpus_max || count > MACHINE_CPUS_MAX)
		return err_set(e, EX_USAGE, "-c %u: this KVM has at most %u",
		    count,
		    m->kvm.cpus_max < MACHINE_CPUS_MAX ? m->kvm.cpus_max
						       : MACHINE_CPUS_MAX);
	m->cpus = calloc(count, sizeof(*m->cpus));
	if (!m->cpus)
		return err_errno(e, EX_OSERR, "vCPUs");
	for (unsigned i = 0; i < count; i++)
		m->cpus[i].cpu.fd = -1;
	for (m->cpu_count = 0; m->cpu_count < count; m->cpu_count++) {
		struct vcpu *vcpu = &m->cpus[m->cpu_count];

		vcpu->ports = &m->ports;
		vcpu->memory = &m->memory;
		vcpu->ended = vcpu_ended;
		vcpu->owner = m;
		if (kvm_cpu_create(
			&m->kvm, &vcpu->cpu, m->cpu_count, count, e) < 0) {
			m->cpu_count++;
			return -1;
		}
	}
	return 0;
}

static void
add_ranges(struct machine *m)
{
	const struct bus_range ports[] = {
	    {PORT_KEYBOARD, 5, keyboard_access, m},
	    {PORT_SERIAL, SERIAL_REGISTERS, serial_access, m},
	    {PORT_ACPI, ACPI_PORTS, acpi_access, &m->acpi},
	    {PORT_RESET, 1, reset_access, m},
	    {PORT_PCI_ADDR, 8, pci_port_access, &m->pci},
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

int
machine_create(
    struct machine *m, const struct machine_config *config, struct err *e)
{
	*m = (struct machine){
	    .kvm = {.dev = -1, .vm = -1},
	    .end_fd = -1,
	    .console = config->console,
	    .console_owner = config->owner,
	};
	pthread_mutex_init(&m->lock, NULL);
	m->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->end_fd < 0)
		return err_errno(e, EX_OSERR, "eventfd");
	if (kvm_open(&m->kvm, e) < 0 || kvm_create(&m->kvm, e) < 0 ||
	    vcpu_prepare(e) < 0 || add_memory(m, config, e) < 0 ||
	    add_cpus(m, config->cpus, e) < 0)
		return -1;
	pci_init(&m->pci);
	ioapic_init(&m->ioapic, &m->kvm);
	m->acpi = (struct acpi){
	    .ioapic = &m->ioapic,
	    .request = acpi_requested,
	    .owner = m,
	};
	if (add_serial(m, e) < 0)
		return -1;
	add_ranges(m);
	return acpi_tables(&m->mem, config->cpus, e);
}

int
machine_probe(struct machine *m, struct err *e)
{
	return probe_run(&m->cpus[0].cpu, &m->mem, e);
}

int
machine_add(struct machine *m, struct virtio_device *dev, struct err *e)
{
	struct virtio_pci *tp = virtio_pci_new(dev, &m->pci, &m->kvm, e);

	if (!tp)
		return -1;
	m->transports[m->transport_count++] = tp;
	return 0;
}

int
machine_start(struct machine *m, const struct entry *entry, struct err *e)
{
	for (unsigned i = 0; i < m->cpu_count; i++)
		if (cpu_init(&m->cpus[i].cpu, e) < 0)
			return -1;
	if (cpu_enter(&m->cpus[0].cpu, entry, e) < 0)
		return -1;
	for (unsigned i = 0; i < m->cpu_count; i++)
		if (vcpu_start(&m->cpus[i], e) < 0)
			return -1;
	return 0;
}

void
machine_stop(struct machine *m)
{
	for (unsigned i = 0; i < m->cpu_count; i++)
		vcpu_ask_stop(&m->cpus[i]);
	for (unsigned i = 0; i < m->cpu_count; i++)
		vcpu_join(&m->cpus[i]);
	if (m->serial)
		serial_flush(m->serial);
}

void
machine_release(struct machine *m)
{
	machine_stop(m);
	while (m->transport_count > 0)
		virtio_pci_free(m->transports[--m->transport_count]);
	for (unsigned i = 0; i < m->cpu_count; i++)
		kvm_cpu_release(&m->kvm, &m->cpus[i].cpu);
	free(m->cpus);
	m->cpus = NULL;
	m->cpu_count = 0;
	serial_free(m->serial);
	m->serial = NULL;
	kvm_release(&m->kvm);
	gmem_release(&m->mem);
	fd_close(&m->end_fd);
}
