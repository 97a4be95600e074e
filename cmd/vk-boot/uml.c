/* SPDX-License-Identifier: MIT */
/*
 * uml.c - the engine that is User-mode Linux
 *
 * The processes are the warden's (warden.h).
 *
 * UML reaches its devices by paths, of which the host has none: sockets are
 * made here and get their names in the jail (jail.h), where UML finds nothing
 * else but its initramfs.
 */
#include "cmd/vk-boot/uml.h"

#include "cmd/vk-boot/boot.h"
#include "cmd/vk-boot/find.h"
#include "cmd/vk-boot/loop.h"
#include "cmd/vk-boot/sandbox.h"
#include "cmd/vk-boot/uml_calls.h"
#include "cmd/vk-boot/virtio/vhost_user.h"
#include "cmd/vk-boot/warden.h"

#include "common/io.h"
#include "common/scope.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEVICES_MAX 31
/* Its own arguments: memory, initrd, consoles, a word for each device. */
#define ARGUMENTS_MAX (DEVICES_MAX + 16)
/* Ends with a status that no power-off has. */
#define REBOOT_PROGRAM "/bin/false"
/* In the file that is the guest's memory there is more: its kernel's own. */
#define MEMORY_OVERHEAD ((uint64_t)64 << 20)

struct uml_device {
	struct virtio_device *dev;
	struct gmem mem; /* the guest's memory as UML shows it to this one */
	struct vhost_user *vhost;
	int socket; /* the jail binds it */
};

struct uml {
	struct engine engine; /* first */
	struct uml_device devices[DEVICES_MAX];
	unsigned count; /* with memory handed out */
	struct loop *loop;
	struct loop_source console, ended;
	struct warden warden;
	int initrd; /* what UML reads at each start */
};

/* What the new process is given. */
struct launch {
	struct jail jail;
	struct filter filter;
	char *argv[ARGUMENTS_MAX + 1];
	unsigned argc;
};

/* ---- the engine's operations ---- */

static const struct gmem *
memory(struct engine *engine, struct err *e)
{
	struct uml *uml = (struct uml *)engine;

	if (uml->count == DEVICES_MAX) {
		err_set(e, EX_USAGE, "more than %d devices", DEVICES_MAX);
		return NULL;
	}
	uml->devices[uml->count].socket = -1;
	return &uml->devices[uml->count++].mem;
}

static int
add(struct engine *engine, struct virtio_device *dev, struct err *e)
{
	struct uml *uml = (struct uml *)engine;
	struct vhost_user_config config = {.device = dev};
	struct uml_device *d = NULL;

	for (unsigned i = 0; i < uml->count; i++)
		if (&uml->devices[i].mem == dev->mem)
			d = &uml->devices[i];
	if (!d)
		return err_set(e, EX_SOFTWARE, "uml: a device without memory");
	d->dev = dev;
	config.mem = &d->mem;
	d->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	config.listener = fcntl(d->socket, F_DUPFD_CLOEXEC, 0);
	if (config.listener < 0)
		return err_errno(e, EX_OSERR, "socket for UML");
	filter_add(loop_filter(dev->loop), gmem_calls);
	d->vhost = vhost_user_new(&config, e);
	return d->vhost ? 0 : -1;
}

/* ---- start ---- */

static int
add_argument(struct launch *l, struct err *e, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (l->argc == ARGUMENTS_MAX)
		return err_set(e, EX_SOFTWARE, "uml: too many arguments");
	va_start(ap, fmt);
	n = vasprintf(&l->argv[l->argc], fmt, ap);
	va_end(ap);
	if (n < 0)
		return err_errno(e, EX_OSERR, "uml");
	l->argc++;
	return 0;
}

/* PREFIX and the path of what is given, and SUFFIX. */
static int
give(struct launch *l, const char *prefix, int fd, const char *suffix,
    struct err *e)
{
	char path[JAIL_PATH_MAX];

	if (jail_give(&l->jail, fd, *suffix, path, e) < 0)
		return -1;
	return add_argument(l, e, "%s%s%s", prefix, path, suffix);
}

