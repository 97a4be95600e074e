/* SPDX-License-Identifier: MIT */
/* registers.c - registers at the wrong time, of the wrong width, with nonsense
 * in them (virtio 1.2, 3.1, 4.1) */
#include "tests/bare/hostile/case.h"

#define MSIX_CONTROL 2
#define MSIX_ENABLE  0x8000
#define MSIX_MASKALL 0x4000
#define PENDING      0x1000 /* bits, behind the table */
#define COMMAND      4
#define DECODE       2
#define BASE_ADDRESS 0x10

static void
begin(const struct device *d)
{
	device_start(d, FEATURE_INDIRECT | FEATURE_EVENT);
	good_request(d, &d->rings[good_queue(d)]);
}

static void
post(const struct device *d)
{
	ring_post(&d->rings[good_queue(d)], 0);
	queue_notify(d, good_queue(d));
}

/* ---- the device's life ---- */

static bool
moved_when_live(const struct device *d)
{
	uint16_t queue = good_queue(d);

	begin(d);
	write16(d->common + QUEUE_SELECT, queue);
	write64(d->common + QUEUE_DESC, 0xdeadbeef000);
	write64(d->common + QUEUE_DRIVER, MEMORY_BYTES - 2);
	write64(d->common + QUEUE_DEVICE, UINT64_MAX);
	post(d);
	/* Not while the queue is enabled: it goes on as it was (4.1.4.3.2). */
	return ring_await(&d->rings[queue], 1);
}

static bool
resized_when_live(const struct device *d)
{
	uint16_t queue = good_queue(d);

	begin(d);
	write16(d->common + QUEUE_SELECT, queue);
	write16(d->common + QUEUE_SIZE, 256);
	post(d);
	return ring_await(&d->rings[queue], 1);
}

static bool
enabled_on_and_off(const struct device *d)
{
	begin(d);
	for (unsigned i = 0; i < 64; i++) {
		write16(d->common + QUEUE_SELECT, (uint16_t)(i % 4));
		write16(d->common + QUEUE_ENABLE, i & 1);
		post(d);
	}
	return true;
}

static bool
reset_with_requests(const struct device *d)
{
	for (unsigned n = 0; n < 30; n++) {
		begin(d);
		for (unsigned i = 0; i < RING_SIZE; i++)
			ring_post(&d->rings[good_queue(d)], 0);
		queue_notify(d, good_queue(d));
		device_reset(d);
	}
	return true;
}

static bool
reset_again_and_again(const struct device *d)
{
	for (unsigned i = 0; i < 200; i++)
		device_reset(d);
	return true;
}

static bool
started_again_and_again(const struct device *d)
{
	for (unsigned i = 0; i < 30; i++)
		if (!device_start(d, ~0ull))
			return false;
	return true;
}

static bool
live_without_features(const struct device *d)
{
	device_reset(d);
	write8(d->common + DEVICE_STATUS, STATUS_ACKNOWLEDGE);
	write8(d->common + DEVICE_STATUS,
	    STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_DRIVER_OK);
	queue_notify(d, good_queue(d));
	return !(device_status(d) & STATUS_DRIVER_OK);
}

static bool
live_at_once(const struct device *d)
{
	device_reset(d);
	write8(d->common + DEVICE_STATUS, 0xff);
	queue_notify(d, good_queue(d));
	return true;
}

static bool
status_backwards(const struct device *d)
{
	begin(d);
	for (unsigned i = 255; i > 0; i--) {
		write8(d->common + DEVICE_STATUS, (uint8_t)i);
		post(d);
	}
	return true;
}

static bool
failed_and_on(const struct device *d)
{
	begin(d);
	write8(d->common + DEVICE_STATUS, 0x8f);
	post(d);
	return true;
}

