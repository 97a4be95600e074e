/* SPDX-License-Identifier: MIT */
/* virtio.c - a driver of virtio devices over PCI that does as it is told */
#include "tests/bare/virtio.h"

#define VENDOR       0x1af4
#define DEVICE_FIRST 0x1040
#define SLOTS        32
#define DEVICES_MAX  8

#define CAPABILITIES 0x34
#define BASE_ADDRESS 0x10
#define CAP_MSIX     0x11
#define CAP_VENDOR   0x09

/* Structures (4.1.4). */
enum { COMMON = 1, NOTIFY, ISR, CONFIG, PCI_ACCESS };

static struct ring rings[DEVICES_MAX][DRIVER_QUEUES];

static const char *
name_of(uint16_t type)
{
	switch (type) {
	case NET:
		return "net";
	case BLK:
		return "blk";
	case CONSOLE:
		return "console";
	case RNG:
		return "rng";
	case BALLOON:
		return "balloon";
	case VSOCK:
		return "vsock";
	case MEM:
		return "mem";
	}
	return "?";
}

static void
take_structure(struct device *d, uint64_t cap)
{
	uint64_t at = d->window + read32(cap + 8);

	switch (read8(cap + 3)) {
	case COMMON:
		d->common = at;
		break;
	case NOTIFY:
		d->notify = at;
		d->notify_stride = read32(cap + 16);
		break;
	case ISR:
		d->isr = at;
		break;
	case CONFIG:
		d->config = at;
		break;
	case PCI_ACCESS:
		d->pci_access = (uint8_t)(cap - d->space);
		break;
	}
}

static void
read_capabilities(struct device *d)
{
	unsigned count = 0;

	d->window = read32(d->space + BASE_ADDRESS) & ~0xfull;
	for (uint8_t at = read8(d->space + CAPABILITIES); at && count < 32;
	     at = read8(d->space + at + 1), count++) {
		uint64_t cap = d->space + at;

		if (read8(cap) == CAP_MSIX) {
			d->msix = at;
			d->msix_table = d->window + (read32(cap + 4) & ~7u);
		} else if (read8(cap) == CAP_VENDOR)
			take_structure(d, cap);
	}
}

bool
device_find(struct device *d, uint16_t type)
{
	static unsigned given;

	for (unsigned slot = 0; slot < SLOTS; slot++) {
		uint64_t space = ECAM_AT + slot * 0x8000;

		if (read16(space) != VENDOR ||
		    read16(space + 2) != DEVICE_FIRST + type)
			continue;
		*d = (struct device){
		    .type = type,
		    .name = name_of(type),
		    .space = space,
		    .rings = rings[given++ % DEVICES_MAX],
		};
		read_capabilities(d);
		d->queues = read16(d->common + NUM_QUEUES);
		return d->common && d->notify;
	}
	return false;
}

uint8_t
device_status(const struct device *d)
{
	return read8(d->common + DEVICE_STATUS);
}

void
device_reset(const struct device *d)
{
	write8(d->common + DEVICE_STATUS, 0);
	while (device_status(d) != 0)
		;
}

uint64_t
device_features(const struct device *d)
{
	uint64_t low;

	write32(d->common + DEVICE_FEATURE_SELECT, 0);
	low = read32(d->common + DEVICE_FEATURE);
	write32(d->common + DEVICE_FEATURE_SELECT, 1);
	return (uint64_t)read32(d->common + DEVICE_FEATURE) << 32 | low;
}

void
device_accept(const struct device *d, uint64_t features)
{
	write32(d->common + DRIVER_FEATURE_SELECT, 0);
	write32(d->common + DRIVER_FEATURE, (uint32_t)features);
	write32(d->common + DRIVER_FEATURE_SELECT, 1);
	write32(d->common + DRIVER_FEATURE, (uint32_t)(features >> 32));
}

void
queue_place(const struct device *d, uint16_t queue, uint16_t size,
    uint64_t descriptors, uint64_t available, uint64_t used)
{
	write16(d->common + QUEUE_SELECT, queue);
	write16(d->common + QUEUE_SIZE, size);
	write64(d->common + QUEUE_DESC, descriptors);
	write64(d->common + QUEUE_DRIVER, available);
	write64(d->common + QUEUE_DEVICE, used);
}

void
queue_enable(const struct device *d, uint16_t queue)
{
	write16(d->common + QUEUE_SELECT, queue);
	write16(d->common + QUEUE_ENABLE, 1);
}

void
queue_notify(const struct device *d, uint16_t queue)
{
	barrier();
	write16(d->notify + (uint64_t)d->notify_stride * queue, queue);
}

static void
ring_clear(struct ring *ring)
{
	memset(ring->descriptors, 0, sizeof(ring->descriptors));
	memset(&ring->available, 0, sizeof(ring->available));
	memset(&ring->used, 0, sizeof(ring->used));
}

bool
device_begin(const struct device *d, uint64_t features)
{
	device_reset(d);
	for (unsigned i = 0; i < DRIVER_QUEUES; i++)
		ring_clear(&d->rings[i]);
	write8(d->common + DEVICE_STATUS, STATUS_ACKNOWLEDGE);
	write8(d->common + DEVICE_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	device_accept(d, (device_features(d) & features) | FEATURE_VERSION);
	write8(d->common + DEVICE_STATUS,
	    STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
	return device_status(d) & STATUS_FEATURES_OK;
}

void
device_go(const struct device *d)
{
	write8(d->common + DEVICE_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER |
					      STATUS_FEATURES_OK |
					      STATUS_DRIVER_OK);
}

bool
device_start(const struct device *d, uint64_t features)
{
	if (!device_begin(d, features))
		return false;
	for (uint16_t i = 0; i < d->queues && i < DRIVER_QUEUES; i++) {
		struct ring *ring = &d->rings[i];

		queue_place(d, i, RING_SIZE, (uint64_t)ring->descriptors,
		    (uint64_t)&ring->available, (uint64_t)&ring->used);
		queue_enable(d, i);
	}
	device_go(d);
	return device_status(d) & STATUS_DRIVER_OK;
}

void
describe_at(struct ring *ring, uint16_t at, uint64_t address, uint32_t len,
    uint16_t flags, uint16_t next)
{
	ring->descriptors[at] = (struct descriptor){
	    .address = address,
	    .len = len,
	    .flags = flags,
	    .next = next,
	};
}

void
describe(struct ring *ring, uint16_t at, const void *address, uint32_t len,
    uint16_t flags, uint16_t next)
{
	describe_at(ring, at, (uint64_t)address, len, flags, next);
}

void
ring_post(struct ring *ring, uint16_t head)
{
	volatile uint16_t *index = &ring->available.index;

	ring->available.ring[*index % RING_SIZE] = head;
	barrier();
	*index = (uint16_t)(*index + 1);
}

bool
ring_await(const struct ring *ring, uint16_t used)
{
	const volatile uint16_t *index = &ring->used.index;
	uint64_t until = ticks() + TICKS_MAX;

	while (*index != used)
		if (ticks() > until)
			return false;
	return true;
}
