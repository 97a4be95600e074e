/* SPDX-License-Identifier: MIT */
/* vm.c - one VM and all that belongs to it */
#include "cmd/vk-boot/vm.h"

#include "cmd/vk-boot/control.h"
#include "cmd/vk-boot/module_drive.h"
#include "cmd/vk-boot/sandbox.h"
#include "cmd/vk-boot/stats.h"
#include "cmd/vk-boot/virtio/balloon.h"
#include "cmd/vk-boot/virtio/console.h"
#include "cmd/vk-boot/virtio/mem.h"
#include "cmd/vk-boot/virtio/net.h"
#include "cmd/vk-boot/virtio/rng.h"
#include "cmd/vk-boot/virtio/vsock.h"
#include "cmd/vk-boot/vm_console.h"

#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* vm_release, with what it closes. */
static const struct filter_call release_calls[] = {
    CALL(unlinkat), /* vsock's socket */
    CALL(close),
    CALL(munmap),
    CALLS_END,
};

static int
open_root(struct vm *vm, struct err *e)
{
	const struct options *o = &vm->options;
	struct drive_wish wish = {
	    .disk =
		{
		    .path = o->image,
		    .overlay = o->overlay,
		    .overlay_max = o->overlay_max,
		    .write = o->write,
		    .read_only = o->read_only,
		},
	    .id = "root",
	    .serial = "root",
	};
	struct drive *root = &vm->drives[0];

	if (!o->image)
		return 0;
	vm->drive_count = 1;
	if (drive_open(root, &wish, e) < 0)
		return -1;
	if (image_identify(root->disk.base, &vm->image, e) < 0)
		return err_prefix(e, "%s", o->image);
	return 0;
}

static int
open_drives(struct vm *vm, struct err *e)
{
	struct options *o = &vm->options;

	if (open_root(vm, e) < 0)
		return -1;
	for (unsigned i = 0; i < o->drive_count; i++)
		if (drive_open(
			&vm->drives[vm->drive_count++], &o->drives[i], e) < 0)
			return err_prefix(e, "-d");
	return 0;
}

/* The last drive, if the kernel has modules and the guest is to have them. */
static int
open_module_drive(struct vm *vm, struct err *e)
{
	struct options *o = &vm->options;
	struct drive_wish *wish = &o->drives[o->drive_count];
	int found;

	if (!o->guest_modules)
		return 0;
	if (o->drive_count == DRIVES_MAX)
		return err_set(e, EX_USAGE,
		    "--guest-modules: needs a disk, and there are %d already",
		    DRIVES_MAX);
	found = module_drive_wish(wish, &vm->boot.modules, &vm->boot.kernel, e);
	if (found > 0) {
		o->drive_count++;
		found = drive_open(&vm->drives[vm->drive_count++], wish, e);
	}
	return found < 0 ? err_prefix(e, "--guest-modules") : 0;
}

/* Nothing of what the guest writes outlives it: it may just end. */
static bool
keeps_nothing(const struct vm *vm)
{
	for (unsigned i = 0; i < vm->drive_count; i++)
		if (drive_keeps(&vm->drives[i]))
			return false;
	return true;
}

static void
tell_event(void *owner, json_t *event)
{
	control_event(owner, event);
}

static int
take_name(struct vm *vm, struct err *e)
{
	vm->folder = (struct run_folder)RUN_FOLDER_INIT;
	vm->sweep.alive = -1;
	vm->main_loop = loop_new("main", e);
	if (!vm->main_loop)
		return -1;
	if (!vm->options.name)
		return 0;
	if (run_folder_create(&vm->folder, vm->options.name, e) < 0)
		return -1;
	vm->status.folder = vm->folder.dir;
	if (sweep_start(&vm->sweep, &vm->folder, e) < 0)
		return -1;
	vm->control = control_new(vm->main_loop, vm->folder.dir, e);
	if (!vm->control)
		return -1;
	status_listen(&vm->status, tell_event, vm->control);
	return 0;
}

