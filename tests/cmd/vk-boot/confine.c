/* SPDX-License-Identifier: MIT */
/* tests of the sandbox: what a thread of vk-boot can do once it is closed */
#include "cmd/vk-boot/sandbox.h"

#include "cmd/vk-boot/kvm.h"
#include "cmd/vk-boot/machine.h"
#include "cmd/vk-boot/virtio/balloon.h"
#include "cmd/vk-boot/virtio/console.h"
#include "cmd/vk-boot/virtio/net.h"
#include "cmd/vk-boot/virtio/rng.h"
#include "cmd/vk-boot/virtio/vsock.h"
#include "cmd/vk-boot/vm.h"
#include "cmd/vk-boot/x86/loader.h"
#include "common/scope.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Past the newest number that there is. */
#define CALLS_END_NUMBER 512

/* Paths that every machine has, and ways around the root. */
static const char *const forbidden[] = {
    "/",
    "/etc",
    "/etc/passwd",
    "/etc/hostname",
    "/root",
    "/home",
    "/tmp",
    "/var/tmp",
    "/dev",
    "/dev/null",
    "/dev/kvm",
    "/dev/zero",
    "/proc",
    "/proc/self/mem",
    "/proc/self/maps",
    "/proc/1/status",
    "/sys",
    "/sys/kernel",
    "/bin/sh",
    "/usr/bin/env",
    "/run",
    "../../../../../../../../etc/passwd",
    "/proc/self/root/etc/passwd",
    "/proc/self/cwd",
};
#define FORBIDDEN (sizeof(forbidden) / sizeof(*forbidden))

/* What the children tell. */
struct report {
	unsigned opened;  /* of the forbidden paths */
	unsigned made;    /* files, folders, links */
	bool escaped;     /* by ".." of the run folder */
	bool connected;   /* to a socket outside */
	bool status_made; /* what has to work, works */
	bool status_moved;
	bool vsock_reached;
	bool without_root;
	struct err err;
};
static struct report *report;

static struct vm vm;
static char base[] = "/tmp/vk-confine.XXXXXX";

/* A socket that listens there. */
static int
listen_at(const char *folder, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(
	    address.sun_path, sizeof(address.sun_path), "%s/%s", folder, name);
	unlink(address.sun_path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 8) < 0)
		fd_close(&fd);
	return fd;
}

