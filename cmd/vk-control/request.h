/* SPDX-License-Identifier: MIT */
/*
 * request.h - the words of a command line as a request
 *
 *	stop timeout=5s		{"command":"stop","timeout":"5s"}
 *	flows from:=100		{"command":"flows","from":100}
 *
 * What stands behind "=" is text, behind ":=" it is JSON.
 */
#ifndef VK_CONTROL_REQUEST_H
#define VK_CONTROL_REQUEST_H

#include "common/err.h"

#include <jansson.h>

/* words ends with NULL; the first is the command. NULL with err. */
json_t *request_make(char *const *words, struct err *);

#endif
