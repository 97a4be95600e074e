/* SPDX-License-Identifier: MIT */
/*
 * initramfs.h - the guest's first file system, made in memory
 *
 * A "newc" cpio archive (Documentation/driver-api/early-userspace/
 * buffer-format.rst of Linux), not compressed: it is made and unpacked once,
 * and megabytes cost less than inflating them. Behind it comes, byte for byte,
 * what the user gave as an initrd of their own; the kernel unpacks one after
 * the other, and the later file of a name wins. So the agent is /vk/agent, and
 * /init a link to it: where the user's initrd has an /init too, the kernel
 * parameter rdinit=/vk/agent still starts ours.
 *
 * The same files give the same bytes: owner 0:0, no times, no inode numbers of
 * the host.
 */
#ifndef VK_BOOT_INITRAMFS_H
#define VK_BOOT_INITRAMFS_H

#include "common/buf.h"
#include "common/err.h"

#include <stdint.h>

/* The agent, its configuration and modules: some megabytes. */
#define INITRAMFS_MAX ((size_t)256 << 20)

struct initramfs {
	struct buf archive; /* all but the agent's bytes */
	int agent_fd;       /* they are read as they are copied; -1: none */
	size_t agent_at;    /* where in the archive they belong */
	size_t agent_size;
	unsigned count; /* of files; also the last inode number */
	int user_fd;    /* the user's initrd, -1: none */
	uint64_t user_size;
};

void initramfs_init(struct initramfs *);
void initramfs_release(struct initramfs *); /* may be called twice */

/* Adds a folder; a folder comes before what is in it. path has no leading
 * slash. These remember a failure until initramfs_finish. */
void initramfs_add_folder(struct initramfs *, const char *path);

/* Adds a file of mode (0644), or a link. */
void initramfs_add(struct initramfs *, const char *path, unsigned mode,
    const void *data, size_t len);
void initramfs_add_link(
    struct initramfs *, const char *path, const char *target);

/* Adds what is in fd, from its beginning to its end; closes nothing. Returns
 * 0, -1 with err. */
int initramfs_add_file(
    struct initramfs *, const char *path, unsigned mode, int fd, struct err *);

/* Adds the agent, once: /vk/agent and /init. fd is taken over. */
int initramfs_add_agent(struct initramfs *, int fd, struct err *);

/*
 * Ends the archive. user_fd, which is taken over, is appended; -1: nothing.
 * Returns 0, -1 with err (too large, no memory, the user's cannot be read).
 */
int initramfs_finish(struct initramfs *, int user_fd, struct err *);

/* Bytes in memory, all of it. */
uint64_t initramfs_size(const struct initramfs *);

/* Copies initramfs_size bytes. Returns 0, -1 with err. */
int initramfs_copy(const struct initramfs *, void *into, struct err *);

#endif
