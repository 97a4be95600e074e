/* SPDX-License-Identifier: MIT */
/*
 * vk-boots.c - how far a VM is, and how long after its VMM was started
 *
 *	vk-boots CMD...		CMD writes lines about its guest to descriptor
 *				3, as vk-boot --status-fd 3 does
 *	vk-boots -l CMD...	nobody does: the guest's agent is heard here, by
 *				vsock, and its lines are written for it
 *
 * Prints each line behind the microseconds since CMD was started, up to the
 * one that says "ready"; then CMD is killed.
 */
#include "common/announce.h"
#include "common/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* In a lab, a slow one. */
#define DEADLINE_MS 180000

static struct timespec from;

static void
tell(const char *line)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	printf("%ld %s\n",
	    (now.tv_sec - from.tv_sec) * 1000000 +
		(now.tv_nsec - from.tv_nsec) / 1000,
	    line);
	fflush(stdout);
}

static _Noreturn void
fail(pid_t pid, const char *what)
{
	fprintf(stderr, "vk-boots: %s\n", what);
	if (pid > 0)
		kill(pid, SIGKILL);
	exit(1);
}

static int
listen_vsock(void)
{
	struct sockaddr_vm address = {
	    .svm_family = AF_VSOCK,
	    .svm_port = EXEC_PORT,
	    .svm_cid = VMADDR_CID_ANY,
	};
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 1) < 0) {
		perror("vk-boots: vsock");
		exit(1);
	}
	return fd;
}

static pid_t
start(char **argv, int fd)
{
	pid_t pid;

	clock_gettime(CLOCK_MONOTONIC, &from);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (fd >= 0 && fd != 3)
			dup2(fd, 3);
		else if (fd == 3)
			fcntl(fd, F_SETFD, 0);
		execvp(argv[0], argv);
		perror(argv[0]);
		_exit(127);
	}
	return pid;
}

/* Something to read, in time. */
static void
await(int fd, pid_t pid)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};

	if (poll(&ready, 1, DEADLINE_MS) <= 0)
		fail(pid, "the guest was not up in time");
}

/* Lines of CMD. */
static void
pass_on(int fd, pid_t pid)
{
	FILE *file = fdopen(fd, "r");
	char line[8192];

	for (;;) {
		await(fd, pid);
		if (!fgets(line, sizeof(line), file))
			fail(pid, "ended before it was up");
		line[strcspn(line, "\n")] = '\0';
		tell(line);
		if (strstr(line, "\"ready\""))
			return;
	}
}

static void
tell_stages(const struct announce_event *event)
{
	struct buf line;

	buf_init(&line, 4096);
	buf_puts(&line, "{\"event\":\"boot\",\"stages\":[");
	for (unsigned i = 0; i < event->stage_count; i++)
		buf_printf(&line, "%s{\"name\":\"%s\",\"ms\":%.6f}",
		    i ? "," : "", event->stages[i].name,
		    (double)event->stages[i].ns / 1e6);
	buf_puts(&line, "]}");
	tell(line.failed ? "{}" : (const char *)line.data);
	buf_release(&line);
}

/* What the agent says to its host. */
static void
hear(int listener, pid_t pid)
{
	struct announce announce;
	struct announce_event event;
	struct err e = ERR_INIT;
	int fd;

	await(listener, pid);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0 || announce_init(&announce) < 0)
		fail(pid, "no connection of the agent");
	while (announce_next(&announce, fd, &event, &e) == ANNOUNCE_EVENT) {
		if (event.type == FRAME_HELLO)
			tell_stages(&event);
		if (event.type != FRAME_READY)
			continue;
		tell("{\"event\":\"ready\"}");
		return;
	}
	fail(pid, e.text[0] ? e.text : "the agent went away");
}

int
main(int argc, char **argv)
{
	bool listens = argc > 1 && strcmp(argv[1], "-l") == 0;
	int ends[2] = {-1, -1}, listener = -1;
	pid_t pid;

	argv += 1 + listens;
	if (!argv[0]) {
		fprintf(stderr, "usage: vk-boots [-l] CMD...\n");
		return 64;
	}
	if (listens)
		listener = listen_vsock();
	else if (pipe2(ends, O_CLOEXEC) < 0)
		fail(0, strerror(errno));
	pid = start(argv, ends[1]);
	if (listens) {
		hear(listener, pid);
	} else {
		close(ends[1]);
		pass_on(ends[0], pid);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return 0;
}
