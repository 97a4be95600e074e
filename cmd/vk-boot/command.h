/* SPDX-License-Identifier: MIT */
/*
 * command.h - what runs in the guest: the image's configuration and the user's
 * wishes over it, as `docker run` joins them
 *
 *	argv	Entrypoint, then Cmd. A command from the user takes Cmd's place;
 *		an entrypoint from the user takes Entrypoint's and drops Cmd.
 *	env	Env, then the user's; the last of a name counts.
 *	user, dir	the user's, else the image's, else the agent's default.
 *
 * The image's configuration is the OCI one (image-spec, config.md), as the
 * guest read it from /.vk/image.json: hostile, and at most FRAME_IMAGE_MAX.
 */
#ifndef VK_BOOT_COMMAND_H
#define VK_BOOT_COMMAND_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Words and variables; the kernel's own limit is on their bytes. */
#define COMMAND_WORDS_MAX 4096

struct word_list { /* ends with NULL; owns its strings */
	char **words;
	size_t count;
};

struct command_wish {           /* borrowed */
	char *const *argv;      /* NULL, or ends with NULL */
	const char *entrypoint; /* NULL: the image's; "": none */
	const struct word_list *env;
	const char *user, *dir; /* NULL: the image's */
};

struct command {
	struct word_list argv, env;
	char *user, *dir; /* NULL: none */
	int stop_signal;  /* 0: none named */
};

/* Adds a copy. 0, -1 when there are too many or memory ran out. */
int word_list_add(struct word_list *, const char *word);
void word_list_release(struct word_list *);

/*
 * Joins. json may be empty (no configuration). Returns 0, -1 with err:
 * EX_DATAERR where the configuration is malformed, EX_USAGE where there is
 * nothing to run.
 */
int command_make(struct command *, const void *json, size_t len,
    const struct command_wish *, struct err *);
/* Whether its program is one that has to be process 1: an init by its name, in
 * a folder of system programs. */
bool command_is_init(const struct command *);
void command_release(struct command *); /* may be called twice */

#endif
