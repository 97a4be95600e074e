/* SPDX-License-Identifier: MIT */
/* What the driver does to vectors, masks and the table, and what KVM is told
 * of it. There is no KVM here: its routes are looked at where they are kept,
 * and whether a source is attached. */
#include "cmd/vk-boot/virtio/msix.h"

#include "cmd/vk-boot/loop.h"
#include "tests/tap.h"

#include <linux/pci_regs.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SOURCES 3

static struct kvm kvm = {.dev = -1, .vm = -1};
static struct pci_device pci;
static struct msix m;

static void
put_control(uint16_t value)
{
	unsigned at = m.capability + PCI_MSIX_FLAGS;

	pci_set(&pci, at, value, 2);
	msix_config_written(&m, at, 2);
}

static void
put_table(unsigned offset, uint64_t value, unsigned len)
{
	uint8_t data[8];

	for (unsigned i = 0; i < len; i++)
		data[i] = (uint8_t)(value >> 8 * i);
	msix_table_access(&m, offset, data, len, true);
}

static uint64_t
get_table(unsigned offset, unsigned len)
{
	uint8_t data[8];

	memset(data, 0xee, sizeof(data));
	msix_table_access(&m, offset, data, len, false);
	return bus_value(data, len);
}

static uint64_t
pending(unsigned offset, unsigned len)
{
	uint8_t data[8];

	msix_pending_access(&m, offset, data, len);
	return bus_value(data, len);
}

/* A bit a source. */
static unsigned
attached(void)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < m.count; i++)
		bits |= (unsigned)m.sources[i].attached << i;
	return bits;
}

static bool
build(void)
{
	const struct pci_identity id = {.vendor = PCI_VENDOR_VIRTIO};

	pci_device_init(&pci, &id);
	msix_init(&m, &pci, &kvm);
	for (int i = 0; i < SOURCES; i++)
		if (msix_add(&m, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
			return false;
	msix_expose(&m, 0x4000, 0x5000);
	return true;
}

static void
test_capability(void)
{
	unsigned at = m.capability;

	is_int(pci.config[at], PCI_CAP_ID_MSIX, "a capability of MSI-X");
	is_int(pci_get(&pci, at + PCI_MSIX_FLAGS, 2), SOURCES - 1,
	    "the table has an entry a source");
	is_int(pci_get(&pci, at + PCI_MSIX_TABLE, 4), 0x4000, "the table");
	is_int(pci_get(&pci, at + PCI_MSIX_PBA, 4), 0x5000, "pending bits");
	is_int(pci.writable[at + PCI_MSIX_FLAGS + 1], 0xc0,
	    "a driver can enable it and mask all");
	is_int(get_table(0x0c, 4), 1, "entries are masked at first");
}

static void
test_table(void)
{
	put_table(0x10, 0x1122334455667788, 8);
	is_int(get_table(0x10, 4), 0x55667788, "eight bytes are written");
	is_int(get_table(0x14, 4), 0x11223344, "and read by fours");
	put_table(0x10, 0, 2);
	put_table(0x11, 0, 4);
	put_table(0x2c, 0, 8);
	put_table(0x30, 0, 4);
	is_int(get_table(0x10, 8), 0x1122334455667788,
	    "no access of two bytes, and none across");
	is_int(get_table(0x2c, 8), 0, "none beyond the end");
	is_int(get_table(0x11, 4), 0, "what is none reads as zeros");
	is_int(get_table(0x2c, 4), 1, "the last entry is as it was");
}

static void
test_vectors(void)
{
	msix_set_vector(&m, 0, SOURCES);
	is_int(msix_vector(&m, 0), MSIX_NO_VECTOR, "a vector too many");
	msix_set_vector(&m, 0, 2);
	is_int(msix_vector(&m, 0), 2, "a vector");
	msix_set_vector(&m, SOURCES, 0);
	is_int(msix_vector(&m, SOURCES), MSIX_NO_VECTOR, "no such source");
}

/* Vector 2, of source 0, is the one that is set up. */
static void
test_masks(void)
{
	int gsi = m.sources[0].gsi;

	put_table(0x20, 0xfee00000, 8);
	put_table(0x28, 0x41, 4);
	put_table(0x2c, 0, 4);
	put_control(PCI_MSIX_FLAGS_ENABLE);
	is_int(attached(), 0, "nothing interrupts before the driver is ready");
	ok(!kvm.routed[gsi], "and KVM is not asked");
	msix_run(&m, true);
	is_int(attached(), 1, "the source with a vector does then");
	is_int(kvm.routes[gsi].u.msi.data, 0x41, "with the table's message");
	put_table(0x28, 0x42, 4);
	is_int(kvm.routes[gsi].u.msi.data, 0x42, "and with its next");
	put_control(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	is_int(attached(), 0, "all are masked");
	put_control(PCI_MSIX_FLAGS_ENABLE);
	is_int(attached(), 1, "and are not");
	msix_set_vector(&m, 1, 2);
	is_int(attached(), 3, "two sources may share a vector");
	msix_set_vector(&m, 1, MSIX_NO_VECTOR);
	put_table(0x2c, 1, 4);
	is_int(attached(), 0, "one entry is masked");
}

static void
test_pending(void)
{
	is_int(pending(0, 8), 0, "nothing waits");
	eventfd_give(m.sources[0].fd);
	eventfd_give(m.sources[1].fd);
	is_int(pending(0, 8), 4, "what came behind the mask does");
	is_int(pending(0, 1), 4, "seen by bytes");
	is_int(pending(1, 1), 0, "which begin where they begin");
	is_int(pending(8, 4), 0, "none beyond the register");
	put_table(0x2c, 0, 4);
	is_int(pending(0, 8), 0, "KVM has it when the mask is gone");
}

static void
test_ends(void)
{
	int gsi = m.sources[0].gsi;

	put_control(PCI_MSIX_FLAGS_ENABLE);
	msix_reset(&m);
	is_int(attached(), 0, "a reset: nothing interrupts");
	is_int(msix_vector(&m, 0), MSIX_NO_VECTOR, "no vector");
	is_int(eventfd_take(m.sources[1].fd), 0, "what waited is gone");
	is_int(get_table(0x28, 4), 0x42, "the table stays");
	msix_power_on(&m);
	is_int(get_table(0x28, 8), 1ull << 32, "but not when power was off");
	msix_forget(&m);
	ok(!kvm.gsi_used[gsi] && !kvm.routed[gsi], "KVM's numbers are free");
	msix_init(&m, &pci, &kvm);
	for (int i = 0; i < MSIX_SOURCES_MAX; i++)
		msix_add(&m, -1);
	is_int(m.count, MSIX_SOURCES_MAX, "as many sources as there may be");
	is_int(msix_add(&m, -1), -1, "and no more");
}

int
main(void)
{
	ok(build(), "three sources");
	test_capability();
	test_table();
	test_vectors();
	test_masks();
	test_pending();
	test_ends();
	return tap_done();
}
