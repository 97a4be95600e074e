/* SPDX-License-Identifier: MIT */
#include "cmd/vk-boot/x86/serial.h"

#include "common/buf.h"
#include "tests/tap.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR };
#define FCR IIR

static struct buf said;
static unsigned raised, lowered, roomy;
static bool level;

static void
output(void *owner, const void *text, size_t len)
{
	(void)owner;
	buf_add(&said, text, len);
}

static void
raise_irq(void *owner, bool on)
{
	(void)owner;
	level = on;
	*(on ? &raised : &lowered) += 1;
}

static void
room(void *owner)
{
	(void)owner;
	roomy++;
}

static const struct serial_config config = {
    .output = output, .raise_irq = raise_irq, .room = room};

static bool
heard(const char *text)
{
	bool same = said.len == strlen(text) &&
		    memcmp(said.data ? said.data : "", text, said.len) == 0;

	said.len = 0;
	return same;
}

/* What Linux's driver does to find out what it has before it. */
static void
test_probe(struct serial *s)
{
	serial_out(s, IER, 0);
	is_int(serial_in(s, IER), 0, "no interrupts enabled");
	serial_out(s, IER, 0xff);
	is_int(serial_in(s, IER), 0x0f, "four can be");
	serial_out(s, IER, 0);
	serial_out(s, MCR, 0x1a);
	is_int(serial_in(s, MSR) & 0xf0, 0x90, "loopback of the modem lines");
	serial_out(s, MCR, 0x08);
	is_int(serial_in(s, MSR), 0xb0, "which are connected");
	serial_out(s, FCR, 1);
	is_int(serial_in(s, IIR), 0xc1, "a FIFO that works: a 16550A");
	serial_out(s, LCR, 0x80);
	serial_out(s, DATA, 0x34);
	serial_out(s, IER, 0x12);
	ok(serial_in(s, DATA) == 0x34 && serial_in(s, IER) == 0x12,
	    "the divisor");
	serial_out(s, LCR, 0x03);
	ok(serial_in(s, DATA) == 0 && serial_in(s, IER) == 0 &&
		serial_in(s, LCR) == 3,
	    "is behind its bit");
	serial_out(s, SCR, 0x5a);
	is_int(serial_in(s, SCR), 0x5a, "scratch");
	is_int(serial_in(s, 8), 0xff, "no ninth register");
	serial_out(s, 8, 1);
	is_int(serial_in(s, LSR), 0x60, "ready to send, nothing to read");
	ok(heard("") && raised == 0, "no word, no interrupt so far");
}

static void
test_polled(struct serial *s)
{
	for (const char *p = "hello\nwor"; *p; p++)
		serial_out(s, DATA, (uint8_t)*p);
	ok(heard("hello\n"), "a line");
	serial_flush(s);
	ok(heard("wor"), "the rest when flushed");
	for (unsigned i = 0; i < SERIAL_HELD; i++)
		serial_out(s, DATA, 'x');
	is_int(said.len, SERIAL_HELD, "or when it is long");
	said.len = 0;
	is_int(raised, 0, "without an interrupt");
	is_int(serial_input(s, "ab", 2), 2, "input");
	is_int(serial_in(s, LSR), 0x61, "is there");
	ok(serial_in(s, DATA) == 'a' && serial_in(s, DATA) == 'b' &&
		serial_in(s, LSR) == 0x60,
	    "and read");
	serial_out(s, MCR, 0x10);
	serial_out(s, DATA, 'z');
	serial_flush(s);
	ok(heard("") && serial_in(s, DATA) == 'z', "loopback");
	serial_out(s, MCR, 0x08);
}

static void
test_interrupts(struct serial *s)
{
	serial_out(s, IER, 0);
	raised = lowered = 0;
	serial_out(s, IER, 2);
	ok(level && raised == 1, "enabled while empty: interrupts");
	is_int(serial_in(s, IIR) & 15, 2, "the transmitter");
	ok(!level && (serial_in(s, IIR) & 15) == 1, "until that is read");
	serial_out(s, DATA, '\n');
	ok(level, "a byte is out: again");
	serial_out(s, IER, 3);
	serial_input(s, "c", 1);
	is_int(serial_in(s, IIR) & 15, 4, "received data comes first");
	serial_in(s, DATA);
	ok(level && (serial_in(s, IIR) & 15) == 2 && !level,
	    "then the transmitter");
	serial_input(s, "d", 1);
	ok(level, "received data");
	serial_in(s, IIR);
	ok(level, "stays");
	serial_out(s, MCR, 0);
	ok(!level, "OUT2 disconnects the line");
	serial_out(s, MCR, 8);
	ok(level, "and connects it");
	serial_out(s, IER, 0);
	ok(!level && raised == lowered, "disabled");
	serial_in(s, DATA);
	said.len = 0;

	is_int(serial_input(s, "0123456789abcdefgh", 18), 16, "16 bytes fit");
	roomy = 0;
	for (unsigned i = 0; i < 15; i++)
		serial_in(s, DATA);
	is_int(roomy, 0, "no word of room yet");
	is_int(serial_in(s, DATA), 'f', "the last");
	is_int(roomy, 1, "room");
	is_int(serial_input(s, "0123456789abcdefgh", 18), 16, "full again");
	serial_out(s, FCR, 3);
	ok(roomy == 2 && serial_in(s, LSR) == 0x60, "cleared: room");
}

int
main(void)
{
	struct err e = ERR_INIT;
	struct serial *s = serial_new(&config, &e);
	uint32_t state = 1;

	buf_init(&said, 16 << 20);
	test_probe(s);
	test_polled(s);
	test_interrupts(s);
	for (unsigned i = 0; i < 1000000; i++) {
		state = state * 1664525u + 1013904223u;
		if (state & 0x10000)
			serial_out(s, state >> 28, (uint8_t)(state >> 20));
		else if (state & 0x20000)
			serial_in(s, state >> 28);
		else
			serial_input(s, &state, (state >> 20) % 5);
		said.len = 0;
	}
	ok(true, "a million accesses of any kind");
	serial_out(s, MCR, 8);
	serial_out(s, LCR, 0);
	serial_flush(s);
	said.len = 0;
	serial_out(s, DATA, '!');
	serial_free(s);
	ok(heard("!"), "flushed at the end");
	serial_free(NULL);
	buf_release(&said);
	return tap_done();
}
