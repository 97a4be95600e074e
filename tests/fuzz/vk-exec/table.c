/* SPDX-License-Identifier: MIT */
/* table.c - what a hostile guest says its sessions and processes are */
#include "cmd/vk-exec/table.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *null;
	struct err e = ERR_INIT;
	char *text;

	if (!null)
		null = fopen("/dev/null", "we");
	for (int i = 0; i < 4; i++) {
		text = calloc(1, size + 1);
		memcpy(text, data, size);
		table_format(
		    text, i & 1 ? OPEN_PS : OPEN_LIST, i & 2, null, &e);
		free(text);
	}
	return 0;
}
