/* SPDX-License-Identifier: MIT */
/*
 * console.h - virtio console device (virtio 1.2, 5.3): hvc0, one port
 *
 * Output is handed to a function, input comes from a descriptor. What the guest
 * writes is taken at CONSOLE_RATE bytes a second at most after a first
 * CONSOLE_BURST, each notification counted as CONSOLE_WAKE bytes and a buffer
 * as CONSOLE_LEAST at least; then the driver has to wait (Linux's hvc does, in
 * its write). So a flood, also one of nothing, costs the host a few percent of
 * a core, and a boot never notices.
 *
 * A terminal is the caller's to make raw, an escape from it the caller's to
 * find: output and input pass unchanged.
 */
#ifndef VK_BOOT_VIRTIO_CONSOLE_H
#define VK_BOOT_VIRTIO_CONSOLE_H

#include "cmd/vk-boot/virtio/device.h"

#define CONSOLE_BURST ((int64_t)8 << 20) /* many boots' worth of messages */
#define CONSOLE_RATE  ((int64_t)4 << 20)
#define CONSOLE_WAKE  256
#define CONSOLE_LEAST 64

struct console_config {
	/* Takes text in the device's loop, in pieces; must not wait long. */
	void (*output)(void *owner, const void *text, size_t len);
	void *owner;
	int input; /* read when the guest has room; borrowed. -1: none */
	uint16_t columns, rows; /* 0: unknown, not offered */
};

/* NULL with err. Free with virtio_device_free. */
struct virtio_device *console_new(struct loop *, const struct gmem *,
    const struct console_config *, struct err *);

/* Another source of input, or none: -1. The one before is the caller's again
 * when this returns. Any thread. 0, -1 with errno. */
int console_input(struct virtio_device *, int fd);

/* The window has another size: the guest's programs get SIGWINCH. Only if
 * columns and rows were given at first. Any thread. */
void console_resize(struct virtio_device *, uint16_t columns, uint16_t rows);

#endif
