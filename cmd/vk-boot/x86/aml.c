/* SPDX-License-Identifier: MIT */
/* aml.c - ACPI machine language, as much as a table of devices needs */
#include "cmd/vk-boot/x86/aml.h"

/* ACPI 6.4, 20.3. */
enum {
	OP_NAME = 0x08,
	OP_BYTE = 0x0a,
	OP_WORD = 0x0b,
	OP_DWORD = 0x0c,
	OP_STRING = 0x0d,
	OP_SCOPE = 0x10,
	OP_BUFFER = 0x11,
	OP_PACKAGE = 0x12,
	OP_METHOD = 0x14,
	OP_DUAL_NAME = 0x2e,
	OP_EXT = 0x5b,
	OP_PARENT = 0x5e,
	OP_LOCAL0 = 0x60,
	OP_ARG0 = 0x68,
	OP_STORE = 0x70,
	OP_AND = 0x7b,
	OP_EXT_REGION = 0x80,
	OP_EXT_FIELD = 0x81,
	OP_EXT_DEVICE = 0x82,
	OP_NOTIFY = 0x86,
	OP_EQUAL = 0x93,
	OP_IF = 0xa0,
};

static void
byte(struct writer *w, unsigned value)
{
	put_le(w, value, 1);
}

static void
name(struct writer *w, const char *text)
{
	put_bytes(w, text, 4);
}

/* Leaves room for a package length; the mark is where it stands. */
static size_t
begin(struct writer *w)
{
	size_t mark = writer_len(w);

	put_zeros(w, 2);
	return mark;
}

void
aml_end(struct writer *w, size_t mark)
{
	size_t len = writer_len(w) - mark;

	if (w->bad || len > 0xfff) {
		w->bad = true;
		return;
	}
	/* 20.2.4: bits 7-6 count the bytes that follow, 3-0 are the low four
	 * bits of the length, which includes these two bytes. */
	w->start[mark] = (uint8_t)(0x40 | (len & 0xf));
	w->start[mark + 1] = (uint8_t)(len >> 4);
}

size_t
aml_scope(struct writer *w, const char *path)
{
	size_t mark;

	byte(w, OP_SCOPE);
	mark = begin(w);
	name(w, path);
	return mark;
}

size_t
aml_device(struct writer *w, const char *device)
{
	size_t mark;

	byte(w, OP_EXT);
	byte(w, OP_EXT_DEVICE);
	mark = begin(w);
	name(w, device);
	return mark;
}

size_t
aml_method(struct writer *w, const char *method, unsigned arguments)
{
	size_t mark;

	byte(w, OP_METHOD);
	mark = begin(w);
	name(w, method);
	byte(w, arguments | 1u << 3); /* serialized */
	return mark;
}

static void
integer(struct writer *w, uint32_t value)
{
	byte(w, OP_DWORD);
	put_le(w, value, 4);
}

void
aml_name_integer(struct writer *w, const char *what, uint32_t value)
{
	byte(w, OP_NAME);
	name(w, what);
	integer(w, value);
}

void
aml_name_string(struct writer *w, const char *what, const char *value)
{
	byte(w, OP_NAME);
	name(w, what);
	byte(w, OP_STRING);
	put_bytes(w, value, strlen(value) + 1);
}

static unsigned
hex(char digit)
{
	return (unsigned)(digit <= '9' ? digit - '0' : digit - 'A' + 10);
}

void
aml_name_eisa(struct writer *w, const char *what, const char *id)
{
	uint32_t value = 0;

	for (int i = 0; i < 3; i++)
		value = value << 5 | ((unsigned)(id[i] - 0x40) & 0x1f);
	for (int i = 3; i < 7; i++)
		value = value << 4 | hex(id[i]);
	aml_name_integer(w, what, __builtin_bswap32(value));
}

void
aml_name_package(
    struct writer *w, const char *what, const uint8_t *values, uint8_t count)
{
	size_t mark;

	byte(w, OP_NAME);
	name(w, what);
	byte(w, OP_PACKAGE);
	mark = begin(w);
	byte(w, count);
	for (unsigned i = 0; i < count; i++) {
		byte(w, OP_BYTE);
		byte(w, values[i]);
	}
	aml_end(w, mark);
}

void
aml_notify(struct writer *w, const char *what, uint8_t value)
{
	byte(w, OP_NOTIFY);
	name(w, what);
	byte(w, OP_BYTE);
	byte(w, value);
}

void
aml_ports(struct writer *w, const char *region, uint16_t port, uint8_t len)
{
	byte(w, OP_EXT);
	byte(w, OP_EXT_REGION);
	name(w, region);
	byte(w, 1); /* ports */
	integer(w, port);
	integer(w, len);
}

