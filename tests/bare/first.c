/* SPDX-License-Identifier: MIT */
/*
 * first.c - a guest that says at once that it runs, and no more
 *
 * Parameters (vk-boot -a): hold=1, halt then instead of powering off.
 */
#include "tests/bare/machine.h"

bool
guest_main(const char *parameters)
{
	/* A line's end: what it ends is passed on. */
	print("\n");
	while (parameter(parameters, "hold"))
		__asm__ volatile("hlt");
	return true;
}
