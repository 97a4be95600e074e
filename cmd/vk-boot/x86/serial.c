/* SPDX-License-Identifier: MIT */
/*
 * serial.c - a 16550A serial port
 *
 * Interrupt sources, by priority: line status (an overrun, which cannot happen
 * here; never raised), received data, transmitter empty. The last is an event:
 * it is there when the transmitter has become empty (at once after a write) or
 * was enabled while empty, and goes when the guest reads IIR or writes again.
 * Received data is a level: there while the FIFO has bytes.
 */
#include "cmd/vk-boot/x86/serial.h"

#include <pthread.h>
#include <stdlib.h>

enum { /* registers; some share a number */
	DATA = 0,
	IER = 1, /* interrupt enable */
	IIR = 2, /* read: interrupt identification */
	FCR = 2, /* write: FIFO control */
	LCR = 3, /* line control */
	MCR = 4, /* modem control */
	LSR = 5, /* line status */
	MSR = 6, /* modem status */
	SCR = 7, /* scratch */
};

#define IER_RECEIVED 0x01
#define IER_EMPTY    0x02
#define IER_BITS     0x0f

#define IIR_NONE     0x01
#define IIR_EMPTY    0x02
#define IIR_RECEIVED 0x04
#define IIR_FIFO     0xc0

#define FCR_ENABLE        0x01
#define FCR_CLEAR_RECEIVE 0x02

#define LCR_DIVISOR 0x80

#define MCR_OUT2 0x08 /* on a PC: connects the interrupt line */
#define MCR_LOOP 0x10
#define MCR_BITS 0x1f

#define LSR_READY 0x01 /* data to read */
#define LSR_EMPTY 0x60 /* transmitter, and its shift register */

#define MSR_CONNECTED 0xb0 /* DCD, DSR, CTS */

#define FIFO_SIZE 16

struct serial {
	pthread_mutex_t lock;
	struct serial_config config;
	uint8_t ier, fcr, lcr, mcr, scr;
	uint8_t divisor[2];
	bool empty_event; /* the transmitter became empty */
	bool level;       /* of the interrupt line */

	uint8_t fifo[FIFO_SIZE];
	unsigned fifo_at, fifo_len;
	bool full; /* input was refused: say when there is room */

	uint8_t held[SERIAL_HELD];
	size_t held_len;
};

struct serial *
serial_new(const struct serial_config *config, struct err *e)
{
	struct serial *serial = calloc(1, sizeof(*serial));

	if (!serial) {
		err_errno(e, EX_OSERR, "serial");
		return NULL;
	}
	pthread_mutex_init(&serial->lock, NULL);
	serial->config = *config;
	serial->divisor[0] = 12; /* 9600 */
	return serial;
}

static void
flush(struct serial *s)
{
	if (s->held_len > 0)
		s->config.output(s->config.owner, s->held, s->held_len);
	s->held_len = 0;
}

void
serial_flush(struct serial *s)
{
	pthread_mutex_lock(&s->lock);
	flush(s);
	pthread_mutex_unlock(&s->lock);
}

