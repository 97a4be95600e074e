/* SPDX-License-Identifier: MIT */
/*
 * vmm.h - engines that are another program, in front of our devices
 *
 * The program runs the guest's processors and has its memory; the devices are
 * ours, each behind a vhost-user socket. What is the same for all programs is
 * here; what differs is a struct vmm_kind in a file of its own:
 *
 *	uml.h	User-mode Linux
 *	qemu.h	QEMU's system emulator
 *	cloud_hypervisor.h
 *
 * The program is the warden's child (warden.h) and lives in a jail (jail.h),
 * where our sockets have names that the host does not have. Its stdout and
 * stderr are the guest's first console. What a reset asks for is done by
 * starting it anew: its exit is the end of a life, and only the kind knows how
 * to tell a power-off from a reset.
 *
 * A hostile guest may have taken over the program. What that sends is checked
 * (vhost_user.h) or is text for the console; and what it says of the guest's
 * end can do no more than end or restart this guest.
 */
#ifndef VK_BOOT_VMM_H
#define VK_BOOT_VMM_H

#include "cmd/vk-boot/engine.h"
#include "cmd/vk-boot/loop.h"
#include "cmd/vk-boot/vmm_launch.h"
#include "cmd/vk-boot/warden.h"

#include <jansson.h>
#include <limits.h>

#define VMM_DEVICES_MAX 31

struct boot;
struct vhost_user;
struct vmm;

struct vmm_device {
	struct vmm *vmm;
	unsigned number;
	struct virtio_device *dev;
	struct gmem mem; /* the guest's memory as the program shows it */
	struct vhost_user *vhost;
	int socket;    /* the jail binds it */
	uint16_t word; /* the watched one, when this memory went away */
};

struct vmm_kind {
	const char *title;  /* "QEMU"; for messages */
	const char *called; /* its own first argument */
	size_t size; /* of its own struct; a struct vmm is the first member */
	unsigned cpus_max;
	const char *filter_name;
	/* Beside vmm_calls.h; NULL: it has filters of its own. */
	const struct filter_call *calls;
	unsigned calls_max;
	bool refuses; /* filter.h */
	/* A word of 16 bits in the guest's memory of which the last value is
	 * known at its end; 0: none. */
	uint64_t watched;
	/* Finds the program, and opens what is the kind's own, the rest of the
	 * struct being zero. 0, -1 with err; release follows in any case. */
	int (*open)(struct vmm *, struct err *);
	void (*release)(struct vmm *); /* or NULL */
	/* Says what the program is and needs in its jail, and adds the
	 * arguments behind those of the devices, and further calls to the
	 * filter. 0, -1 with err. */
	int (*prepare)(struct vmm *, const struct boot *, struct vmm_launch *,
	    struct err *);
	/* Adds the arguments for one device whose socket has that path. */
	int (*device)(struct vmm_launch *, const struct vmm_device *,
	    const char *path, struct err *);
	/* In the loop: presses the power button. NULL: there is none. */
	void (*press)(struct vmm *);
	/* It exited by itself with that status, or was killed by vmm_kill: how
	 * the guest ended; text (VMM_TEXT_MAX) says it in words. */
	enum engine_end (*exited)(struct vmm *, int status, char *text);
};

#define VMM_TEXT_MAX 128

struct vmm {
	struct engine engine; /* first */
	const struct vmm_kind *kind;
	struct vmm_device devices[VMM_DEVICES_MAX];
	unsigned count; /* with memory handed out */
	struct loop *loop;
	struct loop_source console, ended;
	struct warden warden;
	int initrd;  /* what the program reads at each start */
	bool killed; /* by vmm_kill */
};

/* NULL with err: that of open, or EX_USAGE for too many processors. */
struct engine *vmm_new(const struct vmm_kind *, const struct engine_ops *,
    const struct engine_config *, struct err *);

/* In its loop: ends the program; exited is told of it. */
void vmm_kill(struct vmm *);

/* The watched word's last value, 0 if it was never seen. For exited. */
uint16_t vmm_word(struct vmm *);

/* The operations that are the same for all (engine.h). */
const struct gmem *vmm_memory(struct engine *, struct err *);
int vmm_add(struct engine *, struct virtio_device *, struct err *);
int vmm_load(struct engine *, const struct boot *, struct err *);
int vmm_confine(struct engine *, struct err *);
int vmm_start(struct engine *, struct gate *, struct err *);
int vmm_go(struct engine *, struct err *);
int vmm_pause(struct engine *, bool on, struct err *);
void vmm_power_button(struct engine *); /* where the kind has press */
void vmm_allow_again(struct filter *);
int vmm_again(struct engine *, const struct boot *, struct err *);
void vmm_stats(struct engine *, json_t *);
void vmm_stop(struct engine *);
void vmm_free(struct engine *);

#define VMM_OPS                                                                \
	.outside = true, .main_calls = warden_calls, .memory = vmm_memory,     \
	.add = vmm_add, .load = vmm_load, .confine = vmm_confine,              \
	.start = vmm_start, .go = vmm_go, .pause = vmm_pause,                  \
	.allow_again = vmm_allow_again, .again = vmm_again,                    \
	.stats = vmm_stats, .stop = vmm_stop, .free = vmm_free

#endif
