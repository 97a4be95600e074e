/* SPDX-License-Identifier: MIT */
/* run.h - a session between the VM and this process's own streams */
#ifndef VK_EXEC_RUN_H
#define VK_EXEC_RUN_H

#include "cmd/vk-exec/options.h"
#include "cmd/vk-exec/vm.h"
#include "common/err.h"
#include "common/session.h"

/* Fills in what the options say of any session. */
void run_request(struct session_request *, const struct options *);

/*
 * Runs the session with 0, 1 and 2, the terminal raw where it is one and
 * signals passed on, and tells --status-fd. Returns the exit status for the
 * shell, -1 with err.
 */
int run_session(const struct vm *, const struct options *,
    struct session_request *, struct err *);

#endif
