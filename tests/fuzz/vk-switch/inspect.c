/* SPDX-License-Identifier: MIT */
/* First bytes of a connection: TLS and HTTP. More bytes may complete what was
 * not, but a verdict stands. */
#include "cmd/vk-switch/inspect.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[NAME_MAX_TEXT + 1] = "", part[NAME_MAX_TEXT + 1];
	enum inspection whole;

	if (size > INSPECT_SIZE)
		return 0;
	whole = inspect_bytes(data, size, name);
	if (whole == INSPECT_NAME && !*name)
		abort();
	/* A name that is let through after half of it must be the name. */
	if (inspect_bytes(data, size / 2, part) == INSPECT_NAME &&
	    (whole != INSPECT_NAME || strcmp(name, part) != 0))
		abort();
	return 0;
}
