/* SPDX-License-Identifier: MIT */
/*
 * drive.h - a disk as the user asks for it (vk-boot -d)
 *
 *	FILE[,ro][,size=1G][,id=X][,serial=X][,mount=/path][,from=DIR]
 *	    [,fs=ext4][,label=X][,cache=writeback|none|unsafe]
 *	    [,overlay=FILE|tmp][,overlay-max=SIZE][,format=raw|qcow2]
 *	    [,backing=any]
 *
 *	drive_parse(&wish, text, number, &e)	what is asked
 *	drive_open(&drive, &wish, &e)		made if missing, open, locked
 *	drive_attach(&drive, mem, queues, &e)	a device in a loop of its own
 *	...
 *	drive_detach(&drive)	the engine has let the device go
 *	drive_close(&drive)
 *
 * What is there already is never formatted, and nothing is taken for a format
 * that was not named: a raw file that begins like a qcow2 image stays raw.
 */
#ifndef VK_BOOT_DRIVE_H
#define VK_BOOT_DRIVE_H

#include "cmd/vk-boot/disk.h"
#include "cmd/vk-boot/gmem.h"
#include "cmd/vk-boot/loop.h"

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

/* -d; each is a device on the bus. */
#define DRIVES_MAX 16

/* What virtio has room for (5.2.4). */
#define DRIVE_SERIAL_MAX 20
/* Of an ext4 file system. */
#define DRIVE_LABEL_MAX 16

struct drive_wish {
	char *text; /* owns what the following point to */
	struct disk_config disk;
	uint64_t size;                     /* bytes; 0: not said */
	bool if_missing;                   /* mounted where there is nothing */
	const char *mount, *from, *label;  /* NULL: not said */
	char fs[16];                       /* "": not said */
	char id[DRIVE_SERIAL_MAX + 1];     /* how the host speaks of it */
	char serial[DRIVE_SERIAL_MAX + 1]; /* what the guest finds it by */
};

/* Reads it; number is what tells the nameless from each other. 0, -1 with err
 * (EX_USAGE). */
int drive_parse(
    struct drive_wish *, const char *text, unsigned number, struct err *);
void drive_wish_release(struct drive_wish *); /* may be called twice */

/* Its lines for the agent (vk-agent(8)), once it is open. */
void drive_config(const struct drive_wish *, struct buf *config);

struct drive {
	char id[DRIVE_SERIAL_MAX + 1];
	char serial[DRIVE_SERIAL_MAX + 1];
	struct disk disk;
	struct loop *loop; /* NULL: not attached */
	struct virtio_device *device;
};

/*
 * Makes the file if it is missing and a size or what to fill it from is said;
 * enlarges one that is smaller than that; opens and locks it. What file system
 * is to be mounted is put into the wish where it was not named and can be
 * proven. 0, -1 with err; drive_close takes a half-open one.
 */
int drive_open(struct drive *, struct drive_wish *, struct err *);

/* Whether what the guest writes is there afterwards. */
bool drive_keeps(const struct drive *);

/* The device, with that many queues, in a loop that does not run yet: start it
 * (loop_start) when the device has its transport. NULL with err. */
struct virtio_device *drive_attach(
    struct drive *, const struct gmem *, unsigned queues, struct err *);

/* Ends the loop; no operation of the device runs any more, and its transport
 * may be freed. Then drive_close frees the device. */
void drive_detach(struct drive *);

/* Detaches, frees the device, puts the disk in order and closes it. May be
 * called
 * twice, also after drive_open has failed. */
void drive_close(struct drive *);

/* ---- drive_make.c ---- */

/* The file is missing: makes it by the wish, whole or not at all; somebody
 * else who was quicker is as good. 0, -1 with err. */
int drive_make(const struct drive_wish *, struct err *);

#endif
