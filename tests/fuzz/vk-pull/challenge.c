/* SPDX-License-Identifier: MIT */
/* challenge.c - WWW-Authenticate headers and the requests that come of them */
#include "cmd/vk-pull/challenge.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *header = strndup((const char *)data, size);
	struct credentials login = {0};
	struct challenge c;

	if (challenge_parse(&c, header) == 0) {
		struct buf url = BUF_INIT(8192), form = BUF_INIT(8192);

		if (challenge_request(&c, "a/b", &login, &url, &form) == 0)
			assert(strncasecmp(url.data, "http", 4) == 0 &&
			       !strpbrk(url.data, "\r\n"));
		buf_release(&url);
		buf_release(&form);
	}
	free(header);
	return 0;
}