static bool
can_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static void
try_paths(void)
{
	for (size_t i = 0; i < FORBIDDEN; i++) {
		cleanup_fd int fd =
		    open(forbidden[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);

		report->opened += fd >= 0;
	}
	report->made += mkdir("/tmp/made", 0700) == 0;
	report->made += symlink("/etc", "/made") == 0;
	report->made += open("/made", O_WRONLY | O_CREAT, 0600) >= 0;
	report->made += mkdirat(vm.folder.dir, "made", 0700) == 0;
	report->made += symlinkat("/etc", vm.folder.dir, "made") == 0;
	report->made +=
	    renameat(vm.folder.dir, "lock", vm.folder.dir, "../made") == 0;
	report->escaped =
	    openat(vm.folder.dir, "../../../../etc/passwd", O_RDONLY) >= 0 ||
	    openat(vm.folder.dir, "../outside", O_RDONLY) >= 0;
}

static void
try_needs(void)
{
	char path[64];
	int fd = openat(vm.folder.dir, ".status.json",
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	report->status_made = fd >= 0 && write(fd, "{}", 2) == 2;
	report->status_moved = renameat(vm.folder.dir, ".status.json",
				   vm.folder.dir, "status.json") == 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d/vsock_7", vm.folder.dir);
	report->vsock_reached = can_connect(path);
}

/* Closes the sandbox in a child, and does something in it. */
static int
in_child(void (*work)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct err e = ERR_INIT;
		char outside[128];

		snprintf(outside, sizeof(outside), "%s/else/s", base);
		sandbox_begin(&vm);
		if (sandbox_close(&vm, &e) < 0) {
			report->err = e;
			_exit(1);
		}
		report->without_root = !vm.confine.empty_root;
		report->connected = can_connect(outside);
		work();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return status;
}

static void
try_files(void)
{
	try_paths();
	try_needs();
}

static void
test_files(void)
{
	int status = in_child(try_files);

	ok(status == 0, "the sandbox closes: %s", report->err.text);
	is_int(report->opened, 0, "of %d paths none is opened", (int)FORBIDDEN);
	is_int(report->made, 0, "nothing is made or moved elsewhere");
	ok(!report->escaped, "'..' of the run folder leads nowhere");
	ok(report->status_made && report->status_moved,
	    "status.json is made and replaced");
	ok(report->vsock_reached, "vsock_PORT is reached");
	if (report->without_root)
		skip("a socket outside is not reached", "no namespaces here");
	else
		ok(!report->connected, "a socket outside is not reached");
}

/* ---- filters ---- */

static const struct filter *current;
static int number;

static void
make_call(void)
{
	struct err e = ERR_INIT;

	/* A breach's line is for users. */
	close(STDERR_FILENO);
	if (filter_load(current, &e) < 0)
		_exit(2);
	syscall(number, -1, -1, -1, -1, -1, -1);
	syscall(SYS_exit_group, 3);
}

static bool
in_filter(const struct filter *filter, int call)
{
	for (unsigned i = 0; i < filter->count; i++)
		if (filter->rules[i]->number == call)
			return true;
	return false;
}

/* Every call there is that the filter has not. */
static void
test_filter(const struct filter *filter, unsigned limit)
{
	struct rlimit none = {0};
	unsigned tried = 0, survived = 0;
	int last = 0;

	ok(filter_size(filter) <= limit, "%s: %u calls, at most %u",
	    filter->name, filter_size(filter), limit);
	setrlimit(RLIMIT_CORE, &none);
	current = filter;
	for (number = 0; number < CALLS_END_NUMBER; number++) {
		int status;
		pid_t pid;

		if (in_filter(filter, number))
			continue;
		tried++;
		pid = fork();
		if (pid == 0) {
			prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
			make_call();
		}
		waitpid(pid, &status, 0);
		/* By SIGSYS; uretprobe, of no use to anybody else, is let
		 * through by newer kernels and answered with SIGILL. */
		if (!WIFSIGNALED(status)) {
			survived++;
			last = number;
		}
	}
	ok(survived == 0, "%s: each of %u other calls ends the process (%d)",
	    filter->name, tried, last);
}

/* ---- a VM without a guest ---- */

/* The least of an engine. */
static const struct engine_ops engine_ops = {.outside = false};
static struct engine engine = {.ops = &engine_ops};

static void
add(struct virtio_device *dev)
{
	if (dev)
		vm.devices[vm.device_count++] = dev;
}

static bool
build(void)
{
	static struct gmem mem;
	static char folder[64], peer[64], other[64];
	struct err e = ERR_INIT;
	struct vsock_config vsock = {0};
	struct console_config console = {.input = -1};
	struct net_config net = {.path = peer, .fd = -1};

	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (report == MAP_FAILED || !mkdtemp(base))
		return false;
	snprintf(folder, sizeof(folder), "%s/run", base);
	snprintf(peer, sizeof(peer), "%s/lan.sock", base);
	mkdir(folder, 0700);
	snprintf(other, sizeof(other), "%s/else", base);
	mkdir(other, 0700);
	listen_at(other, "s");
	vm.folder.dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	listen_at(folder, "vsock_7");
	close(openat(vm.folder.dir, "../outside", O_CREAT | O_WRONLY, 0600));
	vm.engine = &engine;
	vm.device_loop = loop_new("devices", &e);
	if (!vm.device_loop || gmem_add(&mem, 0, 2 << 20, 0, &e) < 0)
		return false;
	vsock.run_folder = vm.folder.dir;
	filter_add(loop_filter(vm.device_loop), ring_calls);
	add(vsock_new(vm.device_loop, &mem, &vsock, &e));
	add(console_new(vm.device_loop, &mem, &console, &e));
	add(rng_new(vm.device_loop, &mem, &e));
	add(balloon_new(vm.device_loop, &mem, &e));
	listen_at(base, "lan.sock");
	add(net_new(vm.device_loop, &mem, &net, &e));
	return vm.device_count == 5;
}

static void
take_memory(void)
{
	void *at = mmap(NULL, 3ull << 30, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	report->made = at != MAP_FAILED;
	at = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	report->opened = at != MAP_FAILED;
}

static void
test_memory(void)
{
	in_child(take_memory);
	is_int(report->made, 0, "3 GiB more than it has are not to be had");
	is_int(report->opened, 1, "64 MiB are");
}

int
main(void)
{
	static struct filter vcpu, reboot;
	struct err e = ERR_INIT;
	char command[64];

	if (CONFINE_SANITIZED) {
		printf("1..0 # SKIP a build with sanitizers has no sandbox\n");
		return 0;
	}
	ok(build(), "a VM without a guest");
	test_files();
	test_memory();
	filter_init(&vcpu, "vcpu", MACHINE_CPU_CALLS_MAX);
	machine_allow(&vcpu, ring_calls);
	ok(filter_compile(&vcpu, &e) == 0 &&
		filter_compile(loop_filter(vm.device_loop), &e) == 0,
	    "the filters: %s", e.text);
	test_filter(&vcpu, 25);
	filter_init(&reboot, "reboot", 20);
	filter_add(&reboot, filter_libc);
	filter_add(&reboot, kvm_again_calls);
	filter_add(&reboot, loader_calls);
	ok(filter_compile(&reboot, &e) == 0, "what a reboot adds: %s", e.text);
	test_filter(&reboot, 15);
	test_filter(loop_filter(vm.device_loop), 40);
	snprintf(command, sizeof(command), "rm -rf %s", base);
	return system(command) != 0 || tap_done();
}
