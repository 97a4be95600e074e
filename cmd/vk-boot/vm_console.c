/* SPDX-License-Identifier: MIT */
/* vm_console.c - where a VM's console is, and who sees it */
#include "cmd/vk-boot/vm_console.h"

#include "cmd/vk-boot/vm.h"

#include "common/log.h"
#include "common/scope.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of the console, when something went wrong: a panic with its trace, as the
 * reason comes before that. */
#define LAST_LINES 60

/* Our own terminal. */
const struct filter_call vm_console_calls[] = {
    CALL_IF(ioctl, 1, TCGETS),
    CALL_IF(ioctl, 1, TCSETS),
    CALL_IF(ioctl, 1, TCSETSW), /* terminal_pause */
    CALL_IF(ioctl, 1, TIOCGWINSZ),
    CALL(getpid), /* the terminal's escape is SIGTERM */
    CALL_IF(kill, 1, SIGTERM),
    CALLS_END,
};

void
vm_console_output(void *owner, const void *text, size_t len)
{
	ring_add(owner, text, len);
}

static int
open_ring(struct vm *vm, struct err *e)
{
	int file = -1;

	if (vm->folder.dir >= 0 && vm->options.console != CONSOLE_NONE) {
		file = openat(vm->folder.dir, "console.log",
		    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (file < 0)
			return err_errno(e, EX_CANTCREAT, "console.log");
	}
	vm->ring = ring_new(file, e);
	return vm->ring ? 0 : -1;
}

/* A terminal or a pipe of ours that does not block, without making it so for
 * those who share it. A file does not block; opened anew, it would be written
 * from its start. */
static int
reopen(int fd, int flags)
{
	struct stat st;
	char path[32];
	int own;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fcntl(fd, F_DUPFD_CLOEXEC, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return own >= 0 ? own : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* The user asked to leave, or hung up. */
static void
stdio_left(void *owner)
{
	(void)owner;
	kill(getpid(), SIGTERM);
}

static int
open_stdio(struct vm *vm, struct err *e)
{
	struct view_config config = {
	    .in = reopen(STDIN_FILENO, O_RDONLY),
	    .out = reopen(STDOUT_FILENO, O_WRONLY),
	    .from_start = true,
	    .escape = isatty(STDIN_FILENO),
	    .stays = true,
	    .left = stdio_left,
	};

	struct stat st;

	/* There is no waiting for a file. */
	if (fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode)) {
		fd_close(&config.in);
		fd_close(&config.out);
		err_set(e, EX_USAGE, "--console stdio: input is a file");
		return err_hint(e, "cat FILE | vk-boot --console stdio ...");
	}
	if (isatty(STDIN_FILENO) &&
	    terminal_raw(&vm->terminal, STDIN_FILENO, e) < 0)
		return -1;
	return views_open(vm->views, &config, NULL, 0, e);
}

static int
open_pty(struct vm *vm, struct err *e)
{
	char name[64];

	if (views_terminal(vm->views, name, e) < 0)
		return -1;
	log_warn("the console is %s", name);
	status_event(
	    &vm->status, "console", json_pack("{s:s}", "terminal", name));
	return 0;
}

/* Who may watch the console and type into it. */
static int
open_views(struct vm *vm, struct err *e)
{
	const struct options *o = &vm->options;

	/* With a name there is the control socket, by which to ask for one. */
	if (!o->name && o->console < CONSOLE_STDIO)
		return 0;
	vm->views = views_new(vm->main_loop, vm->ring, e);
	if (!vm->views)
		return -1;
	switch (o->console) {
	case CONSOLE_STDIO:
		return open_stdio(vm, e);
	case CONSOLE_PTY:
		return open_pty(vm, e);
	case CONSOLE_SOCKET:
		return views_listen(vm->views, o->console_socket, e);
	default:
		return 0;
	}
}

/* The command's terminal is to be raw while the command runs; whoever sees to
 * it that it does not stay so is made now, before there are threads. */
static int
open_terminal(struct vm *vm, struct err *e)
{
	if (!vm->options.tty || !isatty(STDIN_FILENO))
		return 0;
	if (terminal_raw(&vm->terminal, STDIN_FILENO, e) < 0)
		return -1;
	terminal_pause(&vm->terminal);
	return 0;
}

int
vm_console_open(struct vm *vm, struct err *e)
{
	if (open_ring(vm, e) < 0 || open_views(vm, e) < 0)
		return -1;
	return open_terminal(vm, e);
}

/* What a user wants to see of a guest that failed. */
const char *
vm_console_last_words(void *owner)
{
	static char text[8192];
	struct vm *vm = owner;

	if (ring_last(vm->ring, LAST_LINES, text, sizeof(text)) > 0)
		log_text(text);
	return text;
}
