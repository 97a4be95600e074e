/* SPDX-License-Identifier: MIT */
/* pci.c - one PCI bus of single-function devices */
#include "cmd/vk-boot/pci.h"

#include "cmd/vk-boot/x86/layout.h"

#include <linux/pci_regs.h>
#include <string.h>

#define CAPABILITIES_START 0x40

uint32_t
pci_get(const struct pci_device *dev, unsigned offset, unsigned len)
{
	return (uint32_t)bus_value(dev->config + offset, len);
}

void
pci_set(struct pci_device *dev, unsigned offset, uint32_t value, unsigned len)
{
	bus_answer(dev->config + offset, len, value);
}

void
pci_device_init(struct pci_device *dev, const struct pci_identity *id)
{
	pci_set(dev, PCI_VENDOR_ID, id->vendor, 2);
	pci_set(dev, PCI_DEVICE_ID, id->device, 2);
	pci_set(dev, PCI_CLASS_REVISION, id->class << 8 | id->revision, 4);
	pci_set(dev, PCI_SUBSYSTEM_VENDOR_ID, id->subsystem_vendor, 2);
	pci_set(dev, PCI_SUBSYSTEM_ID, id->subsystem, 2);
	dev->writable[PCI_COMMAND] = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	dev->writable[PCI_COMMAND + 1] = PCI_COMMAND_INTX_DISABLE >> 8;
	/* Scratch that firmware and drivers leave notes in. */
	dev->writable[PCI_CACHE_LINE_SIZE] = 0xff;
	dev->writable[PCI_LATENCY_TIMER] = 0xff;
	dev->writable[PCI_INTERRUPT_LINE] = 0xff;
	dev->capability_end = CAPABILITIES_START;
	dev->capability_last = PCI_CAPABILITY_LIST;
}

uint8_t
pci_capability(struct pci_device *dev, const void *from, uint8_t len)
{
	uint8_t at = dev->capability_end;

	memcpy(dev->config + at, from, len);
	dev->config[at + PCI_CAP_LIST_NEXT] = 0;
	if (dev->capability_last == PCI_CAPABILITY_LIST)
		dev->config[PCI_CAPABILITY_LIST] = at;
	else
		dev->config[dev->capability_last + PCI_CAP_LIST_NEXT] = at;
	dev->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	dev->capability_last = at;
	dev->capability_end = (uint8_t)(at + (len + 3u) / 4 * 4);
	return at;
}

void
pci_init(struct pci *pci)
{
	static const struct pci_identity bridge = {
	    .vendor = PCI_VENDOR_BRIDGE,
	    .device = 0x0008, /* "QEMU PCIe host bridge": no driver binds */
	    .class = 0x060000,
	};

	*pci = (struct pci){.next_window = MMIO_START};
	pthread_mutex_init(&pci->lock, NULL);
	pci_device_init(&pci->bridge, &bridge);
	pci_add(pci, &pci->bridge);
}

static void
place_window(struct pci_device *dev, uint32_t at)
{
	pci_set(dev, PCI_BASE_ADDRESS_0, at, 4);
	for (unsigned i = 0; i < 4; i++)
		dev->writable[PCI_BASE_ADDRESS_0 + i] =
		    (uint8_t)(-dev->window_size >> 8 * i);
	dev->config[PCI_COMMAND] |= PCI_COMMAND_MEMORY;
}

int
pci_add(struct pci *pci, struct pci_device *dev)
{
	uint32_t size = dev->window_size;

	if (pci->count == PCI_DEVICES_MAX)
		return -1;
	if (size > 0) {
		pci->next_window = (pci->next_window + size - 1) & -size;
		place_window(dev, pci->next_window);
		pci->next_window += size;
	}
	memcpy(dev->first, dev->config, sizeof(dev->first));
	pci->devices[pci->count++] = dev;
	return 0;
}

void
pci_reset(struct pci *pci)
{
	for (unsigned i = 0; i < PCI_DEVICES_MAX; i++) {
		struct pci_device *dev = pci->devices[i];

		if (!dev)
			continue;
		if (dev->reset)
			dev->reset(dev);
		memcpy(dev->config, dev->first, sizeof(dev->config));
	}
	pci->address = 0;
}

