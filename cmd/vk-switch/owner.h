/* SPDX-License-Identifier: MIT */
/*
 * owner.h - who holds a port of the host, for an error message
 *
 * From /proc/net and /proc/PID/fd, as far as this user may look.
 */
#ifndef VK_SWITCH_OWNER_H
#define VK_SWITCH_OWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "nginx (process 1234)" into text. Returns false: it cannot be known. */
bool owner_of_port(uint8_t proto, uint16_t port, char *text, size_t size);

#endif
