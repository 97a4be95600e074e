/* SPDX-License-Identifier: MIT */
/* command.c - a command that has the switch to itself */
#include "cmd/vk-switch/command.h"

#include "common/io.h"
#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Not the command's: its terminal's signals, and its streams, which whoever
 * reads them sees the end of when the command ends. */
static int
part(struct err *e)
{
	cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (setpgid(0, 0) < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0)
		return err_errno(e, EX_OSERR, "/dev/null");
	return 0;
}

/* Waits for the line that says "ready". 0; the child's status if it ended. */
static int
await_ready(int fd, pid_t child, struct err *e)
{
	char newline;
	int status;

	if (io_read(fd, &newline, 1) == 1)
		return 0;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return err_errno(e, EX_OSERR, "the switch");
	return WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status)
							: EX_SOFTWARE;
}

static int
become(char **argv, int fd, struct err *e)
{
	/* A copy is not closed by exec; a descriptor that is 3 already is. */
	if (fd == COMMAND_FD ? fcntl(fd, F_SETFD, 0) < 0
			     : dup2(fd, COMMAND_FD) < 0)
		return err_errno(e, EX_OSERR, "descriptor %d", COMMAND_FD);
	execvp(argv[0], argv);
	return err_errno(e, errno == ENOENT ? 127 : 126, "%s", argv[0]);
}

int
command_start(struct options *o, char **argv, struct err *e)
{
	int ends[2], ready[2], status;
	pid_t child;

	if (o->port_fd >= 0 || o->ready_fd >= 0)
		return err_set(e, EX_USAGE,
		    "%s: a command goes with neither --fd nor --ready-fd",
		    argv[0]);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 ||
	    pipe2(ready, O_CLOEXEC) < 0 || (child = fork()) < 0)
		return err_errno(e, EX_OSERR, "%s", argv[0]);
	close(ends[child != 0]);
	close(ready[child != 0]);
	if (child == 0) {
		o->port_fd = ends[1];
		o->ready_fd = ready[1];
		o->die_with_parent = true;
		return part(e);
	}
	status = await_ready(ready[0], child, e);
	close(ready[0]);
	return status ? status : become(argv, ends[0], e);
}
