/* SPDX-License-Identifier: MIT */
/*
 * sweep.h - who clears the run folder when vk-boot has ended
 *
 * A small process that waits for vk-boot's end, whatever it is, removes the
 * folder and lets the name go: vk-boot may have been killed, and in its sandbox
 * it could not do it either. It holds the lock together with vk-boot, so that
 * the name is free only when the folder is gone.
 */
#ifndef VK_BOOT_SWEEP_H
#define VK_BOOT_SWEEP_H

#include "common/filter.h"
#include "common/run_folder.h"

struct sweep {
	int alive; /* held open while vk-boot lives; -1: no sweeper */
	int pid;
};

/* Before there are threads, and before memory is large. 0, -1 with err. */
int sweep_start(struct sweep *, struct run_folder *, struct err *);

/* vk-boot ends in order, or could not begin: the folder is cleared, and the
 * sweeper waited for. Both may be what the INITs say, and this be called
 * twice. */
void sweep_end(struct sweep *, struct run_folder *);

/* What it asks of the host (filter.h). */
extern const struct filter_call sweep_calls[];

#endif
