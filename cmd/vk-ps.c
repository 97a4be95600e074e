/* SPDX-License-Identifier: MIT */
/* vk-ps.c - lists the VMs of this user */
#include "cmd/vk-ps/list.h"
#include "cmd/vk-ps/table.h"
#include "common/die.h"
#include "common/io.h"
#include "common/opt.h"

#include <stdio.h>
#include <string.h>

struct options {
	bool all, quiet, json;
	const char *fields;
};

static const struct opt table[] = {
    {'a', "all", NULL, "also those that have ended",
	OPT_FLAG(struct options, all)},
    {'q', "quiet", NULL, "names alone; with -o, no header",
	OPT_FLAG(struct options, quiet)},
    {'o', "fields", "FIELD[,FIELD...]", "these columns",
	OPT_TEXT(struct options, fields)},
    {0, "json", NULL, "all that is known, as JSON",
	OPT_FLAG(struct options, json)},
};

static const struct opt_command command = {
    .name = "vk-ps",
    .synopsis = "[options] [NAME...]",
    .purpose = "Lists VMs: all of yours, or the named ones.",
    .options = table,
    .count = OPT_COUNT(table),
};

/* Keeps the named ones, in the order of the names. */
static json_t *
select_vms(const json_t *vms, char **names, struct err *e)
{
	json_t *selected = json_array(), *vm;
	size_t i;

	for (; *names; names++) {
		json_t *found = NULL;

		json_array_foreach(vms, i,
		    vm) if (strcmp(*names, json_string_value(json_object_get(vm,
					       "name"))) == 0) found = vm;
		if (!found) {
			json_decref(selected);
			err_set(
			    e, EX_NOINPUT, "%s: no VM of that name", *names);
			return NULL;
		}
		json_array_append(selected, found);
	}
	return selected;
}

static int
print(const struct options *o, const json_t *vms, struct err *e)
{
	struct table columns = {.plain = o->quiet};
	const char *fields = o->fields;

	if (!fields)
		fields = o->quiet ? "name"
			 : o->all ? "name,state,status,up,cpus,memory,image"
				  : "name,state,up,engine,cpus,memory,image";
	if (o->json) {
		if (json_dumpf(vms, stdout, JSON_INDENT(2)) < 0)
			return err_errno(e, EX_IOERR, "stdout");
		putchar('\n');
	} else {
		if (table_parse(&columns, fields, e) < 0)
			return err_prefix(e, "-o");
		table_print(&columns, vms, stdout);
	}
	if (fflush(stdout) != 0 || ferror(stdout))
		return err_errno(e, EX_IOERR, "stdout");
	return 0;
}

int
main(int argc, char **argv)
{
	struct options o = {0};
	struct err e = ERR_INIT;
	json_t *vms;
	int first;

	io_keep_standard();
	switch (opt_parse(&command, argc, argv, &o, &first, &e)) {
	case OPT_ANSWERED:
		return 0;
	case OPT_ERROR:
		die_err(&e);
	case OPT_RUN:
		break;
	}
	vms = list_vms(o.all, &e);
	if (vms && first < argc) {
		json_t *all = vms;

		vms = select_vms(all, argv + first, &e);
		json_decref(all);
	}
	if (!vms || print(&o, vms, &e) < 0)
		die_err(&e);
	json_decref(vms);
	return 0;
}
