/* SPDX-License-Identifier: MIT */
/* vmm.c - engines that are another program, in front of our devices */
#include "cmd/vk-boot/vmm.h"

#include "cmd/vk-boot/boot.h"
#include "cmd/vk-boot/sandbox.h"
#include "cmd/vk-boot/virtio/vhost_user.h"
#include "cmd/vk-boot/vmm_calls.h"

#include "common/cursor.h"
#include "common/scope.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- devices ---- */

const struct gmem *
vmm_memory(struct engine *engine, struct err *e)
{
	struct vmm *vmm = (struct vmm *)engine;

	if (vmm->count == VMM_DEVICES_MAX) {
		err_set(e, EX_USAGE, "more than %d devices", VMM_DEVICES_MAX);
		return NULL;
	}
	vmm->devices[vmm->count].socket = -1;
	return &vmm->devices[vmm->count++].mem;
}

/* In the device's loop: its memory is about to go. */
static void
keep_word(void *owner)
{
	struct vmm_device *d = owner;
	uint64_t watched = d->vmm->kind->watched;
	const void *at = watched ? gmem_at(&d->mem, watched, 2) : NULL;
	struct cursor c = cursor_of(at, at ? 2 : 0);

	if (at)
		d->word = get_le16(&c);
}

int
vmm_add(struct engine *engine, struct virtio_device *dev, struct err *e)
{
	struct vmm *vmm = (struct vmm *)engine;
	struct vhost_user_config config = {
	    .device = dev,
	    .leaving = keep_word,
	};
	struct vmm_device *d = NULL;

	for (unsigned i = 0; i < vmm->count; i++)
		if (&vmm->devices[i].mem == dev->mem)
			d = &vmm->devices[i];
	if (!d)
		return err_set(e, EX_SOFTWARE, "a device without memory");
	d->vmm = vmm;
	d->number = (unsigned)(d - vmm->devices);
	d->dev = dev;
	config.owner = d;
	config.mem = &d->mem;
	d->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	config.listener = fcntl(d->socket, F_DUPFD_CLOEXEC, 0);
	if (config.listener < 0)
		return err_errno(
		    e, EX_OSERR, "a socket for %s", vmm->kind->title);
	if (dev->ops->type == VIRTIO_TYPE_VSOCK)
		filter_add(loop_filter(dev->loop), gmem_calls);
	d->vhost = vhost_user_new(&config, e);
	return d->vhost ? 0 : -1;
}

/* In whose loop the guest's memory is looked at, as a device's view of it may
 * change there: vsock, which the agent needs a driver for. NULL: none. */
static struct vmm_device *
onlooker(struct vmm *vmm)
{
	for (unsigned i = 0; i < vmm->count; i++) {
		struct virtio_device *dev = vmm->devices[i].dev;

		if (dev && dev->ops->type == VIRTIO_TYPE_VSOCK)
			return &vmm->devices[i];
	}
	return NULL;
}

static void
disconnect(void *with)
{
	vhost_user_disconnect(with);
}

/* Sees to it that the devices know of the program's end. */
static void
disconnect_all(struct vmm *vmm)
{
	for (unsigned i = 0; i < vmm->count; i++)
		if (vmm->devices[i].vhost)
			loop_call(vmm->devices[i].dev->loop, disconnect,
			    vmm->devices[i].vhost);
}

uint16_t
vmm_word(struct vmm *vmm)
{
	uint16_t word = 0;

	for (unsigned i = 0; i < vmm->count && !word; i++)
		word = vmm->devices[i].word;
	return word;
}

/* ---- the program's start ---- */

static int
fill_initrd(struct vmm *vmm, const struct boot *boot, struct err *e)
{
	uint64_t size = initramfs_size(&boot->initramfs);
	void *at = mmap(
	    NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vmm->initrd, 0);
	int result;

	if (at == MAP_FAILED)
		return err_errno(e, EX_OSERR, "initramfs");
	result = initramfs_copy(&boot->initramfs, at, e);
	munmap(at, size);
	return result;
}

