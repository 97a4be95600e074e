/* SPDX-License-Identifier: MIT */
/*
 * sweep.h - who clears the run folder when vk-boot was killed
 *
 * A small process that waits for vk-boot's end and does what vk-boot then no
 * longer can: it removes the folder and lets the name go. It holds the lock
 * together with vk-boot, so that the name is free only when the folder is gone.
 */
#ifndef VK_BOOT_SWEEP_H
#define VK_BOOT_SWEEP_H

#include "common/run_folder.h"

struct sweep {
	int alive; /* held open while vk-boot lives; -1: no sweeper */
	int pid;
};

/* Before there are threads, and before memory is large. 0, -1 with err. */
int sweep_start(struct sweep *, struct run_folder *, struct err *);

/* vk-boot ends in order and has cleared the folder itself: the sweeper goes,
 * and is waited for. May be called twice. */
void sweep_dismiss(struct sweep *);

#endif
