/* SPDX-License-Identifier: MIT */
/* table.c - VMs as lines of fields, for people and for programs */
#include "cmd/vk-ps/table.h"

#include "common/size.h"

#include <inttypes.h>
#include <stdint.h>
#include <string.h>

/* References may be longer; a table may not. */
#define CELL_MAX 256

struct table_field {
	const char *name, *head;
	const char *member; /* of the VM's object */
	void (*print)(const json_t *, char *cell);
};

static void
print_text(const json_t *value, char *cell)
{
	snprintf(cell, CELL_MAX, "%s", json_string_value(value));
}

static void
print_number(const json_t *value, char *cell)
{
	snprintf(
	    cell, CELL_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
}

static void
print_size(const json_t *value, char *cell)
{
	char text[SIZE_TEXT_MAX];

	snprintf(cell, CELL_MAX, "%s",
	    size_text((uint64_t)json_integer_value(value), text));
}

/* The two largest units: "3d4h", "2m5s". */
static void
print_span(const json_t *value, char *cell)
{
	uint64_t s = (uint64_t)json_integer_value(value) / 1000;

	if (s >= 86400)
		snprintf(cell, CELL_MAX, "%" PRIu64 "d%" PRIu64 "h", s / 86400,
		    s / 3600 % 24);
	else if (s >= 3600)
		snprintf(cell, CELL_MAX, "%" PRIu64 "h%" PRIu64 "m", s / 3600,
		    s / 60 % 60);
	else if (s >= 60)
		snprintf(
		    cell, CELL_MAX, "%" PRIu64 "m%" PRIu64 "s", s / 60, s % 60);
	else
		snprintf(cell, CELL_MAX, "%" PRIu64 "s", s);
}

static void
print_seconds(const json_t *value, char *cell)
{
	uint64_t ms = (uint64_t)json_integer_value(value);

	snprintf(
	    cell, CELL_MAX, "%" PRIu64 ".%02" PRIu64, ms / 1000, ms / 10 % 100);
}

static const struct table_field fields[] = {
    {"name", "NAME", "name", print_text},
    {"state", "STATE", "state", print_text},
    {"status", "STATUS", "status", print_number},
    {"pid", "PID", "pid", print_number},
    {"up", "UP", "up_ms", print_span},
    {"engine", "ENGINE", "engine", print_text},
    {"cpus", "CPUS", "cpus", print_number},
    {"cpu", "CPU-S", "cpu_ms", print_seconds},
    {"memory", "MEMORY", "memory", print_size},
    {"used", "USED", "memory_used", print_size},
    {"image", "IMAGE", "image", print_text},
};
#define FIELDS (sizeof(fields) / sizeof(*fields))

static const struct table_field *
find_field(const char *name, size_t len)
{
	for (size_t i = 0; i < FIELDS; i++)
		if (strlen(fields[i].name) == len &&
		    memcmp(fields[i].name, name, len) == 0)
			return &fields[i];
	return NULL;
}

int
table_parse(struct table *table, const char *text, struct err *e)
{
	table->count = 0;
	for (;;) {
		size_t len = strcspn(text, ",");
		const struct table_field *field = find_field(text, len);

		if (!field) {
			err_set(
			    e, EX_USAGE, "%.*s: not a field", (int)len, text);
			return err_hint(e,
			    "fields are name state status pid up engine cpus "
			    "cpu memory used image");
		}
		if (table->count == TABLE_FIELDS_MAX)
			return err_set(e, EX_USAGE, "too many fields");
		table->fields[table->count++] = field;
		if (text[len] == '\0')
			return 0;
		text += len + 1;
	}
}

/* What a VM does not have is "-". */
static const char *
cell_of(const struct table_field *field, const json_t *vm, char *cell)
{
	const json_t *value = json_object_get(vm, field->member);

	if (json_is_string(value) == (field->print == print_text) &&
	    (json_is_string(value) || json_is_integer(value))) {
		field->print(value, cell);
		err_printable(cell);
	} else {
		snprintf(cell, CELL_MAX, "-");
	}
	return cell;
}

static int
width_of(const struct table_field *field, const json_t *vms)
{
	size_t widest = strlen(field->head), i;
	char cell[CELL_MAX];
	json_t *vm;

	json_array_foreach(vms, i, vm)
	{
		size_t width = strlen(cell_of(field, vm, cell));

		widest = width > widest ? width : widest;
	}
	return (int)widest;
}

/* vm NULL: the header. */
static void
print_line(
    const struct table *table, const json_t *vm, const int *widths, FILE *out)
{
	char cell[CELL_MAX];

	for (unsigned i = 0; i < table->count; i++) {
		const struct table_field *field = table->fields[i];
		const char *text = vm ? cell_of(field, vm, cell) : field->head;
		bool last = i + 1 == table->count;

		if (last || table->plain)
			fprintf(out, "%s%s", text, last ? "\n" : "\t");
		else
			fprintf(out, "%-*s  ", widths[i], text);
	}
}

void
table_print(const struct table *table, const json_t *vms, FILE *out)
{
	int widths[TABLE_FIELDS_MAX];
	size_t i;
	json_t *vm;

	for (unsigned n = 0; n < table->count; n++)
		widths[n] = width_of(table->fields[n], vms);
	if (!table->plain)
		print_line(table, NULL, widths, out);
	json_array_foreach(vms, i, vm) print_line(table, vm, widths, out);
}
