/* SPDX-License-Identifier: MIT */
/* options.h - the option table of vk-mkext, and what it fills in */
#ifndef VK_MKEXT_OPTIONS_H
#define VK_MKEXT_OPTIONS_H

#include "cmd/vk-mkext/recipe.h"
#include "common/opt.h"

#include <stdbool.h>
#include <stdint.h>

/* As many of each as fit a command line that somebody reads. */
#define OPTIONS_INJECTS_MAX  256
#define OPTIONS_EXCLUDES_MAX 1024
#define OPTIONS_PARTS_MAX    256

enum options_task {
	TASK_BUILD,
	TASK_FINGERPRINT,
	TASK_CHECK,
	TASK_LIST,
	TASK_EXTRACT,
};

struct options {
	enum options_task task;
	const char *output; /* of TASK_BUILD; NULL: stdout */
	const char *image;  /* of the tasks that look into one */
	bool sync;
	bool quiet;
	bool sized; /* -s was given */
	struct recipe recipe;
	struct inject injects[OPTIONS_INJECTS_MAX];
	const char *excludes[OPTIONS_EXCLUDES_MAX];
	const char *parts[OPTIONS_PARTS_MAX];
};

extern const struct opt_command options_command;

/* What stands where no option does. The struct must not move afterwards. */
void options_init(struct options *);
void options_release(struct options *);

/* After the last option: what follows from all of them together, and from
 * SOURCE_DATE_EPOCH. */
int options_settle(struct options *, struct err *);

#endif
