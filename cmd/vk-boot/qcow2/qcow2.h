/* SPDX-License-Identifier: MIT */
/*
 * qcow2.h - disk images in QEMU's format (its docs/interop/qcow2.txt)
 *
 * Read: versions 2 and 3, any cluster size, zero clusters, compressed clusters
 * (zlib, zstd), backing files. Written: the same, but for images that hold
 * more than one state of the disk or need more upkeep than we give (internal
 * snapshots, bitmaps, a dirty bit): they are refused, with what mends them.
 * Not known: encryption, external data files, extended L2 entries, counts
 * narrower than a byte when writing.
 *
 * An image is as hostile as a guest. No offset in it is used before it was
 * compared with the file; what lies outside is an error where it is reached.
 * Nothing is guessed: the format of a backing file has to be in the image, and
 * a backing file lies in the image's folder, unless any is allowed.
 *
 * What is written goes to new clusters at the file's end, or in place where
 * the image has a cluster of its own. Tables and counts are changed in memory
 * only; a flush writes them, in the order that leaves the image whole at every
 * moment (write.c). Clusters are not given back: discarding makes a hole in the
 * file, and the image keeps the cluster for the next write.
 *
 * One thread uses an image at a time.
 */
#ifndef VK_BOOT_QCOW2_QCOW2_H
#define VK_BOOT_QCOW2_QCOW2_H

#include "cmd/vk-boot/disk.h"

#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

struct qcow2;

struct qcow2_config {
	const char *path;
	bool write;
	bool any_backing; /* also outside of the image's folder */
	bool unsafe;      /* flushes are not waited for */
};

/* Opens and locks it and what it is based on (EX_TEMPFAIL where another VM has
 * one of them). NULL with err. */
struct qcow2 *qcow2_open(const struct qcow2_config *, struct err *);

/* Flushes and closes. NULL is fine. */
void qcow2_close(struct qcow2 *);

/* Of the disk, in bytes. */
uint64_t qcow2_size(const struct qcow2 *);

/* As the functions of disk.h. A prepared run may be shorter than what was
 * asked for; written is called before the next prepare, or never (the write
 * failed). */
struct disk_run qcow2_where(struct qcow2 *, uint64_t offset, uint64_t len);
int qcow2_prepare(
    struct qcow2 *, uint64_t offset, uint64_t len, struct disk_run *);
int qcow2_written(struct qcow2 *, uint64_t offset, uint64_t len);
int qcow2_zero(struct qcow2 *, uint64_t offset, uint64_t len);
int qcow2_flush(struct qcow2 *);

#endif
