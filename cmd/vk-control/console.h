/* SPDX-License-Identifier: MIT */
/* console.h - standard input and output as the VM's console */
#ifndef VK_CONTROL_CONSOLE_H
#define VK_CONTROL_CONSOLE_H

#include "cmd/vk-control/connection.h"

/* The connection is the console's already. Returns when it ends or the user
 * leaves (escape.h): 0, -1 with err. */
int console_join(struct connection *, struct err *);

#endif
