/* SPDX-License-Identifier: MIT */
/* ioapic.c - I/O APIC (Intel 82093AA), as messages to the local APICs */
#include "cmd/vk-boot/x86/ioapic.h"

#include "cmd/vk-boot/bus.h"

#define REG_SELECT 0x00
#define REG_WINDOW 0x10

#define INDEX_ID          0x00
#define INDEX_VERSION     0x01
#define INDEX_REDIRECTION 0x10

#define VERSION 0x11

/* Redirection entry bits, 82093AA 3.2.4. */
#define ENTRY_MASKED    (1ull << 16)
#define ENTRY_READ_ONLY ((1ull << 12) | (1ull << 14)) /* status, remote IRR */

void
ioapic_init(struct ioapic *ioapic, struct kvm *kvm)
{
	*ioapic = (struct ioapic){.kvm = kvm};
	pthread_mutex_init(&ioapic->lock, NULL);
	ioapic_reset(ioapic);
}

void
ioapic_reset(struct ioapic *ioapic)
{
	ioapic->select = 0;
	ioapic->levels = ioapic->pending = 0;
	for (unsigned i = 0; i < IOAPIC_PINS; i++)
		ioapic->pins[i] = ENTRY_MASKED;
}

/* Vector, delivery mode and destination are where a message has them too. */
static void
send(struct ioapic *ioapic, unsigned pin)
{
	uint64_t entry = ioapic->pins[pin];
	uint64_t destination = entry >> 56;
	uint64_t logical = entry >> 11 & 1;

	ioapic->pending &= ~(1u << pin);
	kvm_message(ioapic->kvm, LAPIC_START | destination << 12 | logical << 2,
	    (uint32_t)(entry & 0x7ff));
}

static uint32_t
read_index(const struct ioapic *ioapic)
{
	unsigned pin = (unsigned)(ioapic->select - INDEX_REDIRECTION) / 2;

	if (ioapic->select == INDEX_VERSION)
		return VERSION | (IOAPIC_PINS - 1) << 16;
	if (ioapic->select < INDEX_REDIRECTION || pin >= IOAPIC_PINS)
		return 0;
	return (uint32_t)(ioapic->pins[pin] >> (ioapic->select & 1 ? 32 : 0));
}

static void
write_index(struct ioapic *ioapic, uint32_t value)
{
	unsigned pin = (unsigned)(ioapic->select - INDEX_REDIRECTION) / 2;
	uint64_t *entry;

	if (ioapic->select < INDEX_REDIRECTION || pin >= IOAPIC_PINS)
		return;
	entry = &ioapic->pins[pin];
	if (ioapic->select & 1)
		*entry = (*entry & 0xffffffff) | (uint64_t)value << 32;
	else
		*entry = (*entry & ~0xffffffffull) | (value & ~ENTRY_READ_ONLY);
	if (!(*entry & ENTRY_MASKED) && ioapic->pending & 1u << pin)
		send(ioapic, pin);
}

void
ioapic_access(
    void *owner, uint64_t offset, uint8_t *data, unsigned len, bool write)
{
	struct ioapic *ioapic = owner;
	uint32_t value = (uint32_t)bus_value(data, len);

	pthread_mutex_lock(&ioapic->lock);
	if (offset == REG_SELECT && write)
		ioapic->select = (uint8_t)value;
	else if (offset == REG_SELECT)
		bus_answer(data, len, ioapic->select);
	else if (offset == REG_WINDOW && write)
		write_index(ioapic, value);
	else if (!write)
		bus_answer(
		    data, len, offset == REG_WINDOW ? read_index(ioapic) : 0);
	pthread_mutex_unlock(&ioapic->lock);
}

void
ioapic_set(struct ioapic *ioapic, unsigned pin, bool level)
{
	uint32_t bit = 1u << pin;

	pthread_mutex_lock(&ioapic->lock);
	if (level && !(ioapic->levels & bit)) {
		ioapic->pending |= bit;
		if (!(ioapic->pins[pin] & ENTRY_MASKED))
			send(ioapic, pin);
	}
	ioapic->levels = level ? ioapic->levels | bit : ioapic->levels & ~bit;
	pthread_mutex_unlock(&ioapic->lock);
}
