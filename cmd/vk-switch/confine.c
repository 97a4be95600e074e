/* SPDX-License-Identifier: MIT */
/* confine.c - what the switch gives up before it meets a VM */
#include "cmd/vk-switch/confine.h"

#include "cmd/vk-switch/lan.h"

int
confine_check(struct err *e)
{
	(void)e;
	return 0;
}

int
confine(struct lan *lan, struct err *e)
{
	(void)lan, (void)e;
	return 0;
}

int
confine_die_with_parent(struct err *e)
{
	(void)e;
	return 0;
}
