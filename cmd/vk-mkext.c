/* SPDX-License-Identifier: MIT */
/* vk-mkext.c - a tar becomes an ext4 image */
#include "cmd/vk-mkext/look.h"
#include "cmd/vk-mkext/meter.h"
#include "cmd/vk-mkext/options.h"
#include "cmd/vk-mkext/output.h"
#include "cmd/vk-mkext/recipe.h"
#include "cmd/vk-mkext/signals.h"
#include "common/die.h"
#include "common/io.h"
#include "common/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int
open_input(struct recipe_input *in, const char *path, struct err *e)
{
	in->name = path;
	if (strcmp(path, "-") != 0) {
		in->fd = open(path, O_RDONLY | O_CLOEXEC);
		return in->fd < 0 ? err_errno(e, 0, "%s", path) : 0;
	}
	in->name = "stdin";
	in->fd = STDIN_FILENO;
	if (!isatty(STDIN_FILENO))
		return 0;
	err_set(e, EX_USAGE, "a tar is not read from a terminal");
	return err_hint(e, "usage: vk-mkext [options] [TAR|DIRECTORY|-]");
}

static int
build(struct options *o, const struct recipe_input *in, struct err *e)
{
	struct output output;
	struct meter meter;
	struct recipe_progress progress = {meter_step, &meter};
	int result;

	if (output_open(&output, o->output, e) < 0)
		return -1;
	meter_open(&meter, in->fd, !o->quiet);
	result = recipe_build(&o->recipe, in, output.fd, &progress, e);
	meter_close(&meter);
	if (result == 0)
		result = output_commit(&output, o->sync, e);
	output_close(&output);
	return result;
}

static int
fingerprint(struct options *o, const struct recipe_input *in, struct err *e)
{
	uint8_t uuid[UUID_SIZE];
	char text[UUID_TEXT];

	if (recipe_fingerprint(&o->recipe, in, uuid, e) < 0)
		return -1;
	uuid_text(uuid, text);
	if (printf("%s\n", text) < 0 || fflush(stdout) < 0)
		return err_errno(e, EX_IOERR, "stdout");
	return 0;
}

/* 1: the image was made from something else. */
static int
check(struct options *o, const struct recipe_input *in, struct err *e)
{
	uint8_t wanted[UUID_SIZE], there[UUID_SIZE];

	if (look_uuid(o->image, there, e) < 0 ||
	    recipe_fingerprint(&o->recipe, in, wanted, e) < 0)
		return -1;
	if (memcmp(wanted, there, UUID_SIZE) == 0)
		return 0;
	log_info("%s: stale", o->image);
	return 1;
}

static int
run(struct options *o, const char *operand, struct err *e)
{
	struct recipe_input in;

	switch (o->task) {
	case TASK_LIST:
		return look_list(o->image, operand ? operand : "/", e);
	case TASK_EXTRACT:
		return look_extract(o->image, operand ? operand : "/", e);
	default:
		break;
	}
	if (o->task != TASK_BUILD && o->recipe.part_count > 0 && !operand)
		in = (struct recipe_input){"input", -1};
	else if (open_input(&in, operand ? operand : "-", e) < 0)
		return -1;
	signals_catch();
	switch (o->task) {
	case TASK_FINGERPRINT:
		return fingerprint(o, &in, e);
	case TASK_CHECK:
		return check(o, &in, e);
	default:
		return build(o, &in, e);
	}
}

int
main(int argc, char **argv)
{
	static struct options o;
	struct err e = ERR_INIT;
	int first, result;

	io_keep_standard();
	options_init(&o);
	switch (opt_parse(&options_command, argc, argv, &o, &first, &e)) {
	case OPT_ANSWERED:
		return 0;
	case OPT_ERROR:
		die_err(&e);
	case OPT_RUN:
		break;
	}
	if (options_settle(&o, &e) < 0)
		die_err(&e);
	if (argc - first > 1)
		die(EX_USAGE, "%s: one operand is enough", argv[first + 1]);
	result = run(&o, first < argc ? argv[first] : NULL, &e);
	options_release(&o);
	if (result < 0)
		die_err(&e);
	return result;
}
