/* SPDX-License-Identifier: MIT */
/*
 * uml.h - the engine that is User-mode Linux: a kernel that is an ordinary
 * process
 *
 * For hosts where KVM cannot run a guest. The guest's kernel is a program
 * (Debian's user-mode-linux, or "make kernel-uml"); our devices are behind
 * vhost-user sockets; the initramfs, the agent and all of the guest's life are
 * those of any guest. There is one processor, and no isolation by hardware:
 * the guest's programs are processes of the host, whose system calls the UML
 * kernel catches; what one that breaks out finds is jail.h. A pause holds that
 * kernel: a program that computes goes on until its next system call or fault.
 */
#ifndef VK_BOOT_UML_H
#define VK_BOOT_UML_H

#include "cmd/vk-boot/engine.h"

/* NULL with err: EX_UNAVAILABLE where no UML kernel is found. */
struct engine *uml_new(const struct engine_config *, struct err *);

#endif
