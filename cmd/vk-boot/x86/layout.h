/* SPDX-License-Identifier: MIT */
/*
 * layout.h - where things are in the guest's physical address space
 *
 *	0000_0000  memory; the first 1 MiB as on a PC (640 KiB, then a gap)
 *	C000_0000  PCI windows: base address registers of our devices
 *	E000_0000  PCI configuration space (ECAM), one bus
 *	FEC0_0000  I/O APIC
 *	FEE0_0000  local APICs
 *	1_0000_0000  memory beyond the hole
 */
#ifndef VK_BOOT_X86_LAYOUT_H
#define VK_BOOT_X86_LAYOUT_H

#include <stdint.h>

/* ---- memory ---- */
#define LOW_RAM_END 0x0009fc00ull /* conventional memory ends here */
#define ACPI_START  0x000e0000ull /* tables; the RSDP is the first thing */
#define ACPI_END    0x00100000ull
#define HIGH_START  0x00100000ull /* the kernel and what follows it */
#define HOLE_START  0xc0000000ull
#define HOLE_END    0x100000000ull

/* ---- inside the first 640 KiB: what the loader leaves for the kernel ---- */
#define BOOT_GDT     0x00000500ull
#define BOOT_SETUP   0x00001000ull /* setup_data: a seed for random numbers */
#define BOOT_START   0x00006000ull /* PVH start info, memory map, modules */
#define BOOT_PARAMS  0x00007000ull /* "zero page" of the Linux protocol */
#define BOOT_STACK   0x00008ff0ull
#define BOOT_PML4    0x00009000ull /* identity map of the first 4 GiB: */
#define BOOT_PDPTE   0x0000a000ull /* this page and */
#define BOOT_PDE     0x0000b000ull /* four more */
#define BOOT_CMDLINE 0x00020000ull
#define CMDLINE_MAX  2048 /* COMMAND_LINE_SIZE of Linux on x86 */

/* ---- the hole ---- */
#define MMIO_START   0xc0000000ull
#define MMIO_END     0xe0000000ull
#define ECAM_START   0xe0000000ull
#define ECAM_SIZE    0x00100000ull /* one bus: 32 devices, 8 functions */
#define IOAPIC_START 0xfec00000ull
#define LAPIC_START  0xfee00000ull

/* ---- ports ---- */
#define PORT_KEYBOARD 0x60 /* its controller; data and command */
#define PORT_SERIAL   0x3f8
#define PORT_PCI_ADDR 0xcf8
#define PORT_PCI_DATA 0xcfc
#define PORT_RESET    0xcf9
#define PORT_ACPI     0x600 /* sleep control, sleep status, reset */
#define PORT_SLOTS    0x610 /* devices that come and go */

/* ---- interrupts (I/O APIC pins) ---- */
#define IOAPIC_PINS 24
#define GSI_SERIAL  4
#define GSI_ACPI    9
#define GSI_SLOTS   10

#endif
