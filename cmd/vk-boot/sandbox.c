/* SPDX-License-Identifier: MIT */
/* sandbox.c - what vk-boot gives up before the guest's first instruction */
#include "cmd/vk-boot/sandbox.h"

#include "cmd/vk-boot/virtio/device.h"
#include "cmd/vk-boot/vm.h"

#include "common/confine.h"
#include "common/log.h"
#include "common/scope.h"
#include "common/size.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- what is kept ---- */

/* NULL: it is in memory. */
static int
keep(struct vm *vm, struct virtio_device *dev, struct err *e)
{
	return dev && dev->ops->keep ? dev->ops->keep(dev, &vm->confine, e) : 0;
}

static int
keep_folders(struct vm *vm, struct err *e)
{
	if (confine_keep(&vm->confine, vm->folder.dir,
		CONFINE_CONNECT | CONFINE_WRITE, e) < 0)
		return -1;
	if (vm->views && views_keep(vm->views, &vm->confine, e) < 0)
		return -1;
	for (unsigned i = 0; i < vm->device_count; i++)
		if (keep(vm, vm->devices[i], e) < 0)
			return -1;
	for (unsigned i = 0; i < vm->drive_count; i++)
		if (keep(vm, vm->drives[i].device, e) < 0)
			return -1;
	return 0;
}

/* ---- limits ---- */

/* What we may map beyond what is mapped when the sandbox closes: buffers of
 * connections (vsock_device.h: 126 MiB), tables of qcow2, the heap; and the
 * stacks of threads, of which most is never touched. */
#define MEMORY_SLACK (1 * GIB)
#define STACK_SIZE   (8 * MIB)

/* Bytes mapped now; 0: not known. */
static uint64_t
mapped_now(void)
{
	cleanup_fd int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	char text[128];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t
memory_limit(const struct vm *vm)
{
	uint64_t now = mapped_now();
	uint64_t threads = vm->options.cpus + vm->drive_count + 4ull;

	if (now == 0 || CONFINE_SANITIZED)
		return RLIM_INFINITY;
	/* All of it is shown to each device. */
	if (vm->engine->ops->outside)
		now += vm->options.memory * VM_DEVICES_MAX;
	return now + threads * STACK_SIZE + MEMORY_SLACK;
}

/* Never more than that; a limit that is lower stays. */
static int
fix_limit(int resource, uint64_t value, struct err *e)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) < 0)
		return err_errno(e, EX_OSERR, "limits");
	if (limit.rlim_cur > value)
		limit.rlim_cur = value;
	limit.rlim_max = limit.rlim_cur;
	return setrlimit(resource, &limit) < 0
		   ? err_errno(e, EX_OSERR, "limits")
		   : 0;
}

/* As many descriptors as now, and so much more memory. */
static int
fix_limits(uint64_t memory, struct err *e)
{
	if (fix_limit(RLIMIT_NOFILE, RLIM_INFINITY, e) < 0)
		return -1;
	return fix_limit(RLIMIT_AS, memory, e);
}

/* ---- the parent ---- */

static int
follow_parent(const struct vm *vm, struct err *e)
{
	if (!vm->options.die_with_parent)
		return 0;
	/* Not earlier: gaining capabilities has it forgotten. */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0)
		return err_errno(e, EX_OSERR, "--die-with-parent");
	if (getppid() != vm->parent)
		kill(getpid(), SIGTERM);
	return 0;
}

/* ---- filters ---- */

int
sandbox_filter(struct filter *filter, struct err *e)
{
	char names[1024];

	filter_add(filter, log_calls());
	log_info("sandbox: %s: %s", filter->name,
	    filter_names(filter, names, sizeof(names)));
	return filter_compile(filter, e);
}

static int
make_filters(struct vm *vm, struct err *e)
{
	for (unsigned i = 0; i < vm->drive_count; i++)
		if (vm->drives[i].loop &&
		    sandbox_filter(loop_filter(vm->drives[i].loop), e) < 0)
			return -1;
	if (sandbox_filter(loop_filter(vm->device_loop), e) < 0)
		return -1;
	/* One heap for all threads: others would grow by mprotect. */
	mallopt(M_ARENA_MAX, 1);
	/* The main thread's is completed by guest_run, which knows the rest. */
	filter_init(&vm->filter, "main", LOOP_CALLS_MAX);
	vm_allow(vm);
	return vm->hot_disks ? hot_disks_confine(vm->hot_disks, &vm->filter, e)
			     : 0;
}

/* ---- in order ---- */

void
sandbox_begin(struct vm *vm)
{
	vm->parent = getppid();
	if (!vm->options.no_sandbox)
		confine_user(&vm->confine);
}

int
sandbox_close(struct vm *vm, struct err *e)
{
	uint64_t memory;

	if (vm->options.no_sandbox) {
		log_warn("--no-sandbox: a guest that breaks out has all rights "
			 "of this user");
		return follow_parent(vm, e);
	}
	if (keep_folders(vm, e) < 0)
		return -1;
	memory = memory_limit(vm); /* while there is a /proc */
	confine_files(&vm->confine);
	if (confine_privileges(e) < 0 || fix_limits(memory, e) < 0 ||
	    follow_parent(vm, e) < 0)
		return -1;
	confine_landlock(&vm->confine);
	if (*vm->confine.without)
		log_info("sandbox: without %s", vm->confine.without);
	if (CONFINE_SANITIZED) {
		log_info("sandbox: without filters (sanitizers)");
		return 0;
	}
	return make_filters(vm, e);
}