static int
fill_initrd(struct uml *uml, const struct boot *boot, struct err *e)
{
	uint64_t size = initramfs_size(&boot->initramfs);
	void *at = mmap(
	    NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, uml->initrd, 0);
	int result;

	if (at == MAP_FAILED)
		return err_errno(e, EX_OSERR, "initramfs");
	result = initramfs_copy(&boot->initramfs, at, e);
	munmap(at, size);
	return result;
}

static int
make_initrd(struct uml *uml, const struct boot *boot, struct err *e)
{
	uml->initrd = memfd_create("vk-initramfs", MFD_CLOEXEC);
	if (uml->initrd < 0 ||
	    ftruncate(uml->initrd, (off_t)initramfs_size(&boot->initramfs)) < 0)
		return err_errno(e, EX_OSERR, "initramfs");
	return fill_initrd(uml, boot, e);
}

static int
make_arguments(
    struct uml *uml, const struct boot *boot, struct launch *l, struct err *e)
{
	char type[16];

	/* What it executes on a reboot, where it would start itself anew with
	 * devices that know nothing of it. */
	if (add_argument(l, e, REBOOT_PROGRAM) < 0 ||
	    add_argument(l, e, "mem=%lluK",
		(unsigned long long)uml->engine.config.memory / 1024) < 0 ||
	    give(l, "initrd=", uml->initrd, "", e) < 0 ||
	    add_argument(l, e, "con=null") < 0 ||
	    add_argument(l, e, "con0=null,fd:1") < 0 ||
	    add_argument(l, e, "ssl=null") < 0 ||
	    add_argument(l, e, "uml_dir=/proc/self/fd/") < 0)
		return -1;
	for (unsigned i = 0; i < uml->count; i++) {
		const struct uml_device *d = &uml->devices[i];

		if (!d->vhost)
			return err_set(e, EX_SOFTWARE, "uml: no device");
		snprintf(type, sizeof(type), ":%u", d->dev->ops->type);
		if (give(l, "virtio_uml.device=", d->socket, type, e) < 0)
			return -1;
	}
	return add_argument(l, e, "%s", boot->cmdline.data);
}

static void
console_says(struct loop_source *source, uint32_t events)
{
	struct uml *uml = source->owner;
	char text[4096];
	ssize_t n = read(source->fd, text, sizeof(text));

	(void)events;
	if (n > 0 && uml->engine.config.console)
		uml->engine.config.console(
		    uml->engine.config.owner, text, (size_t)n);
	else if (n <= 0)
		loop_remove(uml->loop, source);
}

static void
warden_says(struct loop_source *source, uint32_t events)
{
	struct uml *uml = source->owner;
	int status;
	char text[64];

	(void)events;
	/* What it said last comes first. */
	while (uml->console.added) {
		struct pollfd more = {.fd = uml->console.fd, .events = POLLIN};

		if (poll(&more, 1, 0) <= 0)
			break;
		console_says(&uml->console, EPOLLIN);
	}
	if (read(source->fd, &status, sizeof(status)) != sizeof(status)) {
		loop_remove(uml->loop, source);
		engine_over(&uml->engine, ENGINE_FAILED, "UML was killed");
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		engine_over(&uml->engine, ENGINE_POWERED_OFF, "powered off");
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		engine_over(&uml->engine, ENGINE_FAILED,
		    "the UML kernel cannot be executed");
	} else if (WIFEXITED(status)) {
		engine_over(&uml->engine, ENGINE_RESET, "reset");
	} else {
		snprintf(text, sizeof(text), "UML ended by signal %d",
		    WTERMSIG(status));
		engine_over(&uml->engine, ENGINE_CRASHED, text);
	}
}

static const struct filter_call watch_calls[] = {
    CALL(read),
    CALL(poll),
    CALLS_END,
};

