/* SPDX-License-Identifier: MIT */
/* opt.c - a command's options, as one table */
#include "common/opt.h"

#include "common/log.h"
#include "common/version.h"

#include <stdio.h>
#include <string.h>

static int
usage(const struct opt_command *command, struct err *e, const char *what,
    const char *name)
{
	err_set(e, EX_USAGE, "%s: %s", name, what);
	return err_hint(e, "usage: %s %s", command->name, command->synopsis);
}

static void
print_help(const struct opt_command *command)
{
	printf("usage: %s %s\n%s\n\n", command->name, command->synopsis,
	    command->purpose);
	for (size_t i = 0; i < command->count; i++) {
		const struct opt *o = &command->options[i];
		char head[64], letter[4] = "   ";

		if (o->letter) {
			letter[0] = '-';
			letter[1] = o->letter;
			letter[2] = ',';
		}
		snprintf(head, sizeof(head), "%s --%s%s%s", letter, o->name,
		    o->argument ? " " : "", o->argument ? o->argument : "");
		if (strlen(head) > 28)
			printf("  %s\n  %-28s  %s\n", head, "", o->help);
		else
			printf("  %-28s  %s\n", head, o->help);
	}
	printf("\nSee %s(1).\n", command->name);
}

static void
print_table(const struct opt_command *command)
{
	for (size_t i = 0; i < command->count; i++) {
		const struct opt *o = &command->options[i];

		printf("%.1s\t%s\t%s\t%s\n", o->letter ? &o->letter : "",
		    o->name, o->argument ? o->argument : "", o->help);
	}
}

static enum opt_result
answer(const struct opt_command *command, const char *name)
{
	if (strcmp(name, "help") == 0)
		print_help(command);
	else if (strcmp(name, "version") == 0)
		printf("%s %s\n", command->name, VK_VERSION);
	else if (strcmp(name, "options") == 0)
		print_table(command);
	else
		return OPT_RUN;
	return OPT_ANSWERED;
}

int
opt_set_verbose(void *into, const char *value, struct err *e)
{
	(void)into, (void)value, (void)e;
	log_verbose = true;
	return 0;
}

static int
set_member(const struct opt *o, const char *value, void *into)
{
	char *member = (char *)into + o->member;

	if (o->argument)
		*(const char **)(void *)member = value;
	else
		*(bool *)member = true;
	return 0;
}

static int
apply(const struct opt *o, const char *name, const char *value, void *into,
    struct err *e)
{
	if ((o->set ? o->set(into, value, e) : set_member(o, value, into)) == 0)
		return 0;
	if (!e->status)
		e->status = EX_USAGE;
	return err_prefix(e, "%s", name);
}

/* One "--name[=value]". *next is argv behind it; moved where it is eaten. */
static enum opt_result
long_option(const struct opt_command *command, const char *text, char ***next,
    void *into, struct err *e)
{
	const char *equals = strchr(text, '=');
	size_t len = equals ? (size_t)(equals - text) : strlen(text);
	char name[64];

	snprintf(name, sizeof(name), "%.*s", (int)len, text);
	for (size_t i = 0; i < command->count; i++) {
		const struct opt *o = &command->options[i];
		const char *value = equals ? equals + 1 : NULL;

		/* The two dashes stand in front of name. */
		if (strcmp(o->name, name + 2) != 0)
			continue;
		if (!o->argument && value)
			return usage(command, e, "takes no value", name);
		if (o->argument && !value && !(value = *(*next)++))
			return usage(command, e, "needs a value", name);
		return apply(o, name, value, into, e);
	}
	if (!equals && answer(command, name + 2) == OPT_ANSWERED)
		return OPT_ANSWERED;
	return usage(command, e, "unknown option", name);
}

/* One "-xyz": flags, the last of them may take the rest as its value. */
static enum opt_result
short_options(const struct opt_command *command, const char *text, char ***next,
    void *into, struct err *e)
{
	for (const char *p = text + 1; *p; p++) {
		char name[3] = {'-', *p, '\0'};
		const struct opt *o = NULL;
		const char *value = NULL;

		for (size_t i = 0; i < command->count && !o; i++)
			if (command->options[i].letter == *p)
				o = &command->options[i];
		if (!o)
			return usage(command, e, "unknown option", name);
		if (o->argument) {
			value = p[1] ? p + 1 : *(*next)++;
			if (!value)
				return usage(command, e, "needs a value", name);
		}
		if (apply(o, name, value, into, e) < 0)
			return OPT_ERROR;
		if (o->argument)
			break;
	}
	return OPT_RUN;
}

/* Moves the operands found so far (from..at) behind what was just parsed. */
static void
rotate(char **argv, int from, int at, int to)
{
	for (; at < to; at++, from++) {
		char *parsed = argv[at];

		memmove(argv + from + 1, argv + from,
		    (size_t)(at - from) * sizeof(*argv));
		argv[from] = parsed;
	}
}

enum opt_result
opt_parse(const struct opt_command *command, int argc, char **argv, void *into,
    int *first, struct err *e)
{
	int operands = 1; /* argv[operands .. at) are operands seen so far */
	int at = 1;

	while (at < argc) {
		char *text = argv[at];
		char **next = argv + at + 1;
		enum opt_result result;

		if (text[0] != '-' || text[1] == '\0') {
			if (command->operands_end)
				break;
			at++;
			continue;
		}
		if (strcmp(text, "--") == 0) {
			rotate(argv, operands, at, at + 1);
			operands++;
			break;
		}
		result = text[1] == '-'
			     ? long_option(command, text, &next, into, e)
			     : short_options(command, text, &next, into, e);
		if (result != OPT_RUN)
			return result;
		rotate(argv, operands, at, (int)(next - argv));
		operands += (int)(next - argv) - at;
		at = (int)(next - argv);
	}
	*first = operands;
	return OPT_RUN;
}
