/* SPDX-License-Identifier: MIT */
/*
 * find.h - the kernel and the agent where the user named none
 *
 * "bin" is the folder of the running program; what is looked for lies beside
 * it in the build folder, and in ../lib/vk when installed; what is installed is
 * held against the digests there (sums.h).
 */
#ifndef VK_BOOT_FIND_H
#define VK_BOOT_FIND_H

#include "common/err.h"

#include <limits.h>
#include <stdbool.h>

/*
 * A kernel's path, the first of
 *	$VK_KERNEL
 *	bin/vmlinux, bin/../lib/vk/vmlinux
 *	the newest of the cache's kernel/.../vmlinux ("make kernel")
 *	the cache's debian-kernel/cloud and generic ("scripts/fetch-kernel")
 *	the newest /boot/vmlinuz-* and /lib/modules/.../vmlinuz
 * that can be read; stock: of the distribution's only, which are the last two.
 * Returns 0, -1 with err that names these.
 */
int find_kernel(char path[PATH_MAX], bool stock, struct err *);

/*
 * User-mode Linux: a program's path, the first of
 *	bin/linux.uml, bin/../lib/vk/linux.uml
 *	the newest of the cache's kernel/.../linux.uml ("make kernel-uml")
 *	the cache's debian-kernel/uml ("scripts/fetch-kernel uml")
 *	/usr/bin/linux.uml (Debian's user-mode-linux)
 * stock: of the last two. Returns 0, -1 with err (EX_UNAVAILABLE).
 */
int find_uml(char path[PATH_MAX], bool stock, struct err *);

/* Its modules: USR/lib/uml/modules/VERSION for USR/bin/linux.uml, the newest;
 * "" where there are none. Returns 0, -1 with err. */
int find_uml_modules(const char *kernel, char folder[PATH_MAX], struct err *);

/* qemu-system-x86_64: in PATH, or where Red Hat has it. Returns 0, -1 with err
 * (EX_UNAVAILABLE). */
int find_qemu(char path[PATH_MAX], struct err *);

/* cloud-hypervisor: in PATH. Returns 0, -1 with err (EX_UNAVAILABLE). */
int find_cloud_hypervisor(char path[PATH_MAX], struct err *);

/* vk-mkext: beside this program, else in PATH. Returns 0, -1 with err. */
int find_mkext(char path[PATH_MAX], struct err *);

/*
 * Opens the agent: $VK_AGENT, else bin/vk-agent, bin/../lib/vk/vk-agent or
 * bin/../libexec/vk/vk-agent. It has to be an executable for this machine that
 * needs no other file. Returns a descriptor, -1 with err.
 */
int find_agent(struct err *);

#endif
