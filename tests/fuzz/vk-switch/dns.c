/* SPDX-License-Identifier: MIT */
/* DNS: a query of a VM, then an answer of a server to it (behind 16 bits of
 * the query's length). */
#include "cmd/vk-switch/dns.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t answer[65536], made[DNS_QUERY_MAX];
	struct cursor c = cursor_of(data, size);
	size_t len = get_be16(&c);
	struct dns_records records;
	struct dns_query q;
	struct addr addr;
	enum dns_code code;

	if (len > c.left)
		len = c.left;
	if (dns_parse_query(c.at, len, &q, &code) < 0 || code != DNS_NOERROR)
		return 0;
	if (strlen(q.name.text) > DNS_NAME_MAX)
		abort();
	dns_reverse_addr(q.name.text, &addr);
	if (dns_put_query(made, sizeof(made), &q, 7) == 0)
		abort(); /* every query that is taken can be asked */
	get_bytes(&c, len);
	if (c.left > sizeof(answer))
		return 0;
	memcpy(answer, c.at, c.left);
	dns_walk_answer(answer, c.left, &q, 1, &records);
	return 0;
}
