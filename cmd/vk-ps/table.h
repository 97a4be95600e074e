/* SPDX-License-Identifier: MIT */
/* table.h - VMs as lines of fields, for people and for programs */
#ifndef VK_PS_TABLE_H
#define VK_PS_TABLE_H

#include "common/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* As often as anyone may want to name one. */
#define TABLE_FIELDS_MAX 16

struct table_field;

struct table {
	const struct table_field *fields[TABLE_FIELDS_MAX];
	unsigned count;
	bool plain; /* no header, and a tab between fields */
};

/* Reads "name,state,pid". Returns 0, -1 with err that names all fields. */
int table_parse(struct table *, const char *text, struct err *);

/* Writes VMs (list.h) to the stream, columns lined up unless plain. */
void table_print(const struct table *, const json_t *vms, FILE *);

#endif
