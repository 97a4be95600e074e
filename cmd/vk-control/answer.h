/* SPDX-License-Identifier: MIT */
/*
 * answer.h - what a control socket said, for people and for scripts
 *
 * One line of JSON, or on a terminal several; nothing where there is nothing
 * but "ok". With members named, their values, tabs between them: text as it
 * is, "-" for what is not there. Text may be a guest's: control characters
 * are never printed.
 */
#ifndef VK_CONTROL_ANSWER_H
#define VK_CONTROL_ANSWER_H

#include "common/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Depth of a member's name: "balloon.actual". */
#define ANSWER_NAME_MAX 256

/* members is NULL for all. 0, -1 with err: it cannot be written. */
int answer_print(json_t *answer, const char *members, FILE *, struct err *);

/* An error that an answer tells: -1 with err, 0 where it tells none. */
int answer_check(const json_t *answer, struct err *);

#endif