/* Joins a device that was just made to the guest; NULL: it could not be. */
static int
add_device(struct vm *vm, struct virtio_device *dev, struct err *e)
{
	if (!dev)
		return -1;
	vm->devices[vm->device_count++] = dev;
	return vm->engine->ops->add(vm->engine, dev, e);
}

/* Where the next device finds the guest's memory. */
static const struct gmem *
memory(struct vm *vm, struct err *e)
{
	return vm->engine->ops->memory(vm->engine, e);
}

/* Drives own their devices; all others are freed by us. */
static int
add_drives(struct vm *vm, struct err *e)
{
	bool ram = vm->options.image && vm->options.ram;

	for (unsigned i = ram ? 1 : 0; i < vm->drive_count; i++) {
		struct drive *drive = &vm->drives[i];
		const struct gmem *mem = memory(vm, e);

		if (!mem || !drive_attach(drive, mem, vm->options.cpus, e))
			return -1;
		if (vm->engine->ops->add(vm->engine, drive->device, e) < 0)
			return -1;
	}
	return 0;
}

static int
add_vsock(struct vm *vm, struct err *e)
{
	struct vsock_config config = {
	    .run_folder = vm->folder.dir,
	    .hyperkit = vm->options.hyperkit,
	    .ports = vm->options.ports,
	    .port_count = vm->options.port_count,
	};
	const struct gmem *mem = memory(vm, e);

	if (!mem)
		return -1;
	vm->vsock = vsock_new(vm->device_loop, mem, &config, e);
	return add_device(vm, vm->vsock, e);
}

static int
add_console(struct vm *vm, struct err *e)
{
	struct console_config config = {
	    .output = vm_console_output,
	    .owner = vm->ring,
	    .input = vm->views ? views_input(vm->views) : -1,
	};
	const struct gmem *mem;

	if (vm->engine->ops->console)
		return vm->engine->ops->console(vm->engine, &config, e);
	mem = memory(vm, e);
	if (!mem)
		return -1;
	return add_device(vm, console_new(vm->device_loop, mem, &config, e), e);
}

static int
add_rng(struct vm *vm, struct err *e)
{
	const struct gmem *mem = memory(vm, e);

	if (!mem)
		return -1;
	return add_device(vm, rng_new(vm->device_loop, mem, e), e);
}

/* Gives what the guest does not use back to the host. */
static int
add_balloon(struct vm *vm, struct err *e)
{
	const struct gmem *mem;

	/* It is not ours to give back. */
	if (vm->engine->ops->outside)
		return 0;
	/* What was to be taken from the start is not to be given back. */
	if (vm->options.prealloc)
		return 0;
	mem = memory(vm, e);
	if (!mem)
		return -1;
	vm->balloon = balloon_new(vm->device_loop, mem, e);
	return add_device(vm, vm->balloon, e);
}

/* What memory can be added through. */
static int
add_mem(struct vm *vm, struct err *e)
{
	const struct gmem *mem;
	const struct gmem_region *region;

	if (!vm->engine->ops->show)
		return 0;
	mem = memory(vm, e);
	region = mem ? gmem_pluggable(mem) : NULL;
	if (!region)
		return mem ? 0 : -1;
	vm->mem = mem_new(vm->device_loop, mem, region, e);
	return add_device(vm, vm->mem, e);
}

static int
add_nics(struct vm *vm, struct err *e)
{
	for (unsigned i = 0; i < vm->options.nic_count; i++) {
		struct nic *nic = &vm->options.nics[i];
		struct net_config config = {
		    .path = nic->path,
		    .fd = nic->path ? -1 : steal_fd(&nic->fd),
		    .mtu = nic->mtu,
		};
		const struct gmem *mem = memory(vm, e);

		memcpy(config.mac, nic->mac, sizeof(config.mac));
		if (!mem ||
		    add_device(
			vm, net_new(vm->device_loop, mem, &config, e), e) < 0)
			return err_prefix(e, "-n");
	}
	return 0;
}

