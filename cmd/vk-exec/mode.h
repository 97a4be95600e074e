/* SPDX-License-Identifier: MIT */
/* mode.h - each thing that vk-exec does with a VM */
#ifndef VK_EXEC_MODE_H
#define VK_EXEC_MODE_H

#include "cmd/vk-exec/options.h"
#include "cmd/vk-exec/vm.h"
#include "common/err.h"

/* Does what the options ask for; rest is what stands behind the VM. Returns
 * an exit status, -1 with err. */
int mode_run(const struct vm *, struct options *, char **rest, struct err *);

#endif
