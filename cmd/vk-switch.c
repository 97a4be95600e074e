/* SPDX-License-Identifier: MIT */
/* vk-switch.c - a LAN for VMs, and a way out through ordinary sockets */
#include "cmd/vk-switch/command.h"
#include "cmd/vk-switch/confine.h"
#include "cmd/vk-switch/lan.h"
#include "cmd/vk-switch/options.h"
#include "common/die.h"
#include "common/io.h"
#include "common/log.h"
#include "common/opt.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

/* Too large for a stack, and there is one. */
static struct lan lan;
static struct options options;
static int signals = -1;

static void
signal_event(struct lan *l, const struct watch *w, uint32_t events)
{
	struct signalfd_siginfo info;
	struct err e = ERR_INIT;

	(void)w, (void)events;
	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo != SIGHUP)
		l->stop = true;
	else if (reload_begin(l, &e) < 0)
		log_warn("%s", e.text);
}

/* SIGTERM and SIGINT end the loop, and with it the switch in good order;
 * SIGHUP has files read again. */
static int
watch_signals(struct err *e)
{
	struct watch w = {.kind = WATCH_SIGNAL};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_errno(e, EX_OSERR, "signals");
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	lan.loop.handlers[WATCH_SIGNAL] = signal_event;
	if (signals < 0 || loop_watch(&lan.loop, signals, &w, EPOLLIN) < 0)
		return err_errno(e, EX_OSERR, "signals");
	return 0;
}

static void
tell_ready(void)
{
	event_log(&lan, "ready", "", "");
	if (options.ready_fd < 0)
		return;
	if (write(options.ready_fd, "\n", 1) < 0)
		lan.stop = errno == EPIPE; /* whoever waited is gone */
	close(options.ready_fd);
}

static int
run(struct err *e)
{
	if (confine_check(e) < 0 || options_apply(&options, &lan, e) < 0 ||
	    lan_init(&lan, e) < 0 || watch_signals(e) < 0 ||
	    options_open(&options, &lan, e) < 0 ||
	    confine(&lan, options.die_with_parent, e) < 0)
		return -1;
	tell_ready();
	return lan_run(&lan, e);
}

int
main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	int first, result;

	io_keep_standard();
	options_init(&options);
	switch (opt_parse(&options_command, argc, argv, &options, &first, &e)) {
	case OPT_ANSWERED:
		return 0;
	case OPT_ERROR:
		die_err(&e);
	case OPT_RUN:
		break;
	}
	if (first < argc) {
		/* Below, we are its child. */
		result = command_start(&options, argv + first, &e);
		if (result < 0)
			die_err(&e);
		if (result > 0)
			return result;
	}
	lan_defaults(&lan);
	result = run(&e);
	lan_release(&lan);
	if (result < 0)
		die_err(&e);
	return 0;
}
