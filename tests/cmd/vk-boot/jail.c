/* SPDX-License-Identifier: MIT */
/*
 * tests of the jail: what a program in it can do
 *
 * In the place of User-mode Linux this program itself is executed, by the
 * warden, with all that a UML gets. It tries what must not work and tells, a
 * word and a number a line, on its console.
 */
#include "cmd/vk-boot/jail.h"

#include "cmd/vk-boot/uml_calls.h"
#include "cmd/vk-boot/vmm_calls.h"
#include "cmd/vk-boot/warden.h"
#include "common/io.h"
#include "common/scope.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#define SHM_BYTES (4 << 20)
#define NOBODY    65534
/* Past the newest number that there is. */
#define CALLS_END_NUMBER 512
/* uprobe: no filter sees it, and nobody else than the kernel's own code can
 * make it. */
#define KERNEL_OWN 336
#define INITRD     "the content of a file that is given"

/* ---- in the jail ---- */

static const char *const forbidden[] = {
    "/etc/passwd",
    "/etc/hostname",
    "/etc/ld.so.cache",
    "/root",
    "/home",
    "/tmp",
    "/var/tmp",
    "/usr/bin/env",
    "/bin/sh",
    "/sys",
    "/run",
    "/dev/zero",
    "/dev/kvm",
    "/dev/ptmx",
    "/proc/1/status",
    "/proc/self/mem",
    "/proc/self/maps",
    "/proc/self/root/etc/passwd",
    "/proc/self/cwd",
    "../../../../../../etc/passwd",
};

static void
say(const char *word, long number)
{
	char line[64];
	int len = snprintf(line, sizeof(line), "%s %ld\n", word, number);

	if (io_write(STDOUT_FILENO, line, (size_t)len) < 0)
		_exit(9);
}

static long
opened_paths(void)
{
	long count = 0;

	for (size_t i = 0; i < sizeof(forbidden) / sizeof(*forbidden); i++) {
		cleanup_fd int fd =
		    open(forbidden[i], O_RDONLY | O_NONBLOCK | O_CLOEXEC);

		count += fd >= 0;
	}
	return count;
}

static long
made_paths(void)
{
	return (mkdir("/made", 0700) == 0) + (mkdir("/lib/made", 0700) == 0) +
	       (open("/made", O_WRONLY | O_CREAT, 0600) >= 0) +
	       (open("/lib/libc.so.6", O_WRONLY) >= 0) +
	       (unlink("/lib/libc.so.6") == 0) + (rmdir("/dev/shm") == 0);
}

/* How many bytes /dev/shm takes, but for the last block. */
static long
fill_shm(void)
{
	static char block[65536];
	cleanup_fd int fd =
	    open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	long all = 0, n;

	while (all < 2 * SHM_BYTES && (n = write(fd, block, sizeof(block))) > 0)
		all += n;
	return fd < 0 ? -1 : all;
}

static long
can_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static long
can_read(const char *path)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[64] = "";

	return io_read(fd, text, sizeof(text)) == strlen(INITRD) &&
	       strcmp(text, INITRD) == 0;
}

static long
other_descriptors(void)
{
	long count = 0;

	for (int fd = 3; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* Who makes that call: how it ends (waitpid(2)). */
static int
end_of_call(int number, long first, long second)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		syscall(number, first, second, -1, -1, -1, -1);
		_exit(3);
	}
	waitpid(pid, &status, 0);
	return status;
}

static bool
in_list(const struct filter_call *call, int number)
{
	for (; call->name; call++)
		if (call->number == number)
			return true;
	return false;
}

/* Of the calls that no list has, those that somebody survived. */
static long
survived_calls(void)
{
	long count = 0;

	for (int number = 0; number < CALLS_END_NUMBER; number++)
		if (!in_list(vmm_calls, number) &&
		    !in_list(uml_calls, number) && number != KERNEL_OWN &&
		    !WIFSIGNALED(end_of_call(number, -1, -1))) {
			count++;
			say("survivor", number);
		}
	return count;
}

