/* SPDX-License-Identifier: MIT */
/*
 * vk-agent.c - process 1 of the guest, and the guest's end of vk-exec
 *
 * As process 1 with a configuration beside it, it boots the guest; with
 * options, it serves as an ordinary process (tests, benchmarks, a guest whose
 * image has an init of its own).
 */
#include "agent/agent.h"
#include "agent/boot.h"
#include "agent/clock.h"
#include "agent/config.h"
#include "agent/files.h"
#include "agent/groups.h"
#include "agent/mounts.h"
#include "agent/net.h"
#include "agent/notify.h"
#include "agent/oom.h"
#include "agent/power.h"
#include "agent/sandbox.h"
#include "agent/sandbox_mounts.h"
#include "agent/server.h"
#include "agent/shelter.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define TEXT(x)  TEXT_(x)
#define TEXT_(x) #x
#define VSOCK    "vsock:" TEXT(EXEC_PORT)

static struct agent agent;
static struct config config;

/* The guest cannot be what was asked for: says so and goes down. */
_Noreturn static void
give_up(const struct err *e)
{
	log_warn("%s", e->text);
	agent_event(&agent, EVENT_FATAL, "%s", e->text);
	power_down(&agent, false);
	for (;;)
		pause();
}

static void
use_config(void)
{
	static char *wrapper[CONFIG_WORDS_MAX + 1];

	agent.policy.sandbox = config.sandbox;
	if (config.allow.count > 0)
		agent.policy.allow = config.allow.lines;
	if (config.wrapper && config_words(config.wrapper, wrapper) > 0)
		agent.policy.wrapper = wrapper;
	log_verbose = config.verbose;
}

/* The host's clock when it wrote the configuration, and what passed since. */
static void
set_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	if (config.time_ns &&
	    clock_set(config.time_ns + (uint64_t)t.tv_sec * 1000000000 +
		      (uint64_t)t.tv_nsec) < 0)
		log_warn("clock: %s", strerror(errno));
}

/* Process 1: from the initramfs to a guest that serves. */
static void
boot(void)
{
	struct err e = ERR_INIT;

	boot_early();
	server_stage("agent");
	if (config_read(&config, "/vk/config", &e) < 0)
		give_up(&e);
	if (config_read_parameters(&config, "/proc/cmdline", &e) < 0)
		log_warn("%s", e.text);
	use_config();
	set_clock();
	boot_modules(&config);
	boot_seed();
	server_stage("modules");
	if (server_listen(&agent, config.listen ? config.listen : VSOCK, &e) <
		0 ||
	    server_announce(
		&agent, config.announce ? config.announce : VSOCK, &e) < 0)
		log_warn("%s", e.text);
	if (boot_root(&config, &e) < 0)
		give_up(&e);
	server_stage("root");
	if (mounts_all(&config, &e) < 0)
		give_up(&e);
	server_stage("mounts");
	files_hostname(&config, agent.policy.hostname);
	files_dns(&config);
	net_start(&agent, &config);
	files_write(&config);
	notify_listen(&agent);
	server_stage("network");
	if (config.sandbox)
		sandbox_kernel();
	groups_make(&agent.loop);
	oom_watch(&agent);
	mounts_lock(&config);
	if (config.sandbox && sandbox_mounts(&e) < 0)
		give_up(&e);
}

/* An ordinary process: options instead of a configuration. */
static int
serve(int argc, char **argv, struct err *e)
{
	int served = 0;

	for (int i = 1; i + 1 < argc; i += 2) {
		const char *option = argv[i], *value = argv[i + 1];
		int status = 0;

		if (strcmp(option, "--listen") == 0) {
			status = server_listen(&agent, value, e);
			served = 1;
		} else if (strcmp(option, "--announce") == 0) {
			status = server_announce(&agent, value, e);
		} else if (strcmp(option, "--root") == 0) {
			agent.policy.root = argv[i + 1];
		} else if (strcmp(option, "--config") == 0) {
			status = config_read(&config, value, e);
		} else {
			return err_set(
			    e, EX_USAGE, "%s: unknown option", option);
		}
		if (status < 0)
			return -1;
	}
	if (!served || argc % 2 == 0)
		return err_set(e, EX_USAGE,
		    "usage: vk-agent --listen ADDRESS [--announce ADDRESS] "
		    "[--root DIR] [--config FILE]");
	use_config();
	gethostname(agent.policy.hostname, sizeof(agent.policy.hostname) - 1);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	return 0;
}

int
main(int argc, char **argv)
{
	struct err e = ERR_INIT;

	log_name("vk-agent");
	agent.own_name = argc > 0 ? argv[0] : NULL;
	if (loop_init(&agent.loop) < 0 || server_signals(&agent) < 0) {
		log_warn("%s", strerror(errno));
		return EX_OSERR;
	}
	agent.policy.is_init = getpid() == 1;
	shelter_take();
	/* A kernel hands the words that it does not know on to its init. */
	if (agent.policy.is_init && (argc == 1 || argv[1][0] != '-')) {
		boot();
	} else if (serve(argc, argv, &e) < 0) {
		log_warn("%s", e.text);
		return e.status;
	}
	server_ready(&agent);
	server_run(&agent);
	return 0;
}
