/* SPDX-License-Identifier: MIT */
/* console.c - the console joined to standard input and output, by peers that do
 * not read */
#include "cmd/vk-control/console.h"

#include "common/io.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PASTE ((size_t)600 << 10) /* more than sockets and pipes hold */

static pid_t joined;
static int vm, in, out; /* our ends */

/* A user's vk-control, in a process of its own. */
static void
begin(void)
{
	int line[2], typed[2], shown[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line) < 0 ||
	    pipe2(typed, O_CLOEXEC) < 0 || pipe2(shown, O_CLOEXEC) < 0)
		exit(1);
	fflush(stdout);
	joined = fork();
	if (joined == 0) {
		struct connection c = {.fd = line[1], .lock = -1};
		struct err e = ERR_INIT;

		dup2(typed[0], STDIN_FILENO);
		dup2(shown[1], STDOUT_FILENO);
		close(line[0]);
		close(typed[1]);
		close(shown[0]);
		_exit(console_join(&c, &e) < 0 ? e.status : 0);
	}
	close(line[1]);
	close(typed[0]);
	close(shown[1]);
	vm = line[0];
	in = typed[1];
	out = shown[0];
}

static int
end(void)
{
	int status;

	waitpid(joined, &status, 0);
	close(vm);
	close(in);
	close(out);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Writes from a process of its own, as it has to wait. */
static pid_t
paste(void)
{
	static char text[PASTE];
	pid_t pid = fork();

	if (pid == 0)
		_exit(io_write(in, text, sizeof(text)) < 0);
	close(in);
	in = -1;
	return pid;
}

static size_t
take(int fd)
{
	char piece[4096];
	size_t count = 0;
	ssize_t n;

	while ((n = read(fd, piece, sizeof(piece))) > 0)
		count += (size_t)n;
	return count;
}

static void
test_paste(void)
{
	char text[8] = "";
	pid_t pid;
	int status;

	begin();
	pid = paste();
	waitpid(pid, &status, 0);
	is_int(status, 0, "a large paste, of which the guest takes nothing");
	if (io_write(vm, "still\n", 6) < 0)
		exit(1);
	is_int(io_read(out, text, 6), 6, "what it says is shown");
	is_str(text, "still\n", "meanwhile");
	is_int((long)take(vm), PASTE, "all that was typed arrives");
	shutdown(vm, SHUT_WR);
	is_int(end(), 0, "and it ends with the VM");
}

static void
test_unread(void)
{
	static char text[PASTE];
	struct pollfd shown;
	pid_t pid;

	begin();
	pid = fork();
	if (pid == 0)
		_exit(io_write(vm, text, sizeof(text)) < 0);
	shown = (struct pollfd){.fd = out, .events = POLLIN};
	if (poll(&shown, 1, -1) < 0 || io_write(in, "typed\n", 6) < 0)
		exit(1);
	is_int(io_read(vm, text, 6), 6,
	    "what is typed arrives while nobody reads what is said");
	shutdown(vm, SHUT_WR);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ok(take(out) > 0, "which is read later");
	is_int(end(), 0, "to its end");
}

static void
test_gone(void)
{
	begin();
	close(out);
	out = -1;
	is_int(
	    end(), EX_IOERR, "the reader has gone: it does not wait for more");
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	alarm(60);
	test_paste();
	test_unread();
	test_gone();
	return tap_done();
}
