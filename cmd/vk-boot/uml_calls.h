/* SPDX-License-Identifier: MIT */
/*
 * uml_calls.h - the system calls of User-mode Linux
 *
 * All of its processes have them: the kernel, its helpers, and one for each
 * address space of the guest, in which the guest's own calls are stopped by
 * ptrace before any filter sees them, and are never made. In these the kernel
 * has calls made that map memory.
 *
 * A call that is missing ends the guest, so the list is of what each part is
 * known to do: seen under strace, while a guest booted, made processes, files
 * and connections, crashed, and ended; what strace cannot see, because a
 * process has only one tracer, by taking it away.
 */
#ifndef VK_BOOT_UML_CALLS_H
#define VK_BOOT_UML_CALLS_H

#include "common/filter.h"

/* Distinct calls. */
#define UML_CALLS_MAX 75

extern const struct filter_call uml_calls[];

#endif
