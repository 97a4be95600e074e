/* SPDX-License-Identifier: MIT */
/*
 * list.h - the VMs that run, and those that have ended and left word
 *
 * Running is what has a run folder whose lock is held (common/run_folder.h). A
 * folder without that is what a killed VM left: it is removed. What "vk run -d"
 * keeps of a VM when it ends lies in
 *
 *	$XDG_STATE_HOME/vk/NAME/	(~/.local/state/vk/NAME/ without it)
 *		image		the reference
 *		status		the exit status; missing if nobody saw the end
 *		log		what its command wrote last
 */
#ifndef VK_PS_LIST_H
#define VK_PS_LIST_H

#include "common/err.h"

#include <jansson.h>
#include <stdbool.h>

/*
 * An array of objects, sorted by name: "name", "state" (vk-control(5)'s, or
 * "ended"), and for
 *	running ones	the members of status.json, "image", "up_ms", "cpu_ms",
 *			"memory_used"
 *	ended ones	"image" and "status", as far as known
 * all: also those that have ended. The caller frees it. NULL with err.
 */
json_t *list_vms(bool all, struct err *);

#endif