static int
make_initrd(struct vmm *vmm, const struct boot *boot, struct err *e)
{
	vmm->initrd = memfd_create("vk-initramfs", MFD_CLOEXEC);
	if (vmm->initrd < 0 ||
	    ftruncate(vmm->initrd, (off_t)initramfs_size(&boot->initramfs)) < 0)
		return err_errno(e, EX_OSERR, "initramfs");
	return fill_initrd(vmm, boot, e);
}

static int
add_device_arguments(struct vmm *vmm, struct vmm_launch *l, struct err *e)
{
	char path[JAIL_PATH_MAX];

	for (unsigned i = 0; i < vmm->count; i++) {
		const struct vmm_device *d = &vmm->devices[i];

		if (!d->vhost)
			return err_set(e, EX_SOFTWARE, "memory for no device");
		if (jail_give(&l->jail, d->socket, true, path, e) < 0 ||
		    vmm->kind->device(l, d, path, e) < 0)
			return -1;
	}
	return 0;
}

static void
begin_launch(const struct vmm *vmm, struct vmm_launch *l)
{
	const struct vmm_kind *kind = vmm->kind;

	l->jail.open = vmm->engine.config.no_sandbox;
	if (!CONFINE_SANITIZED && kind->calls)
		l->jail.filter = &l->filter;
	filter_init(&l->filter, kind->filter_name, kind->calls_max);
	l->filter.refuses = kind->refuses;
	if (kind->calls) {
		filter_add(&l->filter, vmm_calls);
		filter_add(&l->filter, kind->calls);
	}
	vmm_argument(l, "%s", kind->called);
}

static void
console_says(struct loop_source *source, uint32_t events)
{
	struct vmm *vmm = source->owner;
	char text[4096];
	ssize_t n = read(source->fd, text, sizeof(text));

	(void)events;
	if (n > 0 && vmm->engine.config.console)
		vmm->engine.config.console(
		    vmm->engine.config.owner, text, (size_t)n);
	else if (n <= 0)
		loop_remove(vmm->loop, source);
}

/* ---- its end ---- */

static enum engine_end
how_it_ended(struct vmm *vmm, int status, char *text)
{
	bool killed = vmm->killed;

	vmm->killed = false;
	if (killed)
		return vmm->kind->exited(vmm, 0, text);
	if (WIFSIGNALED(status)) {
		snprintf(text, VMM_TEXT_MAX, "%s ended by signal %d",
		    vmm->kind->title, WTERMSIG(status));
		return ENGINE_CRASHED;
	}
	if (WEXITSTATUS(status) == WARDEN_NOT_EXECUTED) {
		snprintf(text, VMM_TEXT_MAX, "%s cannot be executed",
		    vmm->kind->title);
		return ENGINE_FAILED;
	}
	return vmm->kind->exited(vmm, WEXITSTATUS(status), text);
}

void
vmm_kill(struct vmm *vmm)
{
	struct err ignored = ERR_INIT; /* then the warden tells why itself */

	vmm->killed = warden_order(&vmm->warden, WARDEN_KILL, &ignored) == 0;
}

static void
warden_says(struct loop_source *source, uint32_t events)
{
	struct vmm *vmm = source->owner;
	char text[VMM_TEXT_MAX];
	enum engine_end how;
	int status;

	(void)events;
	/* What it said last comes first. */
	while (vmm->console.added) {
		struct pollfd more = {.fd = vmm->console.fd, .events = POLLIN};

		if (poll(&more, 1, 0) <= 0)
			break;
		console_says(&vmm->console, EPOLLIN);
	}
	if (read(source->fd, &status, sizeof(status)) != sizeof(status)) {
		loop_remove(vmm->loop, source);
		snprintf(text, sizeof(text), "%s was killed", vmm->kind->title);
		how = ENGINE_FAILED;
	} else {
		disconnect_all(vmm);
		how = how_it_ended(vmm, status, text);
	}
	engine_over(&vmm->engine, how, text);
}

