/* SPDX-License-Identifier: MIT */
/* hypervisor_api.c - fuzz target: what Cloud Hypervisor answers, more of it
 * each time: what has been understood stays so */
#include "cmd/vk-boot/hypervisor_api.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	int before = 0;

	for (size_t len = 0; len <= size; len++) {
		int status = http_status(text, len);

		if (status < -1 || status > 599 || (status > 0 && status < 100))
			abort();
		if (before != 0 && status != before)
			abort();
		if (status == 0 && len >= HYPERVISOR_API_ANSWER_MAX)
			abort();
		before = status;
	}
	return 0;
}
