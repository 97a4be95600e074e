/* SPDX-License-Identifier: MIT */
/* vm.c - one VM and all that belongs to it */
#include "cmd/vk-boot/vm.h"

#include "cmd/vk-boot/virtio/blk.h"
#include "cmd/vk-boot/virtio/console.h"
#include "cmd/vk-boot/virtio/rng.h"
#include "cmd/vk-boot/virtio/vsock.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Of the console, when something went wrong. */
#define LAST_LINES 20

static int
open_root(struct vm *vm, struct err *e)
{
	const struct options *o = &vm->options;
	struct disk_config config = {
	    .path = o->image,
	    .overlay = o->overlay,
	    .write = o->write,
	    .read_only = o->read_only,
	};

	vm->root.base = vm->root.overlay = -1;
	if (!o->image)
		return 0;
	if (disk_open(&vm->root, &config, e) < 0)
		return -1;
	if (image_identify(vm->root.base, &vm->image, e) < 0)
		return err_prefix(e, "%s", o->image);
	return 0;
}

static void
console_output(void *owner, const void *text, size_t len)
{
	ring_add(owner, text, len);
}

static int
open_ring(struct vm *vm, struct err *e)
{
	int file = -1;

	if (vm->folder.dir >= 0) {
		file = openat(vm->folder.dir, "console.log",
		    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (file < 0)
			return err_errno(e, EX_CANTCREAT, "console.log");
	}
	vm->ring = ring_new(file, e);
	return vm->ring ? 0 : -1;
}

/* What a user wants to see of a guest that failed. */
static void
last_words(void *owner)
{
	static char text[8192];
	struct vm *vm = owner;

	if (ring_last(vm->ring, LAST_LINES, text, sizeof(text)) > 0)
		fputs(text, stderr);
}

static int
take_name(struct vm *vm, struct err *e)
{
	vm->folder = (struct run_folder)RUN_FOLDER_INIT;
	vm->sweep.alive = -1;
	if (!vm->options.name)
		return 0;
	if (run_folder_create(&vm->folder, vm->options.name, e) < 0)
		return -1;
	vm->status.folder = vm->folder.dir;
	return sweep_start(&vm->sweep, &vm->folder, e);
}

static int
add_devices(struct vm *vm, struct err *e)
{
	struct vsock_config vsock = {.run_folder = vm->folder.dir};
	struct console_config console = {
	    .output = console_output,
	    .owner = vm->ring,
	    .input = -1,
	};
	const struct gmem *mem = &vm->machine.mem;

	vm->disk_loop = loop_new("disk", e);
	vm->device_loop = vm->disk_loop ? loop_new("devices", e) : NULL;
	if (!vm->device_loop)
		return -1;
	if (vm->options.image) {
		vm->blk = blk_new(vm->disk_loop, mem, &vm->root, "root", e);
		if (!vm->blk || machine_add(&vm->machine, vm->blk, e) < 0)
			return -1;
	}
	vm->vsock = vsock_new(vm->device_loop, mem, &vsock, e);
	if (!vm->vsock || machine_add(&vm->machine, vm->vsock, e) < 0)
		return -1;
	vm->console = console_new(vm->device_loop, mem, &console, e);
	if (!vm->console || machine_add(&vm->machine, vm->console, e) < 0)
		return -1;
	vm->rng = rng_new(vm->device_loop, mem, e);
	if (!vm->rng || machine_add(&vm->machine, vm->rng, e) < 0)
		return -1;
	if (loop_start(vm->disk_loop, e) < 0)
		return -1;
	return loop_start(vm->device_loop, e);
}

int
vm_build(struct vm *vm, struct err *e)
{
	struct machine_config config = {
	    .cpus = vm->options.cpus,
	    .memory = vm->options.memory,
	    .console = console_output,
	};

	if (take_name(vm, e) < 0 || open_root(vm, e) < 0 ||
	    open_ring(vm, e) < 0)
		return -1;
	config.owner = vm->ring;
	if (machine_create(&vm->machine, &config, e) < 0)
		return -1;
	if (!vm->options.no_probe && machine_probe(&vm->machine, e) < 0)
		return -1;
	if (boot_prepare(&vm->boot, &vm->options,
		vm->options.image ? &vm->image : NULL, e) < 0 ||
	    boot_load(&vm->boot, &vm->machine.mem, &vm->entry, e) < 0)
		return -1;
	status_event(&vm->status, "start",
	    json_pack("{s:i,s:s,s:s,s:i,s:I,s:s*}", "pid", getpid(), "engine",
		"kvm", "kernel", vm->boot.kernel.path, "cpus", vm->options.cpus,
		"memory", (json_int_t)vm->options.memory, "name",
		vm->options.name));
	boot_release(&vm->boot);
	return add_devices(vm, e);
}

int
vm_run(struct vm *vm, struct err *e)
{
	struct guest_config config = {
	    .machine = &vm->machine,
	    .entry = &vm->entry,
	    .vsock = vm->vsock,
	    .options = &vm->options,
	    .status = &vm->status,
	    .throw_away = !vm->options.write && !vm->options.overlay,
	    .last_words = last_words,
	    .owner = vm,
	};

	return guest_run(&config, e);
}

void
vm_release(struct vm *vm)
{
	machine_release(&vm->machine);
	loop_free(vm->disk_loop);
	vm->disk_loop = NULL;
	loop_free(vm->device_loop);
	vm->device_loop = NULL;
	virtio_device_free(vm->rng);
	virtio_device_free(vm->console);
	virtio_device_free(vm->vsock);
	virtio_device_free(vm->blk);
	boot_release(&vm->boot);
	disk_close(&vm->root);
	ring_free(vm->ring);
	run_folder_release(&vm->folder);
	sweep_dismiss(&vm->sweep);
	status_release(&vm->status);
	options_release(&vm->options);
}
