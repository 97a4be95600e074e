/* SPDX-License-Identifier: MIT */
/* What a filter lets a process do, tried by children: those that do what it
 * forbids end by SIGSYS. */
#include "common/filter.h"

#include "common/buf.h"
#include "common/confine.h"
#include "tests/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BITS 0x30

static const struct filter_call calls[] = {
    CALL(exit_group),
    CALL_IF(ioctl, 1, 7),
    CALL_IF(ioctl, 1, 9),
    CALL_WITHOUT(mmap, 2, BITS),
    CALL_IF(fcntl, 1, F_GETFD),
    CALL_WITHOUT(fcntl, 2, 1), /* another argument of the same call */
    CALL_IF(getppid, 0, 3),
    CALLS_END,
};

static const struct filter_call more[] = {
    CALL(exit_group),
    CALL(getppid), /* whatever its arguments are */
    CALL_RARE(getuid, "a reason"),
    CALLS_END,
};

static struct filter filter;

/* How a child ends that makes the call: 0, or its signal. */
static int
ends(long number, long a, long b, long c)
{
	struct rlimit none = {0};
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct err e = ERR_INIT;

		setrlimit(RLIMIT_CORE, &none);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		close(STDERR_FILENO);
		if (filter_load(&filter, &e) < 0)
			_exit(99);
		syscall(number, a, b, c, -1, -1, 0);
		syscall(SYS_exit_group, 0);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void
test_calls(void)
{
	is_int(ends(SYS_exit_group, 0, 0, 0), 0, "a call that is there");
	is_int(ends(SYS_getpid, 0, 0, 0), SIGSYS, "one that is not");
	is_int(ends(-1, 0, 0, 0), SIGSYS, "one that there is not");
	is_int(ends(1023, 0, 0, 0), SIGSYS, "nor this");
	is_int(
	    ends(0x40000000 | SYS_exit_group, 0, 0, 0), SIGSYS, "an x32 one");
}

static void
test_arguments(void)
{
	is_int(ends(SYS_ioctl, -1, 7, 0), 0, "an argument's value");
	is_int(ends(SYS_ioctl, -1, 9, 0), 0, "another");
	is_int(ends(SYS_ioctl, -1, 8, 0), SIGSYS, "one that is not there");
	is_int(ends(SYS_ioctl, 7, 0, 9), SIGSYS, "in another argument");
	is_int(ends(SYS_ioctl, -1, 0x100000007, 0), 0, "its lower half counts");
	is_int(ends(SYS_mmap, 0, 0, 0x0f), 0, "none of some bits");
	is_int(ends(SYS_mmap, 0, 0, 0x1f), SIGSYS, "one of them");
	is_int(ends(SYS_mmap, 0, 0, 0xf0), SIGSYS, "both");
	is_int(
	    ends(SYS_fcntl, -1, F_GETFD, 1), 0, "one of two rules is enough");
	is_int(ends(SYS_fcntl, -1, F_SETFD, 2), 0, "or the other");
	is_int(ends(SYS_fcntl, -1, F_SETFD, 1), SIGSYS, "one has to hold");
}

static void
test_union(void)
{
	struct err e = ERR_INIT;
	char names[200];

	is_int(
	    ends(SYS_getppid, 4, 0, 0), SIGSYS, "by one list, not by itself");
	is_int(ends(SYS_getuid, 0, 0, 0), SIGSYS, "nor this");
	is_int(filter_size(&filter), 5, "calls are counted once");
	filter_release(&filter);
	filter_add(&filter, more);
	filter_add(&filter, more);
	is_int(filter_size(&filter), 6, "two lists have what both have");
	ok(filter_compile(&filter, &e) == 0 && filter_compile(&filter, &e) == 0,
	    "compiled, and once more");
	is_int(ends(SYS_getppid, 4, 0, 0), 0, "what one allows is allowed");
	is_int(ends(SYS_ioctl, -1, 8, 0), SIGSYS, "and no more");
	is_str(filter_names(&filter, names, sizeof(names)),
	    "mmap ioctl fcntl getuid? getppid exit_group", "their names");
	filter_release(&filter);
}

static void
test_limits(void)
{
	static struct filter_call many[FILTER_RULES_MAX + 1];
	struct filter full;
	struct err e = ERR_INIT;

	filter_init(&full, "full", 5);
	filter_add(&full, calls);
	filter_add(&full, more);
	ok(filter_compile(&full, &e) < 0, "more calls than the limit");
	is_str(e.text, "full: a filter of 6 system calls, not of 5", "is said");
	filter_release(&full);
	for (unsigned i = 0; i < FILTER_RULES_MAX - 1; i++)
		many[i] = (struct filter_call)CALL_IF(ioctl, 1, i);
	filter_init(&full, "full", 5);
	filter_add(&full, many);
	ok(filter_compile(&full, &e) == 0, "many tests of one call");
	filter_release(&full);
	filter_release(&full);
}

/* What the C library does by itself: buffers grow, of any size. */
static void
test_memory(void)
{
	struct err e = ERR_INIT;
	int status = -1;
	pid_t pid;

	filter_init(&filter, "memory", 20);
	filter_add(&filter, filter_libc);
	filter_add(&filter, more);
	ok(filter_compile(&filter, &e) == 0, "of the C library");
	pid = fork();
	if (pid == 0) {
		struct buf b = BUF_INIT(1 << 20);

		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (filter_load(&filter, &e) < 0)
			_exit(99);
		while (buf_puts(&b, "a line for one who does not read\n") == 0)
			continue;
		buf_release(&b);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	is_int(status, 0, "a buffer grows");
	filter_release(&filter);
}

int
main(void)
{
	struct err e = ERR_INIT;

	if (CONFINE_SANITIZED) {
		printf("1..0 # SKIP a build with sanitizers has no filters\n");
		return 0;
	}
	filter_init(&filter, "test", 10);
	filter_add(&filter, calls);
	ok(filter_compile(&filter, &e) == 0, "a filter: %s", e.text);
	test_calls();
	test_arguments();
	test_union();
	test_limits();
	test_memory();
	return tap_done();
}