/* For who can ask for them, through the control socket. */
static int
prepare_hot_disks(struct vm *vm, struct err *e)
{
	if (vm->engine->given_fd < 0)
		return 0;
	vm->hot_disks =
	    hot_disks_new(vm->main_loop, vm->engine, &vm->status, e);
	return vm->hot_disks ? 0 : -1;
}

static int
add_devices(struct vm *vm, struct err *e)
{
	vm->device_loop = loop_new("devices", e);
	if (!vm->device_loop)
		return -1;
	if (vm->folder.dir >= 0)
		filter_add(loop_filter(vm->device_loop), ring_calls);
	if (add_drives(vm, e) < 0 || add_vsock(vm, e) < 0 ||
	    add_console(vm, e) < 0 || add_rng(vm, e) < 0 ||
	    add_balloon(vm, e) < 0 || add_mem(vm, e) < 0 ||
	    add_nics(vm, e) < 0 || prepare_hot_disks(vm, e) < 0)
		return -1;
	return 0;
}

static int
make_engine(struct vm *vm, struct err *e)
{
	struct engine_config config = {
	    .cpus = vm->options.cpus,
	    .cpus_host = vm->options.cpus_host,
	    .memory = vm->options.memory,
	    .memory_max = vm->options.memory_max,
	    .console = vm_console_output,
	    .owner = vm->ring,
	    .console_calls = ring_calls,
	    .hugepages = vm->options.hugepages,
	    .prealloc = vm->options.prealloc,
	    .no_probe = vm->options.no_probe,
	    .no_nested = vm->options.no_nested,
	    .slots = vm->control != NULL,
	    .no_sandbox = vm->options.no_sandbox,
	    .run_folder = vm->folder.dir,
	};

	vm->engine = engine_new(vm->options.engine, &config, e);
	if (!vm->engine)
		return -1;
	vm->options.cpus = vm->engine->config.cpus;
	if (config.memory_max > config.memory && !vm->engine->ops->show)
		return err_set(e, EX_UNAVAILABLE,
		    "-m: max=: %s cannot be given more memory while it runs",
		    vm->engine->ops->name);
	return 0;
}

static json_t *
labels(const struct options *o)
{
	json_t *all = json_object();

	for (size_t i = 0; i < o->labels.count; i++) {
		const char *word = o->labels.words[i];
		const char *value = strchr(word, '=') + 1;
		cleanup_free char *name =
		    strndup(word, (size_t)(value - 1 - word));

		/* What is no text is left out. */
		if (name)
			json_object_set_new(all, name, json_string(value));
	}
	return all;
}

static void
tell_start(struct vm *vm)
{
	const struct options *o = &vm->options;
	json_t *members =
	    json_pack("{s:i,s:s,s:i,s:I,s:o,s:s*}", "pid", getpid(), "engine",
		vm->engine->ops->name, "cpus", o->cpus, "memory",
		(json_int_t)o->memory, "labels", labels(o), "name", o->name);

	/* Not where it is no UTF-8. */
	json_object_set_new(
	    members, "kernel", json_string(vm->boot.kernel_path));
	status_event(&vm->status, "start", members);
}

int
vm_build(struct vm *vm, struct err *e)
{
	const struct image *root;

	vm->terminal = (struct terminal)TERMINAL_INIT;
	gate_init(&vm->gate);
	io_allow_descriptors(); /* a connection of the guest is one */
	if (take_name(vm, e) < 0 || open_drives(vm, e) < 0 ||
	    vm_console_open(vm, e) < 0 || make_engine(vm, e) < 0)
		return -1;
	root = vm->options.image ? &vm->image : NULL;
	if (boot_choose(
		&vm->boot, vm->engine->ops->guest, &vm->options, root, e) < 0 ||
	    open_module_drive(vm, e) < 0 ||
	    boot_prepare(&vm->boot, &vm->options, root, e) < 0)
		return -1;
	tell_start(vm);
	if (add_devices(vm, e) < 0)
		return -1;
	if (vm->options.prepare || vm->options.show)
		return 0;
	if (vm->engine->ops->load(vm->engine, &vm->boot, e) < 0)
		return -1;
	/* It is in the guest's memory now. */
	if (vm->options.no_reboot)
		boot_release(&vm->boot);
	return 0;
}