/* ---- both joined ---- */

static const struct filter_call watch_calls[] = {
    CALL(read),
    CALL(write),
    CALL(poll),
    CALLS_END,
};

static int
watch(struct vmm *vmm, int console, int status, struct err *e)
{
	vmm->console = (struct loop_source){
	    .fd = console,
	    .ready = console_says,
	    .owner = vmm,
	};
	vmm->ended = (struct loop_source){
	    .fd = status,
	    .ready = warden_says,
	    .owner = vmm,
	};
	if (loop_add(vmm->loop, &vmm->console, EPOLLIN, e) < 0 ||
	    loop_add(vmm->loop, &vmm->ended, EPOLLIN, e) < 0)
		return -1;
	filter_add(loop_filter(vmm->loop), watch_calls);
	filter_add(loop_filter(vmm->loop), vmm->engine.config.console_calls);
	return 0;
}

/* The processes are there; they wait for a byte. */
static int
launch(struct vmm *vmm, struct vmm_launch *l, struct err *e)
{
	int console[2] = {-1, -1}, status[2] = {-1, -1};
	struct warden_launch launch = {
	    .name = vmm->engine.ops->name,
	    .jail = &l->jail,
	    .argv = l->argv,
	};
	int result;

	if (pipe2(console, O_CLOEXEC) < 0 || pipe2(status, O_CLOEXEC) < 0) {
		result = err_errno(e, EX_OSERR, "%s", launch.name);
	} else {
		launch.console = console[1];
		launch.status = status[1];
		result = warden_make(&vmm->warden, &launch, e);
	}
	if (result == 0)
		result =
		    watch(vmm, steal_fd(&console[0]), steal_fd(&status[0]), e);
	for (int i = 0; i < 2; i++) {
		fd_close(&console[i]);
		fd_close(&status[i]);
	}
	return result;
}

int
vmm_load(struct engine *engine, const struct boot *boot, struct err *e)
{
	struct vmm *vmm = (struct vmm *)engine;
	cleanup_free struct vmm_launch *l = calloc(1, sizeof(*l));
	int result;

	if (!l)
		return err_errno(e, EX_OSERR, "%s", engine->ops->name);
	begin_launch(vmm, l);
	result = make_initrd(vmm, boot, e);
	if (result == 0)
		result = add_device_arguments(vmm, l, e);
	if (result == 0)
		result = vmm->kind->prepare(vmm, boot, l, e);
	if (result == 0)
		result = vmm_launch_whole(l, e);
	if (result == 0 && vmm->kind->calls)
		result = sandbox_filter(&l->filter, e);
	if (result == 0)
		result = launch(vmm, l, e);
	vmm_launch_release(l);
	for (unsigned i = 0; i < vmm->count; i++)
		fd_close(&vmm->devices[i].socket);
	return result;
}

int
vmm_confine(struct engine *engine, struct err *e)
{
	return sandbox_filter(loop_filter(((struct vmm *)engine)->loop), e);
}

int
vmm_start(struct engine *engine, struct gate *gate, struct err *e)
{
	return loop_start(((struct vmm *)engine)->loop, gate, e);
}

int
vmm_go(struct engine *engine, struct err *e)
{
	return warden_order(&((struct vmm *)engine)->warden, WARDEN_BEGIN, e);
}

int
vmm_pause(struct engine *engine, bool on, struct err *e)
{
	return warden_order(&((struct vmm *)engine)->warden,
	    on ? WARDEN_HOLD : WARDEN_GO_ON, e);
}

static void
press(void *with)
{
	struct vmm *vmm = with;

	vmm->kind->press(vmm);
}

void
vmm_power_button(struct engine *engine)
{
	struct vmm *vmm = (struct vmm *)engine;

	loop_call(vmm->loop, press, vmm);
}

static const struct filter_call again_calls[] = {
    CALL(pread64), /* the user's initrd */
    CALLS_END,
};

