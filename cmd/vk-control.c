/* SPDX-License-Identifier: MIT */
/* vk-control.c - asks something of a running VM through its control socket */
#include "cmd/vk-control/options.h"
#include "cmd/vk-control/talk.h"

#include "common/die.h"
#include "common/io.h"

#include <signal.h>

int
main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	const char *name = NULL;
	struct options o;
	int first;

	io_keep_standard();
	signal(SIGPIPE, SIG_IGN);
	options_init(&o);
	switch (opt_parse(&options_command, argc, argv, &o, &first, &e)) {
	case OPT_ERROR:
		die_err(&e);
	case OPT_ANSWERED:
		return 0;
	case OPT_RUN:
		break;
	}
	argv += first;
	if (!o.socket)
		name = *argv ? *argv++ : NULL;
	if ((!name && !o.socket) || !*argv)
		die(EX_USAGE, "usage: vk-control %s", options_command.synopsis);
	if (talk(&o, name, argv, &e) < 0)
		die_err(&e);
	return 0;
}