int
pci_plug(struct pci *pci, unsigned number, struct pci_device *dev)
{
	int result = -1;

	/* From the end of all windows down: a place of its own for each. */
	place_window(dev, (uint32_t)(MMIO_END - (PCI_DEVICES_MAX - number) *
						    dev->window_size));
	memcpy(dev->first, dev->config, sizeof(dev->first));
	pthread_mutex_lock(&pci->lock);
	if (!pci->devices[number]) {
		pci->devices[number] = dev;
		result = 0;
	}
	pthread_mutex_unlock(&pci->lock);
	return result;
}

void
pci_unplug(struct pci *pci, unsigned number)
{
	pthread_mutex_lock(&pci->lock);
	pci->devices[number] = NULL;
	pthread_mutex_unlock(&pci->lock);
}

uint64_t
pci_window_at(const struct pci_device *dev)
{
	if (!(dev->config[PCI_COMMAND] & PCI_COMMAND_MEMORY))
		return 0;
	return pci_get(dev, PCI_BASE_ADDRESS_0, 4) & ~0xfu;
}

static void
config_access(struct pci_device *dev, unsigned offset, uint8_t *data,
    unsigned len, bool write)
{
	if (!write) {
		if (dev->config_reading)
			dev->config_reading(dev, offset, len);
		memcpy(data, dev->config + offset, len);
		return;
	}
	for (unsigned i = 0; i < len; i++) {
		uint8_t mask = dev->writable[offset + i];
		uint8_t *at = &dev->config[offset + i];

		*at = (uint8_t)((*at & ~mask) | (data[i] & mask));
	}
	if (dev->config_written)
		dev->config_written(dev, offset, len);
}

/* Device number and offset as both mechanisms give them. */
static void
access_device(struct pci *pci, unsigned number, unsigned function,
    unsigned offset, uint8_t *data, unsigned len, bool write)
{
	if (!write)
		memset(data, 0xff, len);
	pthread_mutex_lock(&pci->lock);
	if (pci->devices[number] && function == 0) {
		if (offset < PCI_CONFIG_SIZE && len <= PCI_CONFIG_SIZE - offset)
			config_access(
			    pci->devices[number], offset, data, len, write);
		else if (!write)
			memset(data, 0, len); /* no extended capabilities */
	}
	pthread_mutex_unlock(&pci->lock);
}

void
pci_ecam_access(
    void *owner, uint64_t offset, uint8_t *data, unsigned len, bool write)
{
	access_device(owner, offset >> 15 & 0x1f, offset >> 12 & 7,
	    offset & 0xfff, data, len, write);
}

void
pci_port_access(
    void *owner, uint64_t offset, uint8_t *data, unsigned len, bool write)
{
	struct pci *pci = owner;
	uint32_t address = __atomic_load_n(&pci->address, __ATOMIC_RELAXED);
	unsigned reg = (address & 0xfc) + ((unsigned)offset & 3);

	if (offset < 4) {
		if (!write)
			bus_answer(data, len, address >> 8 * offset);
		else if (offset == 0 && len == 4)
			__atomic_store_n(&pci->address,
			    (uint32_t)bus_value(data, 4), __ATOMIC_RELAXED);
		return;
	}
	/* Enabled, and bus 0: all other buses are empty. */
	if (!(address & 1u << 31) || (address >> 16 & 0xff) != 0) {
		if (!write)
			memset(data, 0xff, len);
		return;
	}
	access_device(
	    pci, address >> 11 & 0x1f, address >> 8 & 7, reg, data, len, write);
}

void
pci_window_access(
    void *owner, uint64_t offset, uint8_t *data, unsigned len, bool write)
{
	struct pci *pci = owner;
	struct pci_device *found = NULL;
	uint64_t at = MMIO_START + offset, start = 0;

	if (!write)
		memset(data, 0xff, len);
	pthread_mutex_lock(&pci->lock);
	for (unsigned i = 0; i < PCI_DEVICES_MAX && !found; i++) {
		struct pci_device *dev = pci->devices[i];

		start = dev && dev->window_size ? pci_window_at(dev) : 0;
		if (start && at >= start && at - start < dev->window_size &&
		    len <= dev->window_size - (at - start))
			found = dev;
	}
	pthread_mutex_unlock(&pci->lock);
	if (found)
		found->window(found, at - start, data, len, write);
}
