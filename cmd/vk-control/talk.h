/* SPDX-License-Identifier: MIT */
/* talk.h - one request, its answer, and what follows it */
#ifndef VK_CONTROL_TALK_H
#define VK_CONTROL_TALK_H

#include "cmd/vk-control/options.h"

/* name is NULL with o->socket. 0, -1 with err. */
int talk(
    const struct options *, const char *name, char *const *words, struct err *);

#endif
