/* SPDX-License-Identifier: MIT */
/*
 * hot_disks.h - disks that are added to a running VM, and taken from it
 *
 * Their files are opened by who asks, with its own rights, and come as
 * descriptors: nothing is opened in the sandbox. They are raw, and written as
 * they are. What they need beside is made before the guest runs: one thread
 * serves them all, and waits for each read and write itself, since neither a
 * thread nor an io_uring can be made any more. A disk that matters is one that
 * the VM is started with.
 *
 * A disk goes when the guest has given it up: because it was asked to
 * (hot_disks_remove), or by itself. Until then it stays, however long that
 * takes; who waits is told when its time is over. A guest that is reset finds
 * its disks where they were, and is asked again for one that it was asked for.
 *
 * All of it is for the main loop.
 */
#ifndef VK_BOOT_HOT_DISKS_H
#define VK_BOOT_HOT_DISKS_H

#include "cmd/vk-boot/engine.h"
#include "cmd/vk-boot/loop.h"
#include "cmd/vk-boot/status.h"

struct hot_disks;

struct hot_disks_ops {
	/* Holds the guest's processors still, and lets them go on. */
	void (*hold)(void *owner, bool on);
	/* A removal has come to its end: done, or err. */
	void (*removed)(void *owner, unsigned number, const struct err *);
};

/* NULL with err. */
struct hot_disks *hot_disks_new(
    struct loop *main, struct engine *, struct status *, struct err *);

/* The thread's filter is compiled; what the main thread asks of the host is
 * added to its own. 0, -1 with err. */
int hot_disks_confine(struct hot_disks *, struct filter *main, struct err *);
int hot_disks_start(struct hot_disks *, struct gate *, struct err *);

void hot_disks_serve(
    struct hot_disks *, const struct hot_disks_ops *, void *owner);

struct hot_disk {
	const char *file; /* for messages */
	const char *id;   /* the guest finds it by it: its serial number */
	bool read_only;
};

/* Whether there is one of this id. */
bool hot_disks_has(struct hot_disks *, const char *id);

/* There is none of this id; fd is taken in any case. 0, -1 with err. */
int hot_disks_add(
    struct hot_disks *, const struct hot_disk *, int fd, struct err *);

/* Asks the guest for it. The removal has this number, and so much time. 0, -1
 * with err. */
int hot_disks_remove(struct hot_disks *, const char *id, unsigned number,
    uint64_t timeout_ms, struct err *);

/* Whether something that the guest wrote to one outlives it. */
bool hot_disks_keep(const struct hot_disks *);

/* Calls with each of them. */
void hot_disks_each(const struct hot_disks *,
    void (*call)(void *with, const char *id, struct virtio_device *),
    void *with);

/* All take NULL. The guest was reset, and runs again. */
void hot_disks_again(struct hot_disks *);
/* The VM ends: a removal is answered. */
void hot_disks_fail(struct hot_disks *);
/* The guest runs no more: its thread ends. */
void hot_disks_end(struct hot_disks *);
/* The engine has let go of the devices. */
void hot_disks_free(struct hot_disks *);

#endif