void
vm_allow(struct vm *vm)
{
	filter_add(&vm->filter, release_calls);
	for (unsigned i = 0; i < vm->drive_count; i++)
		disk_allow_close(&vm->drives[i].disk, &vm->filter);
	filter_add(&vm->filter, stats_calls);
	if (vm->control)
		filter_add(&vm->filter, control_calls);
	filter_add(&vm->filter, vm_console_calls);
	if (vm->views)
		filter_add(&vm->filter, views_calls);
	filter_add(&vm->filter, sweep_calls);
	if (vm->folder.dir >= 0)
		filter_add(&vm->filter, ring_calls);
}

static json_t *
stats(void *owner)
{
	return stats_make(owner);
}

int
vm_show(const struct vm *vm, struct err *e)
{
	const struct options *o = &vm->options;

	printf("engine %s\n", vm->engine->ops->name);
	printf("cpus %u\nmemory %ju\n", o->cpus, (uintmax_t)o->memory);
	if (o->memory_max)
		printf("memory-max %ju\n", (uintmax_t)o->memory_max);
	printf("kernel %s\n", vm->boot.kernel_path);
	if (vm->boot.kernel.version[0])
		printf("version %s\n", vm->boot.kernel.version);
	printf("cmdline %s\n", vm->boot.cmdline.data);
	printf(
	    "initramfs %ju\n", (uintmax_t)initramfs_size(&vm->boot.initramfs));
	fwrite(vm->boot.config.data, 1, vm->boot.config.len, stdout);
	return fflush(stdout) < 0 ? err_errno(e, EX_IOERR, "stdout") : 0;
}

int
vm_run(struct vm *vm, struct err *e)
{
	struct guest_config config = {
	    .engine = vm->engine,
	    .boot = &vm->boot,
	    .loop = vm->main_loop,
	    .balloon = vm->balloon,
	    .mem = vm->mem,
	    .hot_disks = vm->hot_disks,
	    .control = vm->control,
	    .views = vm->views,
	    .terminal = &vm->terminal,
	    .gate = &vm->gate,
	    .filter = vm->filter.name ? &vm->filter : NULL,
	    .vsock = vm->vsock,
	    .options = &vm->options,
	    .status = &vm->status,
	    .throw_away = keeps_nothing(vm),
	    .last_words = vm_console_last_words,
	    .stats = stats,
	    .owner = vm,
	};

	for (unsigned i = 0; i < vm->drive_count; i++)
		if (vm->drives[i].loop &&
		    loop_start(vm->drives[i].loop, &vm->gate, e) < 0)
			return -1;
	if (loop_start(vm->device_loop, &vm->gate, e) < 0 ||
	    (vm->hot_disks && hot_disks_start(vm->hot_disks, &vm->gate, e) < 0))
		return -1;
	return guest_run(&config, e);
}

void
vm_release(struct vm *vm)
{
	gate_cancel(&vm->gate);
	/* First nobody runs any more, then memory goes, then devices. */
	if (vm->engine)
		vm->engine->ops->stop(vm->engine);
	for (unsigned i = 0; i < vm->drive_count; i++)
		drive_detach(&vm->drives[i]);
	hot_disks_end(vm->hot_disks);
	loop_end(vm->device_loop);
	engine_free(vm->engine);
	hot_disks_free(vm->hot_disks);
	while (vm->device_count > 0)
		virtio_device_free(vm->devices[--vm->device_count]);
	loop_free(vm->device_loop);
	boot_release(&vm->boot);
	while (vm->drive_count > 0)
		drive_close(&vm->drives[--vm->drive_count]);
	views_free(vm->views);
	terminal_restore(&vm->terminal);
	ring_free(vm->ring);
	control_free(vm->control);
	loop_free(vm->main_loop);
	sweep_end(&vm->sweep, &vm->folder);
	filter_release(&vm->filter);
	gate_release(&vm->gate);
	status_release(&vm->status);
	options_release(&vm->options);
}
