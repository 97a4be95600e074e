/* SPDX-License-Identifier: MIT */
/* What a proxy says: by kind, login and phase. Half of it may not be judged
 * differently than the whole. */
#include "cmd/vk-switch/proxy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy p = {.kind = PROXY_SOCKS5};
	enum proxy_phase phase, before;
	int error, early;
	size_t whole, half;

	if (size < 1 || size > PROXY_ANSWER_MAX)
		return 0;
	if (data[0] & 1)
		p.kind = PROXY_HTTP;
	if (data[0] & 2)
		p.user[0] = 'u';
	phase = before = (enum proxy_phase)(PROXY_METHOD + data[0] / 4 % 3);
	data++;
	size--;
	whole = proxy_hear(&p, &phase, data, size, &error);
	if (whole > size || (phase != before && !whole) ||
	    (error && phase != before))
		abort();
	half = proxy_hear(&p, &before, data, size / 2, &early);
	if (half && !early && half != whole)
		abort();
	return 0;
}
