/* SPDX-License-Identifier: MIT */
/* options.c - what the user asked of vk-control */
#include "cmd/vk-control/options.h"

#include "common/size.h"

#include <limits.h>

/* A VM's main loop answers at once; one that does not is stuck. */
#define TIMEOUT_MS 10000

void
options_init(struct options *o)
{
	*o = (struct options){.timeout_ms = TIMEOUT_MS};
}

static int
set_timeout(void *into, const char *value, struct err *e)
{
	struct options *o = into;

	if (duration_parse(value, &o->timeout_ms) < 0 ||
	    o->timeout_ms > INT_MAX)
		return err_set(
		    e, EX_USAGE, "%s: not a duration (10s, 500ms)", value);
	return 0;
}

static const struct opt table[] = {
    {'o', "output", "MEMBER,...", "print these members only, tabs between them",
	OPT_TEXT(struct options, output)},
    {'w', "wait", NULL, "then wait until the VM has ended",
	OPT_FLAG(struct options, wait)},
    {0, "timeout", "TIME", "how long an answer may take (10s)",
	.set = set_timeout},
    {0, "socket", "PATH", "a control socket, in the place of a VM's name",
	OPT_TEXT(struct options, socket)},
};

const struct opt_command options_command = {
    .name = "vk-control",
    .synopsis = "[options] VM COMMAND [NAME=VALUE...]",
    .purpose = "Asks something of a running VM through its control socket.",
    .options = table,
    .count = OPT_COUNT(table),
    .operands_end = true,
};
