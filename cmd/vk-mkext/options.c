/* SPDX-License-Identifier: MIT */
/* options.c - the option table of vk-mkext */
#include "cmd/vk-mkext/options.h"

#include "common/log.h"
#include "common/size.h"

#include <string.h>

static int
set_output(void *into, const char *value, struct err *e)
{
	(void)e;
	((struct options *)into)->output = value;
	return 0;
}

static int
set_size(void *into, const char *value, struct err *e)
{
	struct options *o = into;

	o->image.total = *value != '+';
	if (size_parse(value + (*value == '+'), &o->image.bytes) < 0)
		return err_set(e, EX_USAGE, "%s: not a size", value);
	return 0;
}

static int
set_label(void *into, const char *value, struct err *e)
{
	struct options *o = into;

	if (strlen(value) > IMAGE_LABEL_MAX)
		return err_set(e, EX_USAGE, "longer than 16 bytes");
	memcpy(o->image.label, value, strlen(value) + 1);
	return 0;
}

static int
set_inodes(void *into, const char *value, struct err *e)
{
	struct options *o = into;

	if (number_parse(value, UINT32_MAX, &o->image.inodes) < 0)
		return err_set(e, EX_USAGE, "%s: not a number", value);
	return 0;
}

static int
set_journal(void *into, const char *value, struct err *e)
{
	(void)value, (void)e;
	((struct options *)into)->image.journal = true;
	return 0;
}

static int
set_sync(void *into, const char *value, struct err *e)
{
	(void)value, (void)e;
	((struct options *)into)->sync = true;
	return 0;
}

static int
set_verbose(void *into, const char *value, struct err *e)
{
	(void)into, (void)value, (void)e;
	log_verbose = true;
	return 0;
}

static const struct opt table[] = {
    {'o', "output", "FILE", "write the image to FILE, not to stdout",
	set_output},
    {'s', "size", "[+]SIZE",
	"size of the file system, with + what is to be free (+1G)", set_size},
    {'L', "label", "NAME", "volume label, up to 16 bytes", set_label},
    {'N', "inodes", "NUMBER", "how many inodes there are at least", set_inodes},
    {0, "journal", NULL, "with a journal: for an image written in place",
	set_journal},
    {0, "sync", NULL, "be done only when the image is on the disk", set_sync},
    {'v', "verbose", NULL, "tell what is made", set_verbose},
};

const struct opt_command options_command = {
    .name = "vk-mkext",
    .synopsis = "[options] [TAR|-]",
    .purpose = "make an ext4 image from a tar",
    .options = table,
    .count = OPT_COUNT(table),
};

void
options_init(struct options *o)
{
	*o = (struct options){.image.bytes = GIB};
}
