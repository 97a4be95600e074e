/* SPDX-License-Identifier: MIT */
/* open.h - what each kind of OPEN does */
#ifndef VK_AGENT_OPEN_H
#define VK_AGENT_OPEN_H

#include "agent/connection.h"
#include "agent/request.h"

/* Answers, or makes the connection what was asked for. Takes out of the
 * request what it keeps. */
void open_request(struct connection *, struct request *);

#endif
