/* SPDX-License-Identifier: MIT */
/*
 * virtio.h - a driver of virtio devices over PCI that does as it is told
 *
 * Nothing is checked and nothing is kept from its caller: descriptors, rings
 * and registers are there to be set to anything. What is polite is only in
 * device_start (the steps of virtio 1.2, 3.1.1) and in good.h.
 *
 * Each device has DRIVER_QUEUES rings of RING_SIZE entries in memory of its
 * own, which device_start gives it.
 */
#ifndef TESTS_BARE_VIRTIO_H
#define TESTS_BARE_VIRTIO_H

#include "tests/bare/machine.h"

/* Types (virtio 1.2, 5), and how a test's name calls them. */
enum {
	NET = 1,
	BLK = 2,
	CONSOLE = 3,
	RNG = 4,
	BALLOON = 5,
	VSOCK = 19,
	MEM = 24,
};

#define RING_SIZE     16
#define DRIVER_QUEUES 4
#define NO_VECTOR     0xffff

/* Status bits (2.1). */
#define STATUS_ACKNOWLEDGE 1
#define STATUS_DRIVER      2
#define STATUS_DRIVER_OK   4
#define STATUS_FEATURES_OK 8
#define STATUS_NEEDS_RESET 64
#define STATUS_FAILED      128

#define FEATURE_INDIRECT (1ull << 28)
#define FEATURE_EVENT    (1ull << 29)
#define FEATURE_VERSION  (1ull << 32)

/* Common configuration (4.1.4.3), by offset. */
enum {
	DEVICE_FEATURE_SELECT = 0,
	DEVICE_FEATURE = 4,
	DRIVER_FEATURE_SELECT = 8,
	DRIVER_FEATURE = 12,
	CONFIG_VECTOR = 16,
	NUM_QUEUES = 18,
	DEVICE_STATUS = 20,
	CONFIG_GENERATION = 21,
	QUEUE_SELECT = 22,
	QUEUE_SIZE = 24,
	QUEUE_VECTOR = 26,
	QUEUE_ENABLE = 28,
	QUEUE_NOTIFY_OFF = 30,
	QUEUE_DESC = 32,
	QUEUE_DRIVER = 40,
	QUEUE_DEVICE = 48,
	COMMON_END = 56,
};

#define NEXT     1
#define WRITE    2
#define INDIRECT 4

struct descriptor {
	uint64_t address;
	uint32_t len;
	uint16_t flags, next;
};

struct available {
	uint16_t flags, index;
	uint16_t ring[RING_SIZE];
	uint16_t used_event;
};

struct used {
	uint16_t flags, index;
	struct {
		uint32_t id, len;
	} ring[RING_SIZE];
	uint16_t available_event;
};

struct ring {
	struct descriptor descriptors[RING_SIZE] __attribute__((aligned(4096)));
	struct available available;
	struct used used __attribute__((aligned(4096)));
};

struct device {
	uint16_t type;
	const char *name;
	uint64_t space;  /* its PCI configuration, in the ECAM */
	uint64_t window; /* where its base address register points */
	uint64_t common, isr, config, notify;
	uint64_t msix_table;
	uint8_t msix, pci_access; /* capabilities, 0: none */
	uint32_t notify_stride;
	uint16_t queues; /* that it has */
	struct ring *rings;
};

/* Looks on the bus for the device of this type. False: there is none. */
bool device_find(struct device *, uint16_t type);

void device_reset(const struct device *);
uint8_t device_status(const struct device *);
uint64_t device_features(const struct device *);
void device_accept(const struct device *, uint64_t features);

/* One step each. */
void queue_place(const struct device *, uint16_t queue, uint16_t size,
    uint64_t descriptors, uint64_t available, uint64_t used);
void queue_enable(const struct device *, uint16_t queue);
void queue_notify(const struct device *, uint16_t queue);

/* Reset, features (of those offered, and the version's), rings cleared and
 * given, DRIVER_OK. Returns whether the device agreed. */
bool device_start(const struct device *, uint64_t features);

/* All but the last step: the rings are the caller's to place. */
bool device_begin(const struct device *, uint64_t features);
void device_go(const struct device *);

void describe(struct ring *, uint16_t at, const void *address, uint32_t len,
    uint16_t flags, uint16_t next);
void describe_at(struct ring *, uint16_t at, uint64_t address, uint32_t len,
    uint16_t flags, uint16_t next);

/* Makes the head available; the device is told by queue_notify. */
void ring_post(struct ring *, uint16_t head);

/* Waits until the device has used so many in all. False: it did not in time. */
bool ring_await(const struct ring *, uint16_t used);

#endif
