/* SPDX-License-Identifier: MIT */
/* slots.c - places on the PCI bus whose device may come and go */
#include "cmd/vk-boot/x86/slots.h"

#include "cmd/vk-boot/bus.h"
#include "cmd/vk-boot/loop.h"
#include "cmd/vk-boot/x86/aml.h"
#include "cmd/vk-boot/x86/layout.h"

#include <stdio.h>

#define REG_ADDED  0
#define REG_WANTED 4
#define REG_GIVEN  8

/* What a notification of a device says (ACPI 6.4, 5.6.6). */
#define NOTIFY_CHECK 1
#define NOTIFY_EJECT 3

static void
slot_name(unsigned slot, char *name)
{
	snprintf(name, 5, "S%02u_", (SLOT_FIRST + slot) % 100);
}

/* Notifies the slots whose bits are in a register. */
static void
notify_each(struct writer *w, const char *reg, uint8_t value)
{
	char name[5];

	aml_store_local(w, reg);
	for (unsigned i = 0; i < SLOTS; i++) {
		size_t mark = aml_if_local_has(w, 1u << i);

		slot_name(i, name);
		aml_notify_in(w, "PCI0", name, value);
		aml_end(w, mark);
	}
}

void
slots_method(struct writer *w)
{
	static const char *const fields[] = {"ADDD", "WANT", "GIVE", NULL};
	size_t method;

	aml_ports(w, "SREG", PORT_SLOTS, SLOTS_PORTS);
	aml_fields(w, "SREG", fields);
	method = aml_method(w, "SLOT", 0);
	notify_each(w, "ADDD", NOTIFY_CHECK);
	notify_each(w, "WANT", NOTIFY_EJECT);
	aml_end(w, method);
}

void
slots_devices(struct writer *w)
{
	char name[5];

	for (unsigned i = 0; i < SLOTS; i++) {
		size_t device, method;

		slot_name(i, name);
		device = aml_device(w, name);
		aml_name_integer(w, "_ADR", (SLOT_FIRST + i) << 16);
		aml_name_integer(w, "_SUN", SLOT_FIRST + i);
		method = aml_method(w, "_EJ0", 1);
		aml_store(w, "GIVE", 1u << i);
		aml_end(w, method);
		aml_end(w, device);
	}
}

void
slots_access(
    void *owner, uint64_t offset, uint8_t *data, unsigned len, bool write)
{
	struct slots *slots = owner;
	uint32_t answer = 0;

	if (write) {
		if (offset != REG_GIVEN || len != 4)
			return;
		atomic_fetch_or(&slots->given,
		    (uint32_t)bus_value(data, len) & ((1u << SLOTS) - 1));
		eventfd_give(slots->given_fd);
		return;
	}
	if (offset == REG_ADDED && len == 4)
		answer = atomic_exchange(&slots->added, 0);
	else if (offset == REG_WANTED && len == 4)
		answer = atomic_exchange(&slots->wanted, 0);
	bus_answer(data, len, answer);
}

static void
interrupt(struct slots *slots)
{
	ioapic_set(slots->ioapic, GSI_SLOTS, true);
	ioapic_set(slots->ioapic, GSI_SLOTS, false);
}

void
slots_added(struct slots *slots, unsigned slot)
{
	atomic_fetch_or(&slots->added, 1u << slot);
	interrupt(slots);
}

void
slots_wanted(struct slots *slots, unsigned slot)
{
	atomic_fetch_or(&slots->wanted, 1u << slot);
	interrupt(slots);
}

uint32_t
slots_given(struct slots *slots)
{
	eventfd_take(slots->given_fd);
	return atomic_exchange(&slots->given, 0);
}

void
slots_reset(struct slots *slots)
{
	atomic_store(&slots->added, 0);
	atomic_store(&slots->wanted, 0);
}
