/* SPDX-License-Identifier: MIT */
/*
 * vm.h - one VM and all that belongs to it
 *
 *	vm_build(&vm, &e)	name, image, engine, kernel, devices
 *	sandbox_close(&vm, &e)	what is not needed any more is given up
 *	vm_run(&vm, &e)		the guest's life; our exit status
 *	vm_release(&vm)		in the opposite order
 *
 * vm.options is filled in by the caller before; all else is zero.
 */
#ifndef VK_BOOT_VM_H
#define VK_BOOT_VM_H

#include "cmd/vk-boot/boot.h"
#include "cmd/vk-boot/drive.h"
#include "cmd/vk-boot/engine.h"
#include "cmd/vk-boot/gate.h"
#include "cmd/vk-boot/guest.h"
#include "cmd/vk-boot/hot_disks.h"
#include "cmd/vk-boot/options.h"
#include "cmd/vk-boot/ring.h"
#include "cmd/vk-boot/status.h"
#include "cmd/vk-boot/sweep.h"
#include "cmd/vk-boot/view.h"

#include "common/confine.h"
#include "common/terminal.h"

/* What fits a bus beside its bridge. */
#define VM_DEVICES_MAX 31

struct vm {
	struct options options;
	struct status status;
	struct run_folder folder;
	struct sweep sweep;
	struct image image;
	struct drive drives[1 + DRIVES_MAX]; /* the root's first, if any */
	unsigned drive_count;
	struct boot boot;
	struct engine *engine;
	pid_t parent; /* ours, as it was when we began */
	struct confine confine;
	struct gate gate;
	struct filter filter; /* of the main thread */
	struct loop *main_loop, *device_loop;
	struct control *control; /* NULL: it has no run folder */
	struct virtio_device *devices[VM_DEVICES_MAX];
	unsigned device_count;
	struct virtio_device *vsock, *balloon, *mem; /* of them; or NULL */
	struct hot_disks *hot_disks; /* NULL: none can be added */
	struct views *views;         /* who watches the console; or NULL */
	struct terminal terminal;    /* ours, for --tty and --console stdio */
	struct ring *ring;           /* what the console said */
};

/* Opens and makes everything; there are no threads, and no instruction of the
 * guest's kernel has run. 0, -1 with err. */
int vm_build(struct vm *, struct err *);

/* Prints what would be booted: a word and its value a line, then the agent's
 * configuration (vk-agent(8)). 0, -1 with err. */
int vm_show(const struct vm *, struct err *);

/* Adds what vm_release asks of the host to the main thread's filter. */
void vm_allow(struct vm *);

/* The guest's exit status, -1 with err. */
int vm_run(struct vm *, struct err *);

/* Takes what vm_build left half-done. */
void vm_release(struct vm *);

#endif
