/* SPDX-License-Identifier: MIT */
/* options.c - the option table of vk-mkext */
#include "cmd/vk-mkext/options.h"

#include "common/size.h"

#include <stdlib.h>
#include <string.h>

static int
set_size(void *into, const char *value, struct err *e)
{
	struct options *o = into;

	o->sized = true;
	o->recipe.image.total = *value != '+';
	if (size_parse(value + (*value == '+'), &o->recipe.image.bytes) < 0)
		return err_set(e, EX_USAGE, "%s: not a size", value);
	return 0;
}

static int
set_label(void *into, const char *value, struct err *e)
{
	struct options *o = into;

	if (strlen(value) > IMAGE_LABEL_MAX)
		return err_set(e, EX_USAGE, "longer than 16 bytes");
	memcpy(o->recipe.image.label, value, strlen(value) + 1);
	return 0;
}

static int
set_inodes(void *into, const char *value, struct err *e)
{
	struct options *o = into;

	if (number_parse(value, UINT32_MAX, &o->recipe.image.inodes) < 0)
		return err_set(e, EX_USAGE, "%s: not a number", value);
	return 0;
}

static int
set_uuid(void *into, const char *value, struct err *e)
{
	struct options *o = into;

	if (uuid_parse(value, o->recipe.image.uuid) < 0)
		return err_set(e, EX_USAGE, "%s: not a UUID", value);
	o->recipe.uuid = true;
	return 0;
}

static int
set_inject(void *into, const char *value, struct err *e)
{
	struct options *o = into;

	if (o->recipe.inject_count == OPTIONS_INJECTS_MAX)
		return err_set(e, EX_USAGE, "more than 256 of them");
	if (inject_parse(&o->injects[o->recipe.inject_count], value, e) < 0)
		return -1;
	o->recipe.inject_count++;
	return 0;
}

static int
set_exclude(void *into, const char *value, struct err *e)
{
	struct options *o = into;

	if (o->recipe.rules.exclude_count == OPTIONS_EXCLUDES_MAX)
		return err_set(e, EX_USAGE, "more than 1024 of them");
	o->excludes[o->recipe.rules.exclude_count++] = value;
	return 0;
}

static int
set_owner(void *into, const char *value, struct err *e)
{
	struct options *o = into;
	struct intake_rules *r = &o->recipe.rules;
	const char *colon = strchr(value, ':');
	char uid_text[16];
	size_t length = colon ? (size_t)(colon - value) : strlen(value);
	uint64_t uid, gid;

	if (length >= sizeof(uid_text))
		return err_set(e, EX_USAGE, "%s: not UID[:GID]", value);
	memcpy(uid_text, value, length);
	uid_text[length] = 0;
	if (number_parse(uid_text, UINT32_MAX, &uid) < 0 ||
	    number_parse(colon ? colon + 1 : uid_text, UINT32_MAX, &gid) < 0)
		return err_set(e, EX_USAGE, "%s: not UID[:GID]", value);
	r->owner = true;
	r->uid = (uint32_t)uid;
	r->gid = (uint32_t)gid;
	return 0;
}

static int
set_squash(void *into, const char *value, struct err *e)
{
	(void)value;
	return set_owner(into, "0:0", e);
}

static int
set_part(void *into, const char *value, struct err *e)
{
	struct options *o = into;

	if (o->recipe.part_count == OPTIONS_PARTS_MAX)
		return err_set(e, EX_USAGE, "more than 256 of them");
	o->parts[o->recipe.part_count++] = value;
	return 0;
}

static int
set_task(
    struct options *o, enum options_task task, const char *image, struct err *e)
{
	if (o->task != TASK_BUILD)
		return err_set(e, EX_USAGE,
		    "only one of --fingerprint, --check, --list, --extract");
	o->task = task;
	o->image = image;
	return 0;
}

