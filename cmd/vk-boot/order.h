/* SPDX-License-Identifier: MIT */
/*
 * order.h - a request of the control socket, read and checked (vk-control(5))
 *
 *	{"command":"stop","timeout":"5s"}
 *
 * One table says which commands there are and which members each takes. What
 * is not in it is refused by name: a member that is misspelt must not mean its
 * default. Times and sizes are as vk-boot's options have them, as text or as
 * whole numbers of seconds and bytes.
 */
#ifndef VK_BOOT_ORDER_H
#define VK_BOOT_ORDER_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A request's line. */
#define ORDER_LINE_MAX 4096
#define ORDER_TEXT_MAX 1024
/* What virtio has room for as a disk's serial number. */
#define ORDER_ID_MAX 20

enum order_kind {
	ORDER_STATUS,
	ORDER_STATS,
	ORDER_EVENTS,
	ORDER_WAIT,
	ORDER_STOP,
	ORDER_KILL,
	ORDER_PAUSE,
	ORDER_RESUME,
	ORDER_POWER_BUTTON,
	ORDER_BALLOON,
	ORDER_MEMORY,
	ORDER_DISK_ADD,
	ORDER_DISK_REMOVE,
	ORDER_CONSOLE,
	ORDER_KINDS,
};

struct order {
	enum order_kind kind;
	bool has_timeout, has_size;
	uint64_t timeout_ms;
	uint64_t size;             /* bytes */
	char file[ORDER_TEXT_MAX]; /* as it was said */
	char id[ORDER_ID_MAX + 1];
	bool read_only;
};

/* Reads a line without its newline. 0, -1 with err (EX_USAGE). */
int order_parse(struct order *, const char *line, size_t len, struct err *);

const char *order_name(enum order_kind);

#endif
