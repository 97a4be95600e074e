/* SPDX-License-Identifier: MIT */
/* acpi.c - hardware-reduced ACPI: the tables, and what they point at */
#include "cmd/vk-boot/x86/acpi.h"

#include "cmd/vk-boot/bus.h"
#include "cmd/vk-boot/x86/aml.h"
#include "cmd/vk-boot/x86/layout.h"
#include "cmd/vk-boot/x86/slots.h"

/* Registers at PORT_ACPI. */
#define REG_SLEEP_CONTROL 0
#define REG_SLEEP_STATUS  1
#define REG_RESET         2
#define RESET_VALUE       1

/* Sleep control, 4.8.3.7: bits 4-2 are the type, bit 5 goes. */
#define SLEEP_ENABLE   (1u << 5)
#define SLEEP_TYPE(v)  ((v) >> 2 & 7)
#define SLEEP_TYPE_OFF 5 /* what \_S5 says below */

/* FADT flags, 5.2.9. */
#define FADT_WBINVD       (1u << 0)
#define FADT_C1           (1u << 2)
#define FADT_SLEEP_BUTTON (1u << 5)
#define FADT_RESET        (1u << 10)
#define FADT_HW_REDUCED   (1u << 20)

/* IA-PC boot architecture, 5.2.9.3. */
#define NO_VGA      (1u << 2)
#define NO_CMOS_RTC (1u << 5)

#define HEADER_LEN 36
#define RSDP_LEN   36

/* Starts a table: its header (5.2.6), length and checksum left for the end. */
static size_t
table_begin(struct writer *w, const char *signature, uint8_t revision)
{
	size_t start;

	while (writer_len(w) % 16)
		put_zeros(w, 1);
	start = writer_len(w);
	put_bytes(w, signature, 4);
	put_le(w, 0, 4);
	put_le(w, revision, 1);
	put_le(w, 0, 1);
	put_bytes(w, "VK    VKBOOT  ", 14);
	put_le(w, 1, 4);
	put_bytes(w, "VK  ", 4);
	put_le(w, 1, 4);
	return start;
}

static uint8_t
checksum(const uint8_t *at, size_t len)
{
	uint8_t sum = 0;

	while (len-- > 0)
		sum = (uint8_t)(sum + *at++);
	return (uint8_t)-sum;
}

static void
table_end(struct writer *w, size_t start)
{
	size_t len = writer_len(w) - start;
	struct writer patch;

	if (w->bad)
		return;
	patch = writer_of(w->start + start + 4, 4);
	put_le(&patch, len, 4);
	w->start[start + 9] = checksum(w->start + start, len);
}

static void
pci_bridge(struct writer *w, bool slots)
{
	size_t device = aml_device(w, "PCI0"), resources;

	aml_name_eisa(w, "_HID", "PNP0A08");
	aml_name_eisa(w, "_CID", "PNP0A03");
	aml_name_integer(w, "_SEG", 0);
	aml_name_integer(w, "_BBN", 0);
	aml_name_integer(w, "_UID", 0);
	resources = aml_resources(w, "_CRS");
	aml_bus_window(w, 0, 0);
	aml_io(w, PORT_PCI_ADDR, 8);
	aml_memory_window(w, MMIO_START, MMIO_END);
	aml_resources_end(w, resources);
	if (slots)
		slots_devices(w);
	aml_end(w, device);

	/* Says that the configuration window is ours, without which Linux does
	 * not use it. */
	device = aml_device(w, "MBRD");
	aml_name_eisa(w, "_HID", "PNP0C02");
	aml_name_integer(w, "_UID", 0);
	resources = aml_resources(w, "_CRS");
	aml_memory(w, ECAM_START, ECAM_SIZE);
	aml_resources_end(w, resources);
	aml_end(w, device);
}

