/* SPDX-License-Identifier: MIT */
/*
 * table.h - the VM's sessions and processes, for people and for programs
 *
 * What the guest says is not to be trusted: fields are counted, text is made
 * printable (a terminal) or escaped (JSON), and the whole is bounded.
 */
#ifndef VK_EXEC_TABLE_H
#define VK_EXEC_TABLE_H

#include "cmd/vk-exec/vm.h"
#include "common/err.h"
#include "common/frame.h"

#include <stdbool.h>
#include <stdio.h>

/* Asks for OPEN_LIST or OPEN_PS and prints it. An exit status, -1 with err. */
int table_print(const struct vm *, enum open_kind, bool json, struct err *);

/* Prints lines of tab-separated fields as that kind's table. 0, -1 with err
 * where they are none. text is changed. */
int table_format(char *text, enum open_kind, bool json, FILE *, struct err *);

#endif