static long
is_killed(int number, long first, long second)
{
	int status = end_of_call(number, first, second);

	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static int
probe(char **argv)
{
	char byte;

	say("environment", environ[0] && environ[1] && !environ[2]);
	say("own_root", access("/etc", F_OK) < 0);
	say("descriptors", other_descriptors());
	say("opened", opened_paths());
	say("made", made_paths());
	say("initrd", can_read(argv[2]));
	say("socket", can_connect(argv[3]));
	say("elsewhere", can_connect(argv[4]));
	say("shm", fill_shm());
	say("inet", is_killed(SYS_socket, AF_INET, SOCK_STREAM));
	say("netlink", is_killed(SYS_socket, AF_NETLINK, SOCK_RAW));
	say("spaces", is_killed(SYS_clone, 0x10000000 | SIGCHLD, 0));
	say("survived", survived_calls());
	say("pid", getpid());
	/* Process 1 is the warden, which is not to be harmed. */
	say("killed", kill(1, SIGKILL) == 0 && kill(1, 0) < 0);
	say("traced",
	    syscall(SYS_ptrace, 0x4206 /* PTRACE_SEIZE */, 1, 0, 0) == 0);
	say("ready", 1);
	/* The test looks at us, and ends us. */
	for (;;)
		if (read(STDIN_FILENO, &byte, 1) < 0)
			return 1;
		else
			poll(NULL, 0, 1000);
}

/* ---- outside ---- */

static char base[] = "/tmp/vk-jail-test.XXXXXX";
static char program[64], elsewhere[64];
static char said[8192];

static long
told(const char *word)
{
	char line[64];
	const char *at;

	snprintf(line, sizeof(line), "\n%s ", word);
	at = strstr(said, line);
	return at ? strtol(at + strlen(line), NULL, 10) : -99;
}

static void
hear(int console)
{
	size_t len = 1;
	ssize_t n;

	said[0] = '\n';
	while (len + 1 < sizeof(said) &&
	       (n = read(console, said + len, sizeof(said) - 1 - len)) > 0) {
		len += (size_t)n;
		said[len] = '\0';
		if (told("ready") == 1)
			return;
	}
}

/* A field of /proc/PID/status of the process that the warden's child is. */
static void
read_status(pid_t warden, const char *field, char *into, size_t size)
{
	char path[64], text[4096] = "", *at;
	cleanup_fd int children = -1, status = -1;

	*into = '\0';
	snprintf(
	    path, sizeof(path), "/proc/%d/task/%d/children", warden, warden);
	children = open(path, O_RDONLY | O_CLOEXEC);
	if (io_read(children, text, sizeof(text) - 1) <= 0)
		return;
	snprintf(
	    path, sizeof(path), "/proc/%ld/status", strtol(text, NULL, 10));
	status = open(path, O_RDONLY | O_CLOEXEC);
	memset(text, 0, sizeof(text));
	if (io_read(status, text, sizeof(text) - 1) <= 0)
		return;
	at = strstr(text, field);
	if (at)
		snprintf(into, size, "%.*s",
		    (int)strcspn(at + strlen(field), "\n"), at + strlen(field));
}

static void
check_status(pid_t warden)
{
	char text[64];

	read_status(warden, "CapEff:\t", text, sizeof(text));
	is_str(text, "0000000000000000", "it has no capabilities");
	read_status(warden, "CapBnd:\t", text, sizeof(text));
	if (geteuid() == 0)
		is_str(text, "0000000000000000", "and none to gain");
	read_status(warden, "NoNewPrivs:\t", text, sizeof(text));
	is_str(text, "1", "and no new privileges");
	read_status(warden, "Seccomp:\t", text, sizeof(text));
	is_str(text, "2", "and a filter");
}

/* What has to be the same whether or not this user may have namespaces. */
static void
check_report(void)
{
	is_int(told("descriptors"), 0, "it has the standard descriptors only");
	is_int(told("opened"), 0, "it can open no path of the host's");
	is_int(told("made"), 0, "it can make, change and remove nothing");
	is_int(told("initrd"), 1, "it can read what it is given");
	is_int(told("socket"), 1, "it reaches the socket that it is given");
	is_int(told("inet"), 1, "a socket of the network ends it");
	is_int(told("netlink"), 1, "a netlink socket ends it");
	is_int(told("spaces"), 1, "a namespace ends it");
	if (!ok(told("survived") == 0, "each call that is not listed ends it"))
		printf("# %ld does not\n", told("survivor"));
	is_int(told("traced"), 0, "it cannot trace the warden");
}

static int
listen_elsewhere(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", elsewhere);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 8) < 0 || chmod(elsewhere, 0777) < 0)
		fd_close(&fd);
	return fd;
}

static void
test_jail(void)
{
	static struct filter filter;
	static struct jail jail;
	char initrd[JAIL_PATH_MAX], device[JAIL_PATH_MAX];
	char name[] = "probe";
	char *argv[] = {name, name, initrd, device, elsewhere, NULL};
	cleanup_fd int file = memfd_create("initrd", MFD_CLOEXEC);
	cleanup_fd int listener =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct warden warden = {.line = -1};
	struct warden_launch launch = {.jail = &jail, .argv = argv};
	int console[2], status[2];
	struct err e = ERR_INIT;

	filter_init(&filter, "uml-kernel", UML_CALLS_MAX);
	filter_add(&filter, vmm_calls);
	filter_add(&filter, uml_calls);
	ok(filter_compile(&filter, &e) == 0, "the filter: %s", e.text);
	jail = (struct jail){.program = program,
	    .shm = SHM_BYTES,
	    .folder = "/dev/shm",
	    .setting = "A=B",
	    .filter = &filter};
	ok(jail_give(&jail, file, false, initrd, &e) == 0 &&
		jail_give(&jail, listener, true, device, &e) == 0,
	    "what it is given: %s", e.text);
	if (io_write(file, INITRD, strlen(INITRD)) < 0 ||
	    pipe2(console, O_CLOEXEC) < 0 || pipe2(status, O_CLOEXEC) < 0)
		return;
	launch.console = console[1];
	launch.status = status[1];
	ok(warden_make(&warden, &launch, &e) == 0 &&
		warden_order(&warden, WARDEN_BEGIN, &e) == 0,
	    "a program in a jail: %s", e.text);
	close(console[1]);
	close(status[1]);
	hear(console[0]);
	if (!ok(told("ready") == 1, "it came to its end"))
		printf("# %s\n", said);
	check_report();
	check_status(warden.pid);
	is_int(told("environment"), 1, "it has two variables");
	if (told("own_root") == 1) {
		ok(told("shm") > SHM_BYTES * 9 / 10 && told("shm") <= SHM_BYTES,
		    "it can write as much as is granted to /dev/shm: %ld",
		    told("shm"));
		is_int(told("elsewhere"), 0, "it reaches no other socket");
		ok(told("pid") < 10, "its process has a name of its own");
		is_int(told("killed"), 0, "it cannot end the warden");
	} else {
		skip("no namespaces for this user", "a root of its own");
	}
	jail_release(&jail);
	warden_end(&warden);
	filter_release(&filter);
	close(console[0]);
	close(status[0]);
}

static void
test_nobody(void)
{
	unsigned counts[2] = {tap_count, tap_failed + 1};
	int line[2];
	pid_t pid;

	if (pipe(line) < 0 || (pid = fork()) < 0)
		return;
	if (pid == 0) {
		ok(setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 &&
			setuid(NOBODY) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0,
		    "the same for an ordinary user");
		test_jail();
		counts[0] = tap_count;
		counts[1] = tap_failed;
		_exit(io_write(line[1], counts, sizeof(counts)) < 0);
	}
	close(line[1]);
	if (io_read(line[0], counts, sizeof(counts)) < 0)
		printf("# nobody: no answer\n");
	close(line[0]);
	waitpid(pid, NULL, 0);
	tap_count = counts[0];
	tap_failed = counts[1];
}

int
main(int argc, char **argv)
{
	char command[160];
	cleanup_fd int other = -1;

	if (argc > 4)
		return probe(argv);
	if (CONFINE_SANITIZED) {
		printf("1..0 # SKIP a build with sanitizers has no Landlock\n");
		return 0;
	}
	if (!mkdtemp(base) || chmod(base, 0755) < 0)
		return 1;
	snprintf(program, sizeof(program), "%s/probe", base);
	snprintf(elsewhere, sizeof(elsewhere), "%s/s", base);
	snprintf(
	    command, sizeof(command), "cp /proc/%d/exe %s", getpid(), program);
	other = listen_elsewhere();
	ok(other >= 0 && system(command) == 0, "a program to be jailed");
	test_jail();
	if (geteuid() == 0)
		test_nobody();
	snprintf(command, sizeof(command), "rm -rf %s", base);
	return system(command) != 0 || tap_done();
}
