/* SPDX-License-Identifier: MIT */
/* port.c - VMs that come and go, all within one turn of the loop */
#include "cmd/vk-switch/port.h"

#include "tests/cmd/vk-switch/wire.h"
#include "tests/tap.h"

#include <signal.h>

static const uint8_t frame[60];

static bool
has_frame(int fd)
{
	uint8_t got[256];

	return wire_take(fd, got, sizeof(got)) == sizeof(frame);
}

/* Both have output that is not written yet when one goes, and another takes its
 * place. */
static void
takes_a_place(void)
{
	int stays = wire_port(), goes = wire_port(), comes;
	struct port *one = &lan.ports[0], *other = &lan.ports[1];

	port_send(&lan, one, frame, sizeof(frame), NULL);
	port_send(&lan, other, frame, sizeof(frame), NULL);
	port_close(&lan, other, NULL);
	close(goes);
	comes = wire_port();
	ok(other->fd >= 0, "a VM in the place of one that went");
	port_send(&lan, other, frame, sizeof(frame), NULL);
	ports_flush(&lan);
	ok(has_frame(comes), "gets its frames");
	ok(has_frame(stays), "and the one beside it");
	port_send(&lan, one, frame, sizeof(frame), NULL);
	ok(has_frame(stays), "and all that follow");
	close(stays);
	close(comes);
	lan_turn(&lan, 0);
}

int
main(void)
{
	alarm(60); /* for a list that has become a ring */
	wire_lan();
	lan.listener_count = 1; /* others can come */
	takes_a_place();
	lan.listener_count = 0;
	lan_release(&lan);
	return tap_done();
}
