/* SPDX-License-Identifier: MIT */
/*
 * aml.h - ACPI machine language, as much as a table of devices needs
 * (ACPI 6.4, 20.2)
 *
 * Calls nest as the source language does:
 *
 *	size_t device = aml_device(w, "COM1");
 *	aml_name_eisa(w, "_HID", "PNP0501");
 *	size_t resources = aml_resources(w, "_CRS");
 *	aml_io(w, 0x3f8, 8);
 *	aml_resources_end(w, resources);
 *	aml_end(w, device);
 *
 * Names are four characters. Package lengths take two bytes, so that what is
 * inside one may be 4095 bytes long.
 */
#ifndef VK_BOOT_X86_AML_H
#define VK_BOOT_X86_AML_H

#include "common/cursor.h"

/* Each returns a mark for aml_end. */
size_t aml_scope(struct writer *, const char *path);
size_t aml_device(struct writer *, const char *name);
size_t aml_method(struct writer *, const char *name, unsigned arguments);
void aml_end(struct writer *, size_t mark);

void aml_name_integer(struct writer *, const char *name, uint32_t value);
void aml_name_string(struct writer *, const char *name, const char *value);
/* "PNP0A08" in its packed form (6.1.5). */
void aml_name_eisa(struct writer *, const char *name, const char *id);
/* A package of small integers. */
void aml_name_package(
    struct writer *, const char *name, const uint8_t *values, uint8_t count);
void aml_notify(struct writer *, const char *name, uint8_t value);

/* Integers of 32 bits in the port range `region`, one behind the other, by
 * names that end with NULL. */
void aml_ports(struct writer *, const char *region, uint16_t port, uint8_t len);
void aml_fields(struct writer *, const char *region, const char *const *names);

/* In a method: what is done if its argument is the value, or if the local
 * variable (one is enough) has the bits; marks for aml_end. */
size_t aml_if_argument_is(struct writer *, uint32_t value);
size_t aml_if_local_has(struct writer *, uint32_t bits);
void aml_store(struct writer *, const char *name, uint32_t value);
void aml_store_local(struct writer *, const char *name);
void aml_call(struct writer *, const char *method); /* without arguments */
/* Of what is in a scope beside this method. */
void aml_notify_in(
    struct writer *, const char *scope, const char *name, uint8_t value);

/* Resource templates (6.4). */
size_t aml_resources(struct writer *, const char *name);
void aml_resources_end(struct writer *, size_t mark);
void aml_io(struct writer *, uint16_t port, uint8_t len);
void aml_interrupt(struct writer *, uint32_t gsi); /* edge, active high */
void aml_memory(struct writer *, uint32_t start, uint32_t len); /* fixed */
void aml_bus_window(struct writer *, uint16_t first, uint16_t last);
void aml_memory_window(struct writer *, uint32_t start, uint32_t end);

#endif
