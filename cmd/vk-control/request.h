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

/* The file that goes along with a request ("disk-add"), opened with the rights
 * of who asks; *fd is -1 where none does. 0, -1 with err. */
int request_open(const json_t *request, int *fd, struct err *);

/* words ends with NULL; the first is the command. NULL with err. */
json_t *request_make(char *const *words, struct err *);

#endif