static void
serial_port(struct writer *w)
{
	size_t device = aml_device(w, "COM1"), resources;

	aml_name_eisa(w, "_HID", "PNP0501");
	aml_name_integer(w, "_UID", 0);
	resources = aml_resources(w, "_CRS");
	aml_io(w, PORT_SERIAL, 8);
	aml_interrupt(w, GSI_SERIAL);
	aml_resources_end(w, resources);
	aml_end(w, device);
}

/* The generic event device (5.6.9): one interrupt is the power button, the
 * other one the slots'. */
static void
events(struct writer *w, bool slots)
{
	size_t device = aml_device(w, "PWRB"), resources, method, mark;

	aml_name_eisa(w, "_HID", "PNP0C0C");
	aml_name_integer(w, "_UID", 0);
	aml_end(w, device);

	device = aml_device(w, "GED_");
	aml_name_string(w, "_HID", "ACPI0013");
	aml_name_integer(w, "_UID", 0);
	resources = aml_resources(w, "_CRS");
	aml_interrupt(w, GSI_ACPI);
	if (slots)
		aml_interrupt(w, GSI_SLOTS);
	aml_resources_end(w, resources);
	method = aml_method(w, "_EVT", 1);
	mark = aml_if_argument_is(w, GSI_ACPI);
	aml_notify(w, "PWRB", 0x80);
	aml_end(w, mark);
	if (slots) {
		mark = aml_if_argument_is(w, GSI_SLOTS);
		aml_call(w, "SLOT");
		aml_end(w, mark);
	}
	aml_end(w, method);
	aml_end(w, device);
}

static size_t
dsdt(struct writer *w, bool slots)
{
	static const uint8_t off[] = {SLEEP_TYPE_OFF, 0, 0, 0};
	size_t start = table_begin(w, "DSDT", 2), scope;

	scope = aml_scope(w, "_SB_");
	pci_bridge(w, slots);
	serial_port(w);
	if (slots)
		slots_method(w);
	events(w, slots);
	aml_end(w, scope);
	aml_name_package(w, "_S5_", off, sizeof(off));
	table_end(w, start);
	return start;
}

/* Generic address structure (5.2.3.2): a byte-wide port. */
static void
port_address(struct writer *w, uint16_t port)
{
	put_le(w, 1, 1);
	put_le(w, 8, 1);
	put_le(w, 0, 1);
	put_le(w, 1, 1);
	put_le(w, port, 8);
}

static size_t
fadt(struct writer *w, uint64_t dsdt_gpa)
{
	size_t start = table_begin(w, "FACP", 6);

	put_zeros(w, 4 + 4);    /* FACS; DSDT below 4 GiB: see X_DSDT */
	put_zeros(w, 109 - 44); /* fixed hardware: none */
	put_le(w, NO_VGA | NO_CMOS_RTC, 2);
	put_zeros(w, 1);
	put_le(w,
	    FADT_WBINVD | FADT_C1 | FADT_SLEEP_BUTTON | FADT_RESET |
		FADT_HW_REDUCED,
	    4);
	port_address(w, PORT_ACPI + REG_RESET);
	put_le(w, RESET_VALUE, 1);
	put_zeros(w, 2); /* ARM boot architecture */
	put_le(w, 4, 1); /* minor revision */
	put_zeros(w, 8); /* X_FACS */
	put_le(w, dsdt_gpa, 8);
	put_zeros(w, 244 - 148); /* X_ fixed hardware: none */
	port_address(w, PORT_ACPI + REG_SLEEP_CONTROL);
	port_address(w, PORT_ACPI + REG_SLEEP_STATUS);
	put_bytes(w, "vk-boot\0", 8); /* hypervisor vendor */
	table_end(w, start);
	return start;
}

