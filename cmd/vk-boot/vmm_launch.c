/* SPDX-License-Identifier: MIT */
/* vmm_launch.c - what a program that runs a guest is started with */
#include "cmd/vk-boot/vmm_launch.h"

#include <stdio.h>
#include <stdlib.h>

void
vmm_argument(struct vmm_launch *l, const char *fmt, ...)
{
	va_list ap;
	int n = -1;

	va_start(ap, fmt);
	if (l->argc < VMM_ARGUMENTS_MAX)
		n = vasprintf(&l->argv[l->argc], fmt, ap);
	va_end(ap);
	if (n < 0)
		l->failed = true;
	else
		l->argc++;
}

int
vmm_launch_whole(const struct vmm_launch *l, struct err *e)
{
	return l->failed ? err_set(e, EX_SOFTWARE,
			       "the guest's program: too many arguments")
			 : 0;
}

void
vmm_launch_release(struct vmm_launch *l)
{
	while (l->argc > 0)
		free(l->argv[--l->argc]);
	l->argv[0] = NULL;
	jail_release(&l->jail);
	filter_release(&l->filter);
}
