/* SPDX-License-Identifier: MIT */
/*
 * modules.h - the modules that a modular kernel needs to reach its root
 *
 * Read are depmod(8)'s text files of /lib/modules/VERSION: modules.dep (what
 * needs what), modules.builtin (what is in the kernel already), modules.softdep
 * and, for names that are no module's, modules.alias. What they say comes
 * perhaps from a hostile image: it decides what the guest loads, and nothing
 * else.
 *
 *	modules_open(&m, &kernel, NULL, &e)
 *	modules_want(&m, "virtio_blk", &e)	as often as wanted
 *	modules_put(&m, &initramfs, &config, &e)
 *	modules_close(&m)
 */
#ifndef VK_BOOT_MODULES_H
#define VK_BOOT_MODULES_H

#include "cmd/vk-boot/initramfs.h"
#include "cmd/vk-boot/kernel.h"
#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Ten wanted names pull in about thirty. */
#define MODULES_MAX 256

/* Where files are read: a folder of the host, or one inside an image. */
struct module_files {
	/* Opens path, relative to the folder. A descriptor that is the
	 * caller's, -1 with err (EX_NOINPUT: there is no such file). */
	int (*open)(void *owner, const char *path, struct err *);
	void *owner;
};

/* A line of modules.dep; strings are not terminated. */
struct module {
	const char *path;
	size_t path_len;
	const char *name; /* in the path */
	size_t name_len;
	const char *needs; /* paths, separated by spaces */
	size_t needs_len;
	bool missing; /* it is in the list, but its file is not there */
	bool begun;   /* it is chosen, or what it needs is being looked for */
};

/* Stays where it was opened. */
struct modules {
	char folder[PATH_MAX]; /* "": the kernel has none that we know of */
	struct module_files files;
	int folder_fd;
	char *dep, *builtin, *softdep, *alias; /* the files; NULL: not read */
	struct module *table;
	size_t table_len;
	const struct module *chosen[MODULES_MAX]; /* in the order of loading */
	int fds[MODULES_MAX];                     /* their bytes, unpacked */
	unsigned count;
	unsigned lookups, unknown;
};

/*
 * Finds the kernel's modules: in `folder` if that is given (the modules' own,
 * or the one that has lib/modules/VERSION in it), else in lib/modules/VERSION
 * where the kernel's file is, or beside its folder boot, or the file's
 * own folder. Finding none is no error: folder is "" then, and every
 * modules_want gives 0, for a kernel that has all built in. Returns 0, -1 with
 * err.
 */
int modules_open(
    struct modules *, struct kernel *, const char *folder, struct err *);

/* The same out of an image; folder is only for messages. */
int modules_open_files(struct modules *, const struct module_files *,
    const char *folder, struct err *);

/*
 * Chooses the module of that name ('-' and '_' are the same), or all of an
 * alias, and before it what it needs. Returns 1 if it is chosen, 0 if it is
 * built in, -1 with err if the kernel does not have it, or a file is missing.
 */
int modules_want(struct modules *, const char *name, struct err *);

/*
 * Adds the chosen ones to the initramfs as /vk/modules/NAME.ko, unpacked, and
 * a line "module /vk/modules/NAME.ko" for each to config, in the order of
 * loading. Returns 0, -1 with err.
 */
int modules_put(const struct modules *, struct initramfs *, struct buf *config,
    struct err *);

/* May be called twice. */
void modules_close(struct modules *);

#endif