static size_t
madt(struct writer *w, unsigned cpus)
{
	size_t start = table_begin(w, "APIC", 5);

	put_le(w, LAPIC_START, 4);
	put_le(w, 0, 4); /* no PIC */
	for (unsigned i = 0; i < cpus; i++) {
		if (i < 255) {
			put_le(w, 0, 1); /* local APIC, 5.2.12.2 */
			put_le(w, 8, 1);
			put_le(w, i, 1);
			put_le(w, i, 1);
			put_le(w, 1, 4); /* enabled */
		} else {
			put_le(w, 9, 1); /* local x2APIC, 5.2.12.12 */
			put_le(w, 16, 1);
			put_zeros(w, 2);
			put_le(w, i, 4);
			put_le(w, 1, 4);
			put_le(w, i, 4);
		}
	}
	put_le(w, 1, 1); /* I/O APIC, 5.2.12.3 */
	put_le(w, 12, 1);
	put_le(w, 0, 2);
	put_le(w, IOAPIC_START, 4);
	put_le(w, 0, 4); /* its first interrupt */
	table_end(w, start);
	return start;
}

static size_t
mcfg(struct writer *w)
{
	size_t start = table_begin(w, "MCFG", 1);

	put_zeros(w, 8);
	put_le(w, ECAM_START, 8);
	put_le(w, 0, 2); /* segment */
	put_le(w, 0, 1); /* first bus */
	put_le(w, ECAM_SIZE / 0x100000 - 1, 1);
	put_zeros(w, 4);
	table_end(w, start);
	return start;
}

/* Root pointer, 5.2.5.3; the first thing at ACPI_START. */
static void
rsdp(uint8_t *into, uint64_t xsdt_gpa)
{
	struct writer w = writer_of(into, RSDP_LEN);

	put_bytes(&w, "RSD PTR ", 8);
	put_zeros(&w, 1);
	put_bytes(&w, "VK    ", 6);
	put_le(&w, 2, 1); /* revision */
	put_le(&w, 0, 4); /* no RSDT */
	put_le(&w, RSDP_LEN, 4);
	put_le(&w, xsdt_gpa, 8);
	put_zeros(&w, 4);
	into[8] = checksum(into, 20);
	into[32] = checksum(into, RSDP_LEN);
}

int
acpi_tables(const struct gmem *mem, unsigned cpus, bool slots, struct err *e)
{
	size_t size = ACPI_END - ACPI_START, tables[3], start;
	uint8_t *at = gmem_at(mem, ACPI_START, size);
	struct writer w;

	if (!at)
		return err_set(e, EX_SOFTWARE, "no memory for ACPI tables");
	w = writer_of(at, size);
	put_zeros(&w, RSDP_LEN);
	start = dsdt(&w, slots);
	tables[0] = fadt(&w, ACPI_START + start);
	tables[1] = madt(&w, cpus);
	tables[2] = mcfg(&w);
	start = table_begin(&w, "XSDT", 1);
	for (unsigned i = 0; i < 3; i++)
		put_le(&w, ACPI_START + tables[i], 8);
	table_end(&w, start);
	if (w.bad)
		return err_set(e, EX_SOFTWARE, "ACPI tables are too long");
	rsdp(at, ACPI_START + start);
	return 0;
}

void
acpi_access(
    void *owner, uint64_t offset, uint8_t *data, unsigned len, bool write)
{
	struct acpi *acpi = owner;
	unsigned value = (unsigned)bus_value(data, len);

	if (!write) {
		bus_answer(data, len, 0);
		return;
	}
	if (offset == REG_SLEEP_CONTROL && value & SLEEP_ENABLE &&
	    SLEEP_TYPE(value) == SLEEP_TYPE_OFF)
		acpi->request(acpi->owner, ACPI_POWER_OFF);
	else if (offset == REG_RESET && value == RESET_VALUE)
		acpi->request(acpi->owner, ACPI_RESET);
}

void
acpi_power_button(struct acpi *acpi)
{
	ioapic_set(acpi->ioapic, GSI_ACPI, true);
	ioapic_set(acpi->ioapic, GSI_ACPI, false);
}
