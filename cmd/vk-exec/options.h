/* SPDX-License-Identifier: MIT */
/* options.h - what the user asked vk-exec for */
#ifndef VK_EXEC_OPTIONS_H
#define VK_EXEC_OPTIONS_H

#include "common/err.h"
#include "common/opt.h"
#include "common/size.h"

#include <stdbool.h>
#include <stdint.h>

enum mode {
	MODE_EXEC,
	MODE_ATTACH,
	MODE_LIST,
	MODE_KILL,
	MODE_PS,
	MODE_LOGS,
	MODE_FORWARD, /* any number of -L and -R */
	MODE_JOIN,    /* -W */
	MODE_FREEZE,
	MODE_THAW,
	MODE_CLOCK,
	MODE_WAIT,
	MODE_STOP,
	MODE_COPY,
};

/* More than one command needs; a table driven by arguments has a limit. */
#define FORWARDS_MAX 64

struct options {
	enum mode mode;
	bool tty, no_stdin, detach, clear_env, json, follow, stdin_kept;
	const char *user, *dir, *socket, *target;
	char **env; /* ends with NULL */
	size_t env_count;
	uint64_t timeout_ms, grace_ms;
	bool grace_given;
	int status_fd, ready_fd; /* -1: none */
	int signal;
	uint32_t id;
	const char *forwards[FORWARDS_MAX]; /* as given */
	bool forward_back[FORWARDS_MAX];    /* -R */
	size_t forward_count;
	bool recursive; /* cp */
};

extern const struct opt_command exec_command, copy_command;

void options_init(struct options *);
void options_release(struct options *);

/* The client's LANG, LC_* and TZ, where -e did not name them. 0, -1. */
int options_add_locale(struct options *, struct err *);

/* "TERM", "SIGTERM", "15". Returns the number, -1. */
int signal_parse(const char *text);

#endif
