/* SPDX-License-Identifier: MIT */
/* vk-exec.c - runs a command in a VM as if it were here */
#include "cmd/vk-exec/copy.h"
#include "cmd/vk-exec/mode.h"
#include "cmd/vk-exec/options.h"
#include "cmd/vk-exec/vm.h"
#include "common/die.h"
#include "common/io.h"

#include <signal.h>
#include <string.h>

/* What a shell would say of a command that we could not run. */
#define FAILED 125

int
main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	struct options o;
	enum opt_result parsed;
	bool copy = argc > 1 && strcmp(argv[1], "cp") == 0;
	struct vm vm;
	int first = 0, status;

	io_keep_standard();
	signal(SIGPIPE, SIG_IGN);
	options_init(&o);
	parsed = opt_parse(copy ? &copy_command : &exec_command, argc - copy,
	    argv + copy, &o, &first, &e);
	if (parsed == OPT_ANSWERED)
		return 0;
	if (parsed == OPT_ERROR)
		die_err(&e);
	argv += copy + first;
	if (copy) {
		status = copy_run(&o, argv, &e);
	} else {
		if (!o.socket && !*argv)
			die(EX_USAGE, "which VM?");
		if (vm_find(&vm, o.socket ? NULL : *argv, o.socket, &e) < 0)
			die_err(&e);
		argv += !o.socket;
		if (*argv && strcmp(*argv, "--") == 0)
			argv++;
		status = mode_run(&vm, &o, argv, &e);
	}
	options_release(&o);
	if (status < 0 && o.mode == MODE_EXEC && !copy)
		e.status = FAILED;
	if (status < 0)
		die_err(&e);
	return status;
}
