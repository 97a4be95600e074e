/* SPDX-License-Identifier: MIT */
/* talk.c - a VM that hangs up instead of an answer */
#include "cmd/vk-control/talk.h"

#include "tests/tap.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char top[] = "/tmp/vk-talk.XXXXXX";
static struct sockaddr_un at = {.sun_family = AF_UNIX};

/* The status of talk() with a VM that takes one connection and hangs up; its
 * socket is still there if it lives on. */
static int
says(const char *command, bool lives)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), result, one;
	struct err e = ERR_INIT;
	struct options o;
	pid_t pid;

	options_init(&o);
	o.socket = at.sun_path;
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(fd, 4) < 0)
		exit(1);
	pid = fork();
	if (pid == 0) {
		one = accept(fd, NULL, NULL);
		if (!lives && (unlink(at.sun_path) < 0 || close(fd) < 0))
			_exit(1);
		close(one);
		pause();
	}
	close(fd);
	result = talk(
	    &o, NULL, (char *const[]){(char *)(uintptr_t)command, NULL}, &e);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	unlink(at.sun_path);
	return result < 0 ? e.status : result;
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(top))
		return 1;
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/control", top);
	is_int(says("stop", false), 0, "a VM that is gone is stopped");
	is_int(says("kill", false), 0, "and killed");
	ok(says("status", false) > 0, "but has no status");
	ok(says("stop", true) > 0, "one that is there is not stopped");
	if (rmdir(top) < 0)
		perror(top);
	return tap_done();
}
