/* SPDX-License-Identifier: MIT */
/* The tables hang together: addresses, lengths, checksums; and the registers
 * do what the tables promise. */
#include "cmd/vk-boot/x86/acpi.h"

#include "cmd/vk-boot/x86/layout.h"
#include "cmd/vk-boot/x86/slots.h"

#include "common/cursor.h"

#include "tests/tap.h"

#include <sys/eventfd.h>
#include <unistd.h>

static struct gmem mem;
static int requests[2];

static const uint8_t *
at(uint64_t gpa, uint64_t len)
{
	static const uint8_t nothing[4096];
	const uint8_t *p = gmem_at(&mem, gpa, len);

	return p ? p : nothing;
}

static uint64_t
number(uint64_t gpa, size_t width)
{
	struct cursor c = cursor_of(at(gpa, width), width);

	return get_le(&c, width);
}

static uint8_t
sum(uint64_t gpa, uint64_t len)
{
	const uint8_t *p = at(gpa, len);
	uint8_t total = 0;

	while (len-- > 0)
		total = (uint8_t)(total + *p++);
	return total;
}

static void
table_is_sound(uint64_t gpa, const char *signature)
{
	uint64_t len = number(gpa + 4, 4);

	ok(memcmp(at(gpa, 4), signature, 4) == 0, "%s is there", signature);
	ok(gpa % 16 == 0 && gpa + len <= ACPI_END, "%s is in its place",
	    signature);
	ok(len >= 36 && sum(gpa, len) == 0, "%s sums to 0", signature);
}

static void
test_tables(unsigned cpus)
{
	struct err e = ERR_INIT;
	uint64_t xsdt, fadt, madt, mcfg, dsdt;

	is_int(acpi_tables(&mem, cpus, true, &e), 0, "tables for %u", cpus);
	ok(memcmp(at(ACPI_START, 8), "RSD PTR ", 8) == 0, "root pointer");
	ok(sum(ACPI_START, 20) == 0 && sum(ACPI_START, 36) == 0,
	    "its two checksums");
	xsdt = number(ACPI_START + 24, 8);
	table_is_sound(xsdt, "XSDT");
	fadt = number(xsdt + 36, 8);
	madt = number(xsdt + 44, 8);
	mcfg = number(xsdt + 52, 8);
	table_is_sound(fadt, "FACP");
	table_is_sound(madt, "APIC");
	table_is_sound(mcfg, "MCFG");
	is_int(number(fadt + 4, 4), 276, "FADT of revision 6.4");
	dsdt = number(fadt + 140, 8);
	table_is_sound(dsdt, "DSDT");
	is_int(number(fadt + 120, 8), PORT_ACPI + 2, "reset register");
	is_int(number(fadt + 248, 8), PORT_ACPI, "sleep control register");
	ok(number(fadt + 112, 4) & 1 << 20, "hardware-reduced");
	is_int(number(mcfg + 44, 8), ECAM_START, "configuration space");
	is_int(number(madt + 4, 4),
	    44 + (cpus < 255 ? cpus : 255) * 8 +
		(cpus > 255 ? (cpus - 255) * 16 : 0) + 12,
	    "an entry for each of %u processors", cpus);
}

static void
requested(void *owner, enum acpi_request request)
{
	(void)owner;
	requests[request]++;
}

static void
test_registers(void)
{
	struct acpi acpi = {.request = requested};
	uint8_t data[4] = {0};

	acpi_access(&acpi, 0, data, 1, true);
	data[0] = 0x20 | 3 << 2;
	acpi_access(&acpi, 0, data, 1, true);
	is_int(requests[ACPI_POWER_OFF], 0, "another sleep state");
	data[0] = 0x20 | 5 << 2;
	acpi_access(&acpi, 0, data, 1, true);
	is_int(requests[ACPI_POWER_OFF], 1, "S5 switches off");
	data[0] = 2;
	acpi_access(&acpi, 2, data, 1, true);
	is_int(requests[ACPI_RESET], 0, "another value");
	data[0] = 1;
	acpi_access(&acpi, 2, data, 1, true);
	is_int(requests[ACPI_RESET], 1, "reset");
	data[0] = 0xff;
	acpi_access(&acpi, 1, data, 1, false);
	is_int(data[0], 0, "status reads as 0");
}

static uint32_t
slots_in(struct slots *slots, unsigned reg)
{
	uint8_t data[4];

	slots_access(slots, reg, data, 4, false);
	return (uint32_t)data[0] | (uint32_t)data[1] << 8;
}

static void
test_slots(void)
{
	static struct kvm kvm;
	static struct ioapic ioapic;
	struct slots slots = {.ioapic = &ioapic};
	uint8_t all[] = {0xff, 0xff, 0xff, 0xff};

	ioapic_init(&ioapic, &kvm);
	slots.given_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	slots_added(&slots, 0);
	slots_added(&slots, 7);
	slots_wanted(&slots, 3);
	is_int(slots_in(&slots, 0), 1 | 1 << 7, "devices that were added");
	is_int(slots_in(&slots, 0), 0, "told once");
	is_int(slots_in(&slots, 4), 1 << 3, "one that is wanted back");
	is_int(slots_in(&slots, 8), 0, "the last register is to write");
	slots_access(&slots, 0, all, 4, true);
	slots_access(&slots, 8, all, 1, true);
	slots_access(&slots, 9, all, 2, true);
	is_int(slots_given(&slots), 0, "other writes are none");
	slots_access(&slots, 8, all, 4, true);
	is_int(slots_given(&slots), 0xff, "slots that there are");
	is_int(slots_given(&slots), 0, "once");
	close(slots.given_fd);
}

int
main(void)
{
	struct err e = ERR_INIT;

	is_int(gmem_add(&mem, 0, 2 << 20, 0, &e), 0, "memory");
	test_tables(1);
	test_tables(4);
	test_tables(256);
	test_registers();
	test_slots();
	gmem_release(&mem);
	is_int(acpi_tables(&mem, 1, true, &e), -1, "no memory");
	return tap_done();
}
