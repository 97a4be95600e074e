/* SPDX-License-Identifier: MIT */
/* order.c - fuzz target: a request of the control socket */
#include "cmd/vk-boot/order.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	struct order order;

	if (order_parse(&order, (const char *)data, size, &e) < 0) {
		if (e.status != EX_USAGE || !e.text[0])
			abort();
		return 0;
	}
	if (order.kind >= ORDER_KINDS || !order_name(order.kind))
		abort();
	if (order.kind == ORDER_BALLOON && !order.has_size)
		abort();
	return 0;
}
