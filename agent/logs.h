/* SPDX-License-Identifier: MIT */
/* logs.h - OPEN_LOGS: what a session wrote last, and goes on to write */
#ifndef VK_AGENT_LOGS_H
#define VK_AGENT_LOGS_H

#include "agent/connection.h"
#include "agent/request.h"

void logs_open(struct connection *, struct request *);

#endif
