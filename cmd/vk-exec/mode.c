/* SPDX-License-Identifier: MIT */
/* mode.c - each thing that vk-exec does with a VM */
#include "cmd/vk-exec/mode.h"

#include "cmd/vk-exec/forward.h"
#include "cmd/vk-exec/run.h"
#include "cmd/vk-exec/table.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int
run_command(const struct vm *vm, struct options *o, char **argv, struct err *e)
{
	struct session_request r;

	if (!*argv)
		return err_set(e, EX_USAGE, "no command was given");
	if (options_add_locale(o, e) < 0)
		return -1;
	run_request(&r, o);
	r.argv = argv;
	r.flags = OPEN_DEFAULTS;
	if (o->clear_env)
		r.flags |= OPEN_NO_ENV;
	if (o->tty) {
		r.flags |= OPEN_TTY;
		r.term = getenv("TERM");
	}
	if (o->detach)
		r.flags |= OPEN_DETACH | (o->stdin_kept ? OPEN_STDIN : 0);
	else if (!o->no_stdin)
		r.flags |= OPEN_STDIN;
	return run_session(vm, o, &r, e);
}

/* The kinds that take nothing but the VM and perhaps a session. */
static int
run_plain(const struct vm *vm, const struct options *o, enum open_kind kind,
    struct err *e)
{
	struct session_request r;
	struct timespec now;

	run_request(&r, o);
	r.kind = kind;
	r.id = o->id;
	r.signal = o->signal;
	r.in = -1;
	if (kind == OPEN_LOGS && o->follow)
		r.flags |= OPEN_FOLLOW;
	if (kind == OPEN_ATTACH) {
		r.in = STDIN_FILENO;
		r.flags |= OPEN_STDIN | (o->tty ? OPEN_TTY : 0);
	}
	if (kind == OPEN_CLOCK) {
		clock_gettime(CLOCK_REALTIME, &now);
		r.clock_ns =
		    (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	}
	if (kind == OPEN_STOP && !o->grace_given)
		r.grace_ms = 10000;
	return run_session(vm, o, &r, e);
}

/* "main", "all" or a number, for --kill and --logs. */
static int
take_session(
    struct options *o, const char *text, uint32_t *flags, struct err *e)
{
	uint64_t id = 0;

	if (!text || strcmp(text, "main") == 0)
		return 0;
	if (o->mode == MODE_KILL && strcmp(text, "all") == 0) {
		*flags |= OPEN_ALL;
		return 0;
	}
	if (number_parse(text, UINT32_MAX, &id) < 0 || id == 0)
		return err_set(e, EX_USAGE, "%s: not a session", text);
	o->id = (uint32_t)id;
	return 0;
}

static int
run_kill(
    const struct vm *vm, struct options *o, const char *which, struct err *e)
{
	struct session_request r;
	uint32_t flags = 0;

	if (take_session(o, which, &flags, e) < 0)
		return -1;
	run_request(&r, o);
	r.kind = OPEN_KILL;
	r.flags = flags;
	r.id = o->id;
	r.signal = o->signal;
	r.in = -1;
	return run_session(vm, o, &r, e);
}

int
mode_run(const struct vm *vm, struct options *o, char **rest, struct err *e)
{
	uint32_t flags = 0;

	switch (o->mode) {
	case MODE_EXEC:
		return run_command(vm, o, rest, e);
	case MODE_ATTACH:
		return run_plain(vm, o, OPEN_ATTACH, e);
	case MODE_LIST:
		return table_print(vm, OPEN_LIST, o->json, e);
	case MODE_PS:
		return table_print(vm, OPEN_PS, o->json, e);
	case MODE_KILL:
		return run_kill(vm, o, *rest, e);
	case MODE_LOGS:
		if (take_session(o, *rest, &flags, e) < 0)
			return -1;
		return run_plain(vm, o, OPEN_LOGS, e);
	case MODE_FORWARD:
		return forward_run(vm, o, e);
	case MODE_JOIN:
		return forward_join_stdio(vm, o, e);
	case MODE_FREEZE:
		return run_plain(vm, o, OPEN_FREEZE, e);
	case MODE_THAW:
		return run_plain(vm, o, OPEN_THAW, e);
	case MODE_CLOCK:
		return run_plain(vm, o, OPEN_CLOCK, e);
	case MODE_WAIT:
		return vm_wait(vm, o->timeout_ms, e);
	case MODE_STOP:
		return run_plain(vm, o, OPEN_STOP, e);
	case MODE_COPY:
		break;
	}
	return -1;
}
