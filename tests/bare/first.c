/* SPDX-License-Identifier: MIT */
/* first.c - a guest of one instruction: how long until it is reached? */
#include "tests/bare/machine.h"

bool
guest_main(const char *parameters)
{
	return parameters != NULL;
}