void
aml_fields(struct writer *w, const char *region, const char *const *names)
{
	size_t mark;

	byte(w, OP_EXT);
	byte(w, OP_EXT_FIELD);
	mark = begin(w);
	name(w, region);
	byte(w, 3); /* accessed by 32 bits, others of them kept */
	for (; *names; names++) {
		name(w, *names);
		byte(w, 32); /* bits; a package length of one byte */
	}
	aml_end(w, mark);
}

size_t
aml_if_argument_is(struct writer *w, uint32_t value)
{
	size_t mark;

	byte(w, OP_IF);
	mark = begin(w);
	byte(w, OP_EQUAL);
	byte(w, OP_ARG0);
	integer(w, value);
	return mark;
}

size_t
aml_if_local_has(struct writer *w, uint32_t bits)
{
	size_t mark;

	byte(w, OP_IF);
	mark = begin(w);
	byte(w, OP_AND);
	byte(w, OP_LOCAL0);
	integer(w, bits);
	byte(w, 0); /* the result goes nowhere else */
	return mark;
}

void
aml_store(struct writer *w, const char *to, uint32_t value)
{
	byte(w, OP_STORE);
	integer(w, value);
	name(w, to);
}

void
aml_store_local(struct writer *w, const char *from)
{
	byte(w, OP_STORE);
	name(w, from);
	byte(w, OP_LOCAL0);
}

void
aml_call(struct writer *w, const char *method)
{
	name(w, method);
}

void
aml_notify_in(
    struct writer *w, const char *scope, const char *what, uint8_t value)
{
	byte(w, OP_NOTIFY);
	byte(w, OP_PARENT); /* names of several parts are not searched for */
	byte(w, OP_DUAL_NAME);
	name(w, scope);
	name(w, what);
	byte(w, OP_BYTE);
	byte(w, value);
}

size_t
aml_resources(struct writer *w, const char *what)
{
	size_t mark;

	byte(w, OP_NAME);
	name(w, what);
	byte(w, OP_BUFFER);
	mark = begin(w);
	byte(w, OP_WORD);
	put_zeros(w, 2); /* the buffer's size, known at its end */
	return mark;
}

void
aml_resources_end(struct writer *w, size_t mark)
{
	size_t start = mark + 2 + 3; /* behind length and size */
	size_t len;

	byte(w, 0x79); /* end tag, 6.4.2.9; checksum 0: not checked */
	byte(w, 0);
	if (w->bad)
		return;
	len = writer_len(w) - start;
	w->start[mark + 3] = (uint8_t)len;
	w->start[mark + 4] = (uint8_t)(len >> 8);
	aml_end(w, mark);
}

void
aml_io(struct writer *w, uint16_t port, uint8_t len)
{
	byte(w, 0x47); /* 6.4.2.5 */
	byte(w, 1);    /* 16 bits decoded */
	put_le(w, port, 2);
	put_le(w, port, 2);
	byte(w, 1); /* alignment */
	byte(w, len);
}

void
aml_interrupt(struct writer *w, uint32_t gsi)
{
	byte(w, 0x89); /* 6.4.3.6 */
	put_le(w, 6, 2);
	byte(w, 0x03); /* consumer, edge, active high, exclusive */
	byte(w, 1);
	put_le(w, gsi, 4);
}

void
aml_memory(struct writer *w, uint32_t start, uint32_t len)
{
	byte(w, 0x86); /* 6.4.3.4 */
	put_le(w, 9, 2);
	byte(w, 1); /* read and write */
	put_le(w, start, 4);
	put_le(w, len, 4);
}

/* Address space descriptors, 6.4.3.5: min and max fixed, producer. */
static void
window_head(
    struct writer *w, unsigned tag, unsigned len, unsigned type, unsigned flags)
{
	byte(w, tag);
	put_le(w, len, 2);
	byte(w, type);
	byte(w, 0x0c);
	byte(w, flags);
}

void
aml_bus_window(struct writer *w, uint16_t first, uint16_t last)
{
	window_head(w, 0x88, 13, 2, 0);
	put_le(w, 0, 2); /* granularity */
	put_le(w, first, 2);
	put_le(w, last, 2);
	put_le(w, 0, 2); /* translation */
	put_le(w, last - first + 1u, 2);
}

void
aml_memory_window(struct writer *w, uint32_t start, uint32_t end)
{
	window_head(w, 0x87, 23, 0, 1); /* memory, read and write */
	put_le(w, 0, 4);
	put_le(w, start, 4);
	put_le(w, end - 1, 4);
	put_le(w, 0, 4);
	put_le(w, end - start, 4);
}
