/* SPDX-License-Identifier: MIT */
/*
 * opt.h - a command's options, as one table
 *
 * Parsing, --help, shell completion and the test that holds the man page and
 * the program together all come from the table, so that they cannot differ.
 *
 * Forms: -x, -xVALUE, -x VALUE, -xyz (flags), --name, --name=VALUE,
 * --name VALUE; "--" ends the options, and so does the first operand where
 * operands_end is set (for what runs a user's command). Long names are never
 * abbreviated: a script that says --ins would change its meaning with us.
 *
 * Every command has --help, --version and --options (the table as lines of
 * tab-separated text, for completion and tests) without listing them.
 */
#ifndef VK_COMMON_OPT_H
#define VK_COMMON_OPT_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

struct opt {
	char letter;          /* 0: no short form */
	const char *name;     /* long form, without the dashes */
	const char *argument; /* what follows it; NULL: nothing does */
	const char *help;     /* one line, no full stop */
	/* Takes the value (NULL without argument) into the caller's struct.
	 * Returns 0, -1 with err; the option's name is put in front of it.
	 * NULL: there is nothing to check, and member is set. */
	int (*set)(void *into, const char *value, struct err *);
	size_t member; /* where in the struct: OPT_FLAG and OPT_TEXT */
};

/* In the place of .set, where a bool becomes true, and where a const char *
 * becomes the value as it stands in argv. */
#define OPT_FLAG(type, field) .member = OPT_MEMBER(type, field, bool)
#define OPT_TEXT(type, field) .member = OPT_MEMBER(type, field, const char *)
#define OPT_MEMBER(type, field, kind)                                          \
	offsetof(type, field) +                                                \
	    0 * sizeof(char[_Generic(((type *)0)->field, kind : 1)])

/* The set of --verbose: log_verbose is true. */
int opt_set_verbose(void *, const char *, struct err *);

struct opt_command {
	const char *name;     /* "vk-pull" */
	const char *synopsis; /* "[options] REFERENCE" */
	const char *purpose;  /* one line */
	const struct opt *options;
	size_t count;
	bool operands_end; /* the first operand ends the options */
};

#define OPT_COUNT(table) (sizeof(table) / sizeof((table)[0]))

enum opt_result {
	OPT_ERROR = -1, /* err says what; status EX_USAGE */
	OPT_RUN = 0,    /* go on */
	OPT_ANSWERED,   /* --help and the like: printed, exit with 0 */
};

/*
 * Walks argv. Operands are moved behind the options as getopt(3) does;
 * *first is the index of the first of them.
 */
enum opt_result opt_parse(const struct opt_command *, int argc, char **argv,
    void *into, int *first, struct err *);

#endif