static int
watch(struct uml *uml, int console, int status, struct err *e)
{
	uml->console = (struct loop_source){
	    .fd = console,
	    .ready = console_says,
	    .owner = uml,
	};
	uml->ended = (struct loop_source){
	    .fd = status,
	    .ready = warden_says,
	    .owner = uml,
	};
	uml->loop = loop_new("uml", e);
	if (!uml->loop || loop_add(uml->loop, &uml->console, EPOLLIN, e) < 0 ||
	    loop_add(uml->loop, &uml->ended, EPOLLIN, e) < 0)
		return -1;
	filter_add(loop_filter(uml->loop), watch_calls);
	filter_add(loop_filter(uml->loop), uml->engine.config.console_calls);
	return 0;
}

/* The processes are there; they wait for a byte. */
static int
launch(struct uml *uml, struct launch *l, struct err *e)
{
	int console[2] = {-1, -1}, status[2] = {-1, -1};
	struct warden_launch launch = {
	    .jail = &l->jail,
	    .argv = l->argv,
	};
	int result;

	if (pipe2(console, O_CLOEXEC) < 0 || pipe2(status, O_CLOEXEC) < 0) {
		result = err_errno(e, EX_OSERR, "uml");
	} else {
		launch.console = console[1];
		launch.status = status[1];
		result = warden_make(&uml->warden, &launch, e);
	}
	if (result == 0)
		result =
		    watch(uml, steal_fd(&console[0]), steal_fd(&status[0]), e);
	for (int i = 0; i < 2; i++) {
		fd_close(&console[i]);
		fd_close(&status[i]);
	}
	return result;
}

static int
make_jail(
    struct uml *uml, const struct boot *boot, struct launch *l, struct err *e)
{
	const char *folder = getenv("TMPDIR");

	l->jail = (struct jail){
	    .program = boot->kernel_path,
	    .second = REBOOT_PROGRAM,
	    .shm = uml->engine.config.memory + MEMORY_OVERHEAD,
	    .folder = folder ? folder : "/dev/shm",
	    /* No rseq area: that of a static UML lies where a new process of
	     * the guest is to have nothing mapped, and the host's kernel ends
	     * who has lost its area. */
	    .setting = "GLIBC_TUNABLES=glibc.pthread.rseq=0",
	    .filter = CONFINE_SANITIZED ? NULL : &l->filter,
	    .open = uml->engine.config.no_sandbox,
	};
	filter_init(&l->filter, "uml-kernel", UML_CALLS_MAX);
	filter_add(&l->filter, uml_calls);
	return sandbox_filter(&l->filter, e);
}

static int
load(struct engine *engine, const struct boot *boot, struct err *e)
{
	struct uml *uml = (struct uml *)engine;
	cleanup_free struct launch *l = calloc(1, sizeof(*l));
	int result;

	if (!l)
		return err_errno(e, EX_OSERR, "uml");
	if (make_initrd(uml, boot, e) < 0)
		return -1;
	result = make_jail(uml, boot, l, e);
	if (result == 0)
		result = make_arguments(uml, boot, l, e);
	if (result == 0)
		result = launch(uml, l, e);
	while (l->argc > 0)
		free(l->argv[--l->argc]);
	jail_release(&l->jail);
	filter_release(&l->filter);
	for (unsigned i = 0; i < uml->count; i++)
		fd_close(&uml->devices[i].socket);
	return result;
}

static int
pause_uml(struct engine *engine, bool on, struct err *e)
{
	return warden_order(&((struct uml *)engine)->warden,
	    on ? WARDEN_HOLD : WARDEN_GO_ON, e);
}

struct resident_call {
	const struct gmem *mem;
	uint64_t bytes;
};

/* In a device's loop, where its view of the memory may change. */
static void
get_resident(void *with)
{
	struct resident_call *call = with;

	call->bytes = gmem_resident(call->mem);
}

static void
stats(struct engine *engine, json_t *into)
{
	struct uml *uml = (struct uml *)engine;
	struct resident_call call = {.bytes = 0};
	uint64_t ms;

	if (warden_time(&uml->warden, &ms) == 0)
		json_object_set_new(
		    into, "cpu_ms", json_integer((json_int_t)ms));
	if (uml->count == 0 || !uml->devices[0].dev)
		return;
	call.mem = &uml->devices[0].mem;
	loop_call(uml->devices[0].dev->loop, get_resident, &call);
	json_object_set_new(
	    into, "resident", json_integer((json_int_t)call.bytes));
}

