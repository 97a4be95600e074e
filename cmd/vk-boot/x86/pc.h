/* SPDX-License-Identifier: MIT */
/*
 * pc.h - what a guest is booted with whose machine is a PC, whoever makes it
 *
 *	rdinit=/vk/agent  our agent, also where an added initrd has an /init
 *	console=ttyS0	  what a kernel can write to before it has drivers
 *	quiet		  each character there is an exit; emergencies are shown
 *	panic=-1	  a panic resets at once, which is how we learn of it
 *	reboot=k	  by the keyboard controller's port: what Linux takes by
 *			  default without firmware ends in a loop
 *	panic_warm	  so that a panic's reset is not taken for a reboot
 *	cryptomgr.notests a distribution's algorithms test themselves otherwise,
 *			  two thirds of its way to process 1
 */
#ifndef VK_BOOT_X86_PC_H
#define VK_BOOT_X86_PC_H

#include "cmd/vk-boot/engine.h"
#include "cmd/vk-boot/kernel.h"

extern const struct engine_guest pc_guest;

/* Of a PC's firmware, 40:72: how it is to start. Linux says there what kind of
 * reset it makes, and by its parameter reboot=panic_warm a panic's is of this
 * kind, and no other. 16 bits. */
#define PC_START_KIND 0x472
#define PC_START_WARM 0x1234

/* A machine was reset, and that is the word there: how the guest ended, and
 * text (of 16 bytes or more) for it. */
enum engine_end pc_reset(uint16_t start_kind, char *text);

/* Whether another's VMM can start that kernel. 0, -1 with err. */
int pc_kernel_for(
    const struct kernel *, const char *path, const char *vmm, struct err *);

#endif