static int
set_fingerprint(void *into, const char *value, struct err *e)
{
	return set_task(into, TASK_FINGERPRINT, value, e);
}

static int
set_check(void *into, const char *value, struct err *e)
{
	return set_task(into, TASK_CHECK, value, e);
}

static int
set_list(void *into, const char *value, struct err *e)
{
	return set_task(into, TASK_LIST, value, e);
}

static int
set_extract(void *into, const char *value, struct err *e)
{
	return set_task(into, TASK_EXTRACT, value, e);
}

static const struct opt table[] = {
    {'o', "output", "FILE", "write the image to FILE, not to stdout",
	OPT_TEXT(struct options, output)},
    {'s', "size", "[+]SIZE",
	"size of the file system, with + what is to be free (+1G)",
	.set = set_size},
    {'L', "label", "NAME", "volume label, up to 16 bytes", .set = set_label},
    {'N', "inodes", "NUMBER", "how many inodes there are at least",
	.set = set_inodes},
    {'U', "uuid", "UUID", "this UUID, not a fingerprint", .set = set_uuid},
    {0, "journal", NULL, "with a journal: for an image written in place",
	OPT_FLAG(struct options, recipe.image.journal)},
    {0, "read-only", NULL, "no room to spare, neither space nor inodes",
	OPT_FLAG(struct options, recipe.image.tight)},
    {0, "inject", "HOST:GUEST:MODE[:UID:GID]",
	"put the file HOST into the image as GUEST", .set = set_inject},
    {0, "exclude", "PATTERN", "leave out what matches, and what is below it",
	.set = set_exclude},
    {0, "owner", "UID[:GID]", "all belongs to this user and group",
	.set = set_owner},
    {0, "squash", NULL, "all belongs to root: --owner 0:0", .set = set_squash},
    {0, "part", "TEXT", "stands for the input in the fingerprint",
	.set = set_part},
    {0, "fingerprint", NULL,
	"print the UUID that the image would have, and build nothing",
	.set = set_fingerprint},
    {0, "check", "IMAGE",
	"exit with 0 if IMAGE is what would be built, with 1 if not",
	.set = set_check},
    {0, "list", "IMAGE", "list what is in IMAGE", .set = set_list},
    {0, "extract", "IMAGE", "write what is at PATH in IMAGE as a tar",
	.set = set_extract},
    {0, "sync", NULL, "be done only when the image is on the disk",
	OPT_FLAG(struct options, sync)},
    {'q', "quiet", NULL, "show no progress", OPT_FLAG(struct options, quiet)},
    {'v', "verbose", NULL, "tell what was made", .set = opt_set_verbose},
};

const struct opt_command options_command = {
    .name = "vk-mkext",
    .synopsis = "[options] [TAR|DIRECTORY|-]",
    .purpose = "make an ext4 image from a tar or a directory",
    .options = table,
    .count = OPT_COUNT(table),
};

void
options_init(struct options *o)
{
	*o = (struct options){.task = TASK_BUILD};
	o->recipe.injects = o->injects;
	o->recipe.rules.excludes = o->excludes;
	o->recipe.parts = o->parts;
}

void
options_release(struct options *o)
{
	for (size_t i = 0; i < o->recipe.inject_count; i++)
		inject_release(&o->injects[i]);
	o->recipe.inject_count = 0;
}

int
options_settle(struct options *o, struct err *e)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	uint64_t seconds;

	/* A base that nobody writes to needs no room to live in. */
	if (!o->sized)
		o->recipe.image.bytes = o->recipe.image.tight ? 0 : GIB;
	if (!epoch || !*epoch)
		return 0;
	if (number_parse(epoch, (uint64_t)3 << 32, &seconds) < 0)
		return err_set(e, EX_USAGE,
		    "SOURCE_DATE_EPOCH=%s: not a number of seconds", epoch);
	o->recipe.epoch = true;
	o->recipe.image.time = (int64_t)seconds;
	return 0;
}