void
vmm_allow_again(struct filter *filter)
{
	filter_add(filter, again_calls);
}

int
vmm_again(struct engine *engine, const struct boot *boot, struct err *e)
{
	struct vmm *vmm = (struct vmm *)engine;

	for (unsigned i = 0; i < vmm->count; i++)
		vmm->devices[i].word = 0;
	if (fill_initrd(vmm, boot, e) < 0)
		return -1;
	engine_runs(engine);
	return vmm_go(engine, e);
}

/* ---- figures ---- */

struct resident_call {
	const struct gmem *mem;
	uint64_t bytes;
};

static void
get_resident(void *with)
{
	struct resident_call *call = with;

	call->bytes = gmem_resident(call->mem);
}

void
vmm_stats(struct engine *engine, json_t *into)
{
	struct vmm *vmm = (struct vmm *)engine;
	struct resident_call call = {.bytes = 0};
	struct vmm_device *d = onlooker(vmm);
	uint64_t ms;

	if (warden_time(&vmm->warden, &ms) == 0)
		json_object_set_new(
		    into, "cpu_ms", json_integer((json_int_t)ms));
	if (!d)
		return;
	call.mem = &d->mem;
	loop_call(d->dev->loop, get_resident, &call);
	json_object_set_new(
	    into, "resident", json_integer((json_int_t)call.bytes));
}

/* ---- life ---- */

/* All but what is the kind's own. */
static struct vmm *
make(const struct vmm_kind *kind, const struct engine_ops *ops,
    const struct engine_config *config, struct err *e)
{
	struct vmm *vmm = calloc(1, kind->size);

	if (!vmm) {
		err_errno(e, EX_OSERR, "%s", ops->name);
		return NULL;
	}
	vmm->kind = kind;
	vmm->console.fd = vmm->ended.fd = vmm->warden.line = -1;
	vmm->initrd = -1;
	if (engine_init(&vmm->engine, ops, config, e) == 0)
		vmm->loop = loop_new(ops->name, e);
	if (vmm->loop)
		return vmm;
	engine_release(&vmm->engine);
	free(vmm);
	return NULL;
}

static int
check_cpus(
    const struct vmm_kind *kind, struct engine_config *config, struct err *e)
{
	if (config->cpus <= kind->cpus_max)
		return 0;
	if (config->cpus_host) {
		config->cpus = kind->cpus_max;
		return 0;
	}
	return err_set(e, EX_USAGE, "-c %u: %s has %u processor%s%s",
	    config->cpus, kind->title, kind->cpus_max,
	    kind->cpus_max == 1 ? "" : "s",
	    kind->cpus_max == 1 ? "" : " at most");
}

struct engine *
vmm_new(const struct vmm_kind *kind, const struct engine_ops *ops,
    const struct engine_config *config, struct err *e)
{
	struct vmm *vmm = make(kind, ops, config, e);

	if (!vmm)
		return NULL;
	if (kind->open(vmm, e) == 0 &&
	    check_cpus(kind, &vmm->engine.config, e) == 0)
		return &vmm->engine;
	vmm_free(&vmm->engine);
	return NULL;
}

void
vmm_stop(struct engine *engine)
{
	struct vmm *vmm = (struct vmm *)engine;

	warden_end(&vmm->warden);
	loop_end(vmm->loop);
}

void
vmm_free(struct engine *engine)
{
	struct vmm *vmm = (struct vmm *)engine;

	vmm_stop(engine);
	if (vmm->kind->release)
		vmm->kind->release(vmm);
	loop_free(vmm->loop);
	fd_close(&vmm->console.fd);
	fd_close(&vmm->ended.fd);
	fd_close(&vmm->initrd);
	for (unsigned i = 0; i < vmm->count; i++) {
		vhost_user_free(vmm->devices[i].vhost);
		fd_close(&vmm->devices[i].socket);
	}
	engine_release(engine);
	free(vmm);
}
