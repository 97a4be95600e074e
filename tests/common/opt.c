/* SPDX-License-Identifier: MIT */
#include "common/opt.h"

#include "common/log.h"
#include "tests/tap.h"

#include <stdlib.h>

struct got {
	const char *name, *text;
	int flag;
	bool other;
};

static int
set_name(void *into, const char *value, struct err *e)
{
	if (strcmp(value, "bad") == 0)
		return err_set(e, 0, "not a name");
	((struct got *)into)->name = value;
	return 0;
}

static int
set_flag(void *into, const char *value, struct err *e)
{
	(void)value, (void)e;
	((struct got *)into)->flag++;
	return 0;
}

static const struct opt table[] = {
    {'n', "name", "NAME", "its name", .set = set_name},
    {'f', "flag", NULL, "a flag", .set = set_flag},
    {0, "other", NULL, "no short form", OPT_FLAG(struct got, other)},
    {0, "text", "TEXT", "any text", OPT_TEXT(struct got, text)},
    {'v', "verbose", NULL, "say more", .set = opt_set_verbose},
};

static struct opt_command command = {
    "vk-test", "[options] A...", "tests", table, OPT_COUNT(table), false};

static struct got got;
static struct err e;
static char *argv[16];
static int first, argc;

/* Parses the words of a line; operands stay in argv from first on. */
static enum opt_result
parse(const char *line)
{
	static char text[256];
	char *at = text, *word;

	snprintf(text, sizeof(text), "vk-test %s", line);
	for (argc = 0; (word = strsep(&at, " ")) != NULL;)
		argv[argc++] = word;
	argv[argc] = NULL;
	got = (struct got){0};
	e = (struct err)ERR_INIT;
	return opt_parse(&command, argc, argv, &got, &first, &e);
}

int
main(void)
{
	ok(parse("-n x a b") == OPT_RUN && argc - first == 2, "-n x");
	is_str(got.name, "x", "its value");
	ok(parse("-nx") == OPT_RUN && strcmp(got.name, "x") == 0, "-nx");
	ok(parse("--name=x") == OPT_RUN && strcmp(got.name, "x") == 0,
	    "--name=");
	ok(parse("--name x") == OPT_RUN && strcmp(got.name, "x") == 0,
	    "--name x");
	ok(parse("-fffn x") == OPT_RUN && got.flag == 3, "-fffn x");
	ok(parse("a -f b --other c") == OPT_RUN && got.flag && got.other,
	    "options between operands");
	is_str(argv[first], "a", "the operands in order: a");
	is_str(argv[first + 1], "b", "b");
	is_str(argv[first + 2], "c", "c");
	ok(parse("a -f -- -n") == OPT_RUN && got.flag && !got.name, "--");
	is_str(argv[first], "a", "what stood before it");
	is_str(argv[first + 1], "-n", "what stood behind it");
	ok(parse("-") == OPT_RUN && argc - first == 1, "- is an operand");

	command.operands_end = true;
	ok(parse("-f ls -f --x") == OPT_RUN && got.flag == 1, "operands end");
	is_str(argv[first], "ls", "at the first of them");
	command.operands_end = false;

	ok(parse("-x") == OPT_ERROR && e.status == EX_USAGE, "unknown");
	is_str(e.text, "-x: unknown option", "named");
	is_str(e.hint, "usage: vk-test [options] A...", "and the usage");
	ok(parse("--fla") == OPT_ERROR, "no abbreviations");
	ok(parse("--flag=1") == OPT_ERROR, "a value for a flag");
	ok(parse("--name") == OPT_ERROR, "no value");
	ok(parse("-n") == OPT_ERROR, "no value, short");
	ok(parse("--name bad") == OPT_ERROR, "a bad value");
	is_str(e.text, "--name: not a name", "says which option");

	ok(parse("--text= -f") == OPT_RUN && got.text && !*got.text,
	    "a text, empty");
	ok(!got.other && !log_verbose, "flags that were not given");
	ok(parse("-v --other") == OPT_RUN && got.other && log_verbose,
	    "and that were");
	return tap_done();
}