static int
confine(struct engine *engine, struct err *e)
{
	struct uml *uml = (struct uml *)engine;

	return sandbox_filter(loop_filter(uml->loop), e);
}

static int
start(struct engine *engine, struct gate *gate, struct err *e)
{
	return loop_start(((struct uml *)engine)->loop, gate, e);
}

static int
go(struct engine *engine, struct err *e)
{
	return warden_order(&((struct uml *)engine)->warden, WARDEN_BEGIN, e);
}

static void
disconnect(void *with)
{
	vhost_user_disconnect(with);
}

static const struct filter_call again_calls[] = {
    CALL(pread64), /* the user's initrd */
    CALLS_END,
};

static void
allow_again(struct filter *filter)
{
	filter_add(filter, again_calls);
}

static int
again(struct engine *engine, const struct boot *boot, struct err *e)
{
	struct uml *uml = (struct uml *)engine;

	for (unsigned i = 0; i < uml->count; i++)
		if (uml->devices[i].vhost)
			loop_call(uml->devices[i].dev->loop, disconnect,
			    uml->devices[i].vhost);
	if (fill_initrd(uml, boot, e) < 0)
		return -1;
	engine_runs(engine);
	return go(engine, e);
}

static void
stop(struct engine *engine)
{
	struct uml *uml = (struct uml *)engine;

	warden_end(&uml->warden);
	loop_end(uml->loop);
}

static void
uml_free(struct engine *engine)
{
	struct uml *uml = (struct uml *)engine;

	stop(engine);
	loop_free(uml->loop);
	fd_close(&uml->console.fd);
	fd_close(&uml->ended.fd);
	fd_close(&uml->initrd);
	for (unsigned i = 0; i < uml->count; i++) {
		vhost_user_free(uml->devices[i].vhost);
		fd_close(&uml->devices[i].socket);
	}
	engine_release(engine);
	free(uml);
}

/*
 *	rdinit=/vk/agent  as for every guest
 *	quiet		  the console is for what goes wrong
 *	panic=-1	  a panic ends it (UML aborts)
 */
static const struct engine_guest guest = {
    .parameters = "rdinit=/vk/agent quiet panic=-1",
    .find_kernel = find_uml,
    .find_modules = find_uml_modules,
    .modules = (const char *const[]){NULL},
};

static const struct engine_ops uml_ops = {
    .name = "uml",
    .main_calls = warden_calls,
    .guest = &guest,
    .memory = memory,
    .add = add,
    .load = load,
    .confine = confine,
    .start = start,
    .pause = pause_uml,
    .stats = stats,
    .go = go,
    .allow_again = allow_again,
    .again = again,
    .stop = stop,
    .free = uml_free,
};

struct engine *
uml_new(const struct engine_config *config, struct err *e)
{
	char kernel[PATH_MAX];
	struct uml *uml;

	if (find_uml(kernel, false, e) < 0)
		return NULL;
	if (config->cpus > 1) {
		err_set(e, EX_USAGE, "-c %u: User-mode Linux has one processor",
		    config->cpus);
		return NULL;
	}
	if (config->hugepages || config->prealloc) {
		err_set(e, EX_USAGE,
		    "%s: User-mode Linux sees to its memory itself",
		    config->hugepages ? "--hugepages" : "--prealloc");
		return NULL;
	}
	uml = calloc(1, sizeof(*uml));
	if (!uml) {
		err_errno(e, EX_OSERR, "uml");
		return NULL;
	}
	uml->console.fd = uml->ended.fd = uml->warden.line = -1;
	uml->initrd = -1;
	if (engine_init(&uml->engine, &uml_ops, config, e) < 0) {
		uml_free(&uml->engine);
		return NULL;
	}
	return &uml->engine;
}