static bool
features_not_offered(const struct device *d)
{
	device_reset(d);
	write8(d->common + DEVICE_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	device_accept(d, ~0ull);
	write8(d->common + DEVICE_STATUS,
	    STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
	return !(device_status(d) & STATUS_FEATURES_OK);
}

static bool
features_without_version(const struct device *d)
{
	device_reset(d);
	write8(d->common + DEVICE_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	device_accept(d, 0);
	write8(d->common + DEVICE_STATUS,
	    STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
	return !(device_status(d) & STATUS_FEATURES_OK);
}

static bool
features_when_live(const struct device *d)
{
	begin(d);
	device_accept(d, ~0ull);
	post(d);
	return ring_await(&d->rings[good_queue(d)], 1);
}

static bool
features_of_every_page(const struct device *d)
{
	device_reset(d);
	for (uint32_t i = 0; i < 64; i++) {
		write32(d->common + DEVICE_FEATURE_SELECT, i * 0x4000001);
		read32(d->common + DEVICE_FEATURE);
		write32(d->common + DRIVER_FEATURE_SELECT, i * 0x4000001);
		write32(d->common + DRIVER_FEATURE, UINT32_MAX);
	}
	return true;
}

/* ---- kicks ---- */

static bool
kick_before_start(const struct device *d)
{
	device_reset(d);
	for (uint16_t i = 0; i < 8; i++)
		queue_notify(d, i);
	return true;
}

static bool
kick_absent_queues(const struct device *d)
{
	begin(d);
	for (unsigned i = 0; i < 0x1000; i += 2)
		write16(d->notify + i, (uint16_t)i);
	return true;
}

static bool
kick_of_every_width(const struct device *d)
{
	begin(d);
	for (unsigned i = 0; i < 16; i++) {
		write8(d->notify + i, 0xff);
		write32(d->notify + i, UINT32_MAX);
		write64(d->notify + i, UINT64_MAX);
	}
	return true;
}

static bool
kick_storm(const struct device *d)
{
	begin(d);
	for (unsigned i = 0; i < 2000; i++)
		queue_notify(d, good_queue(d));
	return true;
}

/* ---- every register, every width ---- */

static bool
read_all(uint64_t from, unsigned len)
{
	for (unsigned i = 0; i < len; i++) {
		read8(from + i);
		read16(from + i);
		read32(from + i);
		read64(from + i);
	}
	return true;
}

static bool
write_all(uint64_t from, unsigned len, uint64_t value)
{
	for (unsigned i = 0; i < len; i++) {
		write8(from + i, (uint8_t)value);
		write16(from + i, (uint16_t)value);
		write32(from + i, (uint32_t)value);
		write64(from + i, value);
	}
	return true;
}

static bool
common_read(const struct device *d)
{
	begin(d);
	return read_all(d->common, COMMON_END + 16) &&
	       read_all(d->common + 0xff0, 16);
}

static bool
common_written(const struct device *d)
{
	begin(d);
	return write_all(d->common, COMMON_END + 16, 0xa5a5a5a5a5a5a5a5) &&
	       write_all(d->common, COMMON_END + 16, UINT64_MAX);
}

static bool
common_written_in_reset(const struct device *d)
{
	device_reset(d);
	return write_all(d->common, COMMON_END, UINT64_MAX);
}

static bool
config_read(const struct device *d)
{
	begin(d);
	return read_all(d->config, 320) && read_all(d->config + 0xff0, 16);
}

static bool
config_written(const struct device *d)
{
	begin(d);
	return write_all(d->config, 320, UINT64_MAX) &&
	       write_all(d->config + 0xff0, 16, 0);
}

static bool
isr_of_every_width(const struct device *d)
{
	begin(d);
	return read_all(d->isr, 16) && write_all(d->isr, 16, UINT64_MAX);
}

static bool
between_the_structures(const struct device *d)
{
	begin(d);
	for (uint64_t at = d->window; at < d->window + 0x8000; at += 0x1000) {
		read_all(at + 0xff8, 8);
		write_all(at + 0xff8, 8, UINT64_MAX);
	}
	return true;
}

static bool
vectors_of_every_queue(const struct device *d)
{
	begin(d);
	for (unsigned i = 0; i < 32; i++) {
		write16(d->common + QUEUE_SELECT, (uint16_t)(i * 2049));
		write16(d->common + QUEUE_VECTOR, (uint16_t)(i * 13));
		read64(d->common + QUEUE_DESC);
		read16(d->common + QUEUE_NOTIFY_OFF);
		write16(d->common + CONFIG_VECTOR, (uint16_t)(i * 7));
	}
	return true;
}

/* ---- MSI-X ---- */

static void
msix(const struct device *d, uint16_t control)
{
	write16(d->space + d->msix + MSIX_CONTROL, control);
}

static bool
interrupts_to_nowhere(const struct device *d)
{
	static const uint64_t addresses[] = {0, 0xfee00000, 0xfeefffff,
	    0xffffffff, 0x1000, WINDOWS_AT, UINT64_MAX};

	begin(d);
	msix(d, MSIX_ENABLE);
	for (unsigned i = 0; i < sizeof(addresses) / sizeof(*addresses); i++) {
		for (unsigned entry = 0; entry < 2; entry++) {
			uint64_t at = d->msix_table + 16 * entry;

			write32(at, (uint32_t)addresses[i]);
			write32(at + 4, (uint32_t)(addresses[i] >> 32));
			write32(at + 8, 0xffffffff);
			write32(at + 12, 0);
		}
		write16(d->common + QUEUE_SELECT, good_queue(d));
		write16(d->common + QUEUE_VECTOR, 0);
		post(d);
	}
	msix(d, 0);
	return true;
}

/* What nobody may be told of waits, and can be seen to. */
static bool
interrupts_that_wait(const struct device *d)
{
	bool seen = false;

	begin(d);
	write16(d->common + QUEUE_SELECT, good_queue(d));
	write16(d->common + QUEUE_VECTOR, 1);
	post(d);
	for (unsigned i = 0; i < 10000 && !seen; i++)
		seen = read32(d->msix_table + PENDING) & 1 << 1;
	return seen;
}

static bool
masks_on_and_off(const struct device *d)
{
	begin(d);
	write16(d->common + QUEUE_SELECT, good_queue(d));
	write16(d->common + QUEUE_VECTOR, 0);
	for (unsigned i = 0; i < 30; i++) {
		msix(d, (uint16_t)(i & 1 ? MSIX_ENABLE
					 : MSIX_ENABLE | MSIX_MASKALL));
		write32(d->msix_table + 12, i >> 1 & 1);
		post(d);
	}
	msix(d, 0);
	return true;
}

static bool
table_of_every_width(const struct device *d)
{
	begin(d);
	msix(d, MSIX_ENABLE | MSIX_MASKALL);
	write_all(d->msix_table, 64, UINT64_MAX);
	read_all(d->msix_table, 64);
	read_all(d->msix_table + PENDING, 32);
	write_all(d->msix_table + PENDING, 32, UINT64_MAX);
	msix(d, 0);
	return true;
}

/* ---- PCI ---- */

static uint64_t
saved(const struct device *d)
{
	return read32(d->space + BASE_ADDRESS);
}

static bool
window_elsewhere(const struct device *d)
{
	static const uint32_t places[] = {0, 0x1000, 0x1000000, 0xbfff8000,
	    0xdfff8000, ECAM_AT, IOAPIC_AT, LAPIC_AT, 0xffffffff, WINDOWS_AT};
	uint64_t at = saved(d);

	begin(d);
	for (unsigned i = 0; i < sizeof(places) / sizeof(*places); i++) {
		write32(d->space + BASE_ADDRESS, places[i]);
		read32(d->window);
		write16(d->notify, 0);
	}
	write32(d->space + BASE_ADDRESS, (uint32_t)at);
	return read32(d->space + BASE_ADDRESS) == at;
}

static bool
window_closed_when_live(const struct device *d)
{
	uint16_t command = read16(d->space + COMMAND);

	begin(d);
	for (unsigned i = 0; i < 10; i++) {
		write16(d->space + COMMAND, command & (uint16_t)~DECODE);
		post(d);
		read8(d->common + DEVICE_STATUS);
		write16(d->space + COMMAND, command);
	}
	return read16(d->space + COMMAND) == command;
}

/* Configuration space is written over and put back. */
static bool
space_written(const struct device *d)
{
	uint32_t copy[64];

	begin(d);
	for (unsigned i = 0; i < 64; i++)
		copy[i] = read32(d->space + 4 * i);
	for (unsigned i = 0; i < 64; i++)
		if (4 * i != BASE_ADDRESS)
			write32(d->space + 4 * i, UINT32_MAX);
	for (unsigned i = 0; i < 64; i++)
		write32(d->space + 4 * i, copy[i]);
	return read32(d->space) == copy[0];
}

static bool
space_read_oddly(const struct device *d)
{
	begin(d);
	return read_all(d->space, 256) && read_all(d->space + 0xff0, 16);
}

/* The window within configuration space (4.1.4.9). */
static bool
access_through_space(const struct device *d)
{
	static const uint32_t places[] = {0, 0x14, 0xfff, 0x2000, 0x3000,
	    0x4000, 0x5000, 0x7ffd, 0x8000, 0x80000000, UINT32_MAX};
	uint64_t cap = d->space + d->pci_access;

	if (!d->pci_access)
		return false;
	begin(d);
	for (unsigned i = 0; i < sizeof(places) / sizeof(*places); i++)
		for (uint32_t len = 0; len < 10; len++)
			for (unsigned bar = 0; bar < 7; bar += 3) {
				write8(cap + 4, (uint8_t)bar);
				write32(cap + 8, places[i]);
				write32(cap + 12, len);
				read32(cap + 16);
				write32(cap + 16, UINT32_MAX);
			}
	write8(cap + 4, 0);
	return true;
}

/* A device number, function and register that nothing has. */
static bool
rest_of_the_bus(const struct device *d)
{
	(void)d;
	for (uint64_t at = ECAM_AT; at < ECAM_AT + 0x100000; at += 0x1000) {
		if ((at & 0x7000) == 0 && read16(at) == 0x1af4)
			continue;
		read32(at);
		write32(at, UINT32_MAX);
		read64(at + 0xffc);
	}
	return true;
}

static bool
ports(const struct device *d)
{
	(void)d;
	/* All but what ends the machine (reset, sleep) and our own output. */
	for (unsigned port = 0; port < 0x1000; port++) {
		if (port >= 0x3f8 && port < 0x400)
			continue;
		if (port == 0x64 || port == 0xcf9 ||
		    (port >= 0x600 && port < 0x608))
			continue;
		port_read((uint16_t)port);
		port_write((uint16_t)port, (uint8_t)port);
	}
	return true;
}

static bool
ioapic(const struct device *d)
{
	(void)d;
	for (unsigned reg = 0; reg < 256; reg++) {
		write32(IOAPIC_AT, reg);
		read32(IOAPIC_AT + 0x10);
		write32(IOAPIC_AT + 0x10, 0x00010000 | reg);
	}
	return read_all(IOAPIC_AT, 0x44) && write_all(IOAPIC_AT + 0x40, 16, 0);
}

const struct misuse register_cases[] = {
    {"a live queue is moved", moved_when_live, 0},
    {"a live queue is resized", resized_when_live, 0},
    {"a live queue is enabled on and off", enabled_on_and_off, 0},
    {"a reset while requests are in it", reset_with_requests, 0},
    {"200 resets", reset_again_and_again, 0},
    {"30 starts", started_again_and_again, 0},
    {"live without features agreed", live_without_features, 0},
    {"all status bits at once", live_at_once, 0},
    {"each status", status_backwards, 0},
    {"failed, and on", failed_and_on, 0},
    {"features that were not offered", features_not_offered, 0},
    {"features without the version", features_without_version, 0},
    {"features when live", features_when_live, 0},
    {"features of every page", features_of_every_page, 0},
    {"kicks before the start", kick_before_start, 0},
    {"kicks of absent queues", kick_absent_queues, 0},
    {"kicks of every width", kick_of_every_width, 0},
    {"a storm of kicks", kick_storm, 0},
    {"the common structure read in every width", common_read, 0},
    {"the common structure written in every width", common_written, 0},
    {"the same in reset", common_written_in_reset, 0},
    {"its configuration read in every width", config_read, 0},
    {"its configuration written in every width", config_written, 0},
    {"the ISR in every width", isr_of_every_width, 0},
    {"accesses over the structures' ends", between_the_structures, 0},
    {"vectors of every queue", vectors_of_every_queue, 0},
    {"interrupts to nowhere", interrupts_to_nowhere, 0},
    {"interrupts that wait", interrupts_that_wait, 0},
    {"masks on and off", masks_on_and_off, 0},
    {"the interrupt table in every width", table_of_every_width, 0},
    {"its window elsewhere", window_elsewhere, 0},
    {"its window closed when live", window_closed_when_live, 0},
    {"its PCI registers written over", space_written, 0},
    {"its PCI registers read in every width", space_read_oddly, 0},
    {"accesses through its PCI registers", access_through_space, 0},
    {"the rest of the bus", rest_of_the_bus, RNG},
    {"ports", ports, RNG},
    {"the I/O APIC", ioapic, RNG},
    {0},
};
