/* SPDX-License-Identifier: MIT */
/*
 * serial.h - a 16550A serial port, enough for a kernel's first words
 *
 * Registers as in the 16550A data sheet; what is written to the transmitter is
 * out at once, so that polled drivers (earlycon, kernels without virtio) never
 * wait. Input has the chip's FIFO of 16 bytes. Not there: line timing, DMA
 * mode, modem lines (they read as connected).
 *
 * serial_in and serial_out come from vCPU threads, serial_input and serial_room
 * from any: a lock inside. output and raise_irq are called with it held, from
 * the thread that caused them, and must not call back.
 *
 * Output is taken in pieces: held back until a line ends, SERIAL_HELD bytes are
 * there, or serial_flush.
 *
 * Each byte of output costs the guest an exit, tens of microseconds of its own
 * vCPU, so a flood is slow by itself and needs no other limit.
 */
#ifndef VK_BOOT_X86_SERIAL_H
#define VK_BOOT_X86_SERIAL_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERIAL_REGISTERS 8
#define SERIAL_HELD      256

struct serial;

struct serial_config {
	void (*output)(void *owner, const void *text, size_t len);
	/* The level of the interrupt line; called only when it changes. May be
	 * NULL. */
	void (*raise_irq)(void *owner, bool level);
	/* There is room for input again. May be NULL. */
	void (*room)(void *owner);
	void *owner;
};

struct serial *serial_new(const struct serial_config *, struct err *);
void serial_free(struct serial *); /* flushes; NULL is fine */

/* reg is 0 to 7; others read 0xff and ignore writes. */
uint8_t serial_in(struct serial *, unsigned reg);
void serial_out(struct serial *, unsigned reg, uint8_t value);

/* Gives the guest input. Returns how many bytes fitted; the rest is for after
 * the next room(). */
size_t serial_input(struct serial *, const void *bytes, size_t len);

void serial_flush(struct serial *);

#endif
