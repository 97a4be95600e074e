/* SPDX-License-Identifier: MIT */
/* msix.c - a PCI device's interrupts as messages */
#include "cmd/vk-boot/virtio/msix.h"

#include "cmd/vk-boot/loop.h" /* eventfd_take */

#include <linux/pci_regs.h>
#include <poll.h>
#include <string.h>

#define ENTRY_MASKED 1

const struct filter_call msix_calls[] = {
    CALL(read), /* eventfds */
    CALL(poll), /* pending interrupts */
    CALLS_END,
};

/* ---- what KVM knows ---- */

static bool
is_unmasked(const struct msix *m, const struct msix_source *source)
{
	uint16_t control =
	    (uint16_t)pci_get(m->pci, m->capability + PCI_MSIX_FLAGS, 2);

	return control & PCI_MSIX_FLAGS_ENABLE &&
	       !(control & PCI_MSIX_FLAGS_MASKALL) &&
	       source->vector < m->count &&
	       !(m->table[source->vector].control & ENTRY_MASKED);
}

/* Makes KVM's view of every source what the registers say. */
static void
update(struct msix *m)
{
	for (unsigned i = 0; i < m->count; i++) {
		const struct msix_source *source = &m->sources[i];
		const struct msix_entry *entry;

		if (!m->running || !is_unmasked(m, source))
			continue;
		entry = &m->table[source->vector];
		kvm_route(m->kvm, source->gsi,
		    (uint64_t)entry->address_high << 32 | entry->address_low,
		    entry->data);
	}
	kvm_routes_commit(m->kvm);
	for (unsigned i = 0; i < m->count; i++) {
		struct msix_source *source = &m->sources[i];
		bool wanted = m->running && is_unmasked(m, source);

		if (wanted == source->attached)
			continue;
		kvm_irqfd(m->kvm, source->gsi, source->fd, wanted);
		source->attached = wanted;
	}
}

void
msix_run(struct msix *m, bool on)
{
	m->running = on;
	update(m);
}

/* ---- accesses ---- */

void
msix_set_vector(struct msix *m, unsigned source, uint16_t vector)
{
	if (source >= m->count)
		return;
	m->sources[source].vector = vector < m->count ? vector : MSIX_NO_VECTOR;
	if (m->running)
		update(m);
}

uint16_t
msix_vector(const struct msix *m, unsigned source)
{
	return source < m->count ? m->sources[source].vector : MSIX_NO_VECTOR;
}

void
msix_config_written(struct msix *m, unsigned offset, unsigned len)
{
	unsigned flags = m->capability + PCI_MSIX_FLAGS;

	if (m->running && offset < flags + 2 && flags < offset + len)
		update(m);
}

void
msix_table_access(
    struct msix *m, uint64_t offset, uint8_t *data, unsigned len, bool write)
{
	size_t size = m->count * sizeof(m->table[0]);

	/* Aligned accesses of 4 or 8 bytes only. */
	if (offset >= size || len > size - offset || len < 4 || offset % 4) {
		if (!write)
			memset(data, 0, len);
		return;
	}
	if (!write) {
		memcpy(data, (char *)m->table + offset, len);
		return;
	}
	memcpy((char *)m->table + offset, data, len);
	if (m->running)
		update(m);
}

/* A bit for each vector that waits behind a mask. */
static uint64_t
pending_bits(const struct msix *m)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < m->count; i++) {
		const struct msix_source *source = &m->sources[i];
		struct pollfd ready = {.fd = source->fd, .events = POLLIN};

		if (!source->attached && source->vector < m->count &&
		    poll(&ready, 1, 0) > 0)
			bits |= 1ull << source->vector;
	}
	return bits;
}

void
msix_pending_access(
    const struct msix *m, uint64_t offset, uint8_t *data, unsigned len)
{
	bus_answer(data, len, offset < 8 ? pending_bits(m) >> 8 * offset : 0);
}

/* ---- beginnings and ends ---- */

void
msix_init(struct msix *m, struct pci_device *pci, struct kvm *kvm)
{
	*m = (struct msix){.pci = pci, .kvm = kvm};
}

int
msix_add(struct msix *m, int fd)
{
	int gsi = m->count < MSIX_SOURCES_MAX ? kvm_gsi_new(m->kvm) : -1;

	if (gsi < 0)
		return -1;
	m->sources[m->count++] = (struct msix_source){
	    .fd = fd, .gsi = gsi, .vector = MSIX_NO_VECTOR};
	return 0;
}

static void
mask_all(struct msix *m)
{
	memset(m->table, 0, sizeof(m->table));
	for (unsigned i = 0; i < m->count; i++)
		m->table[i].control = ENTRY_MASKED;
}

void
msix_expose(struct msix *m, uint32_t table_at, uint32_t pending_at)
{
	uint8_t cap[PCI_CAP_MSIX_SIZEOF] = {PCI_CAP_ID_MSIX};

	bus_answer(cap + PCI_MSIX_FLAGS, 2, m->count - 1);
	bus_answer(cap + PCI_MSIX_TABLE, 4, table_at);
	bus_answer(cap + PCI_MSIX_PBA, 4, pending_at);
	m->capability = pci_capability(m->pci, cap, sizeof(cap));
	m->pci->writable[m->capability + PCI_MSIX_FLAGS + 1] =
	    (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8;
	mask_all(m);
}

void
msix_reset(struct msix *m)
{
	msix_run(m, false);
	for (unsigned i = 0; i < m->count; i++) {
		m->sources[i].vector = MSIX_NO_VECTOR;
		eventfd_take(m->sources[i].fd);
	}
}

void
msix_power_on(struct msix *m)
{
	msix_reset(m);
	mask_all(m);
}

void
msix_forget(struct msix *m)
{
	while (m->count > 0)
		kvm_gsi_free(m->kvm, m->sources[--m->count].gsi);
}