void
serial_free(struct serial *s)
{
	if (!s)
		return;
	flush(s);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* What asks for an interrupt, as IIR says it. */
static uint8_t
source_of(const struct serial *s)
{
	if (s->ier & IER_RECEIVED && s->fifo_len > 0)
		return IIR_RECEIVED;
	if (s->ier & IER_EMPTY && s->empty_event)
		return IIR_EMPTY;
	return IIR_NONE;
}

/* After anything: the interrupt line, and word of room. */
static void
settle(struct serial *s)
{
	bool level = source_of(s) != IIR_NONE && s->mcr & MCR_OUT2;

	if (level != s->level && s->config.raise_irq)
		s->config.raise_irq(s->config.owner, level);
	s->level = level;
	if (!s->full || s->fifo_len > 0)
		return;
	s->full = false;
	if (s->config.room)
		s->config.room(s->config.owner);
}

static void
receive(struct serial *s, uint8_t byte)
{
	s->fifo[(s->fifo_at + s->fifo_len++) % FIFO_SIZE] = byte;
}

static void
transmit(struct serial *s, uint8_t byte)
{
	if (s->mcr & MCR_LOOP) {
		if (s->fifo_len < FIFO_SIZE)
			receive(s, byte);
	} else {
		s->held[s->held_len++] = byte;
		if (byte == '\n' || s->held_len == SERIAL_HELD)
			flush(s);
	}
	s->empty_event = true;
}

static uint8_t
take_received(struct serial *s)
{
	uint8_t byte = s->fifo[s->fifo_at];

	if (s->fifo_len == 0)
		return 0;
	s->fifo_at = (s->fifo_at + 1) % FIFO_SIZE;
	s->fifo_len--;
	return byte;
}

/* IIR; reading it takes the transmitter's event back. */
static uint8_t
identify(struct serial *s)
{
	uint8_t source = source_of(s);

	if (source == IIR_EMPTY)
		s->empty_event = false;
	return source | (s->fcr & FCR_ENABLE ? IIR_FIFO : 0);
}

/* In loopback the outputs DTR, RTS, OUT1, OUT2 are the inputs DSR, CTS, RI,
 * DCD: how drivers look whether a chip is there. */
static uint8_t
modem_status(const struct serial *s)
{
	if (!(s->mcr & MCR_LOOP))
		return MSR_CONNECTED;
	return (uint8_t)((s->mcr & 1) << 5 | (s->mcr & 2) << 3 |
			 (s->mcr & 4) << 4 | (s->mcr & 8) << 4);
}

static uint8_t
read_register(struct serial *s, unsigned reg)
{
	bool divisor = s->lcr & LCR_DIVISOR;

	switch (reg) {
	case DATA:
		return divisor ? s->divisor[0] : take_received(s);
	case IER:
		return divisor ? s->divisor[1] : s->ier;
	case IIR:
		return identify(s);
	case LCR:
		return s->lcr;
	case MCR:
		return s->mcr;
	case LSR:
		return LSR_EMPTY | (s->fifo_len > 0 ? LSR_READY : 0);
	case MSR:
		return modem_status(s);
	case SCR:
		return s->scr;
	}
	return 0xff;
}

static void
write_register(struct serial *s, unsigned reg, uint8_t value)
{
	bool divisor = s->lcr & LCR_DIVISOR;

	switch (reg) {
	case DATA:
		if (divisor)
			s->divisor[0] = value;
		else
			transmit(s, value);
		break;
	case IER:
		if (divisor) {
			s->divisor[1] = value;
			break;
		}
		/* Enabled while empty: that is an event, too. */
		if (value & ~s->ier & IER_EMPTY)
			s->empty_event = true;
		s->ier = value & IER_BITS;
		break;
	case FCR:
		if (value & FCR_CLEAR_RECEIVE)
			s->fifo_len = 0;
		s->fcr = value;
		break;
	case LCR:
		s->lcr = value;
		break;
	case MCR:
		s->mcr = value & MCR_BITS;
		break;
	case SCR:
		s->scr = value;
		break;
	}
}

uint8_t
serial_in(struct serial *s, unsigned reg)
{
	uint8_t value;

	pthread_mutex_lock(&s->lock);
	value = read_register(s, reg);
	settle(s);
	pthread_mutex_unlock(&s->lock);
	return value;
}

void
serial_out(struct serial *s, unsigned reg, uint8_t value)
{
	pthread_mutex_lock(&s->lock);
	write_register(s, reg, value);
	settle(s);
	pthread_mutex_unlock(&s->lock);
}

size_t
serial_input(struct serial *s, const void *bytes, size_t len)
{
	const uint8_t *from = bytes;
	size_t n = 0;

	pthread_mutex_lock(&s->lock);
	while (n < len && s->fifo_len < FIFO_SIZE)
		receive(s, from[n++]);
	s->full = n < len;
	settle(s);
	pthread_mutex_unlock(&s->lock);
	return n;
}
