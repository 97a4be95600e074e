/* SPDX-License-Identifier: MIT */
/*
 * vm_console.h - where a VM's console is, and who sees it
 *
 * What the guest writes goes into a ring (ring.h), whatever it is: console.log
 * in the run folder, and what views (view.h) show: standard output, a terminal
 * or a socket of their own, whoever asks for one by the control socket.
 */
#ifndef VK_BOOT_VM_CONSOLE_H
#define VK_BOOT_VM_CONSOLE_H

#include "common/err.h"
#include "common/filter.h"

#include <stddef.h>

struct vm;

/* The ring and what is asked for beside; and the command's terminal, if it is
 * to have one. 0, -1 with err. */
int vm_console_open(struct vm *, struct err *);

/* Takes what the guest wrote; the owner is the ring. Any thread. */
void vm_console_output(void *ring, const void *text, size_t len);

/* Prints the last lines to standard error, for the user of a guest that
 * failed, and returns them; the owner is the VM. */
const char *vm_console_last_words(void *vm);

/* What our own terminal asks of the host in the main thread (filter.h). */
extern const struct filter_call vm_console_calls[];

#endif
