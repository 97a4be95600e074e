/* SPDX-License-Identifier: MIT */
/* hello.c - how a VM's network device and its switch agree on offloads */
#include "common/hello.h"

#define ETHERNET_TYPE 0x88b5 /* IEEE 802 local experimental 1 */
#define VERSION       1

static const uint8_t group[6] = {0x01, 0x80, 0xc2, 0, 0, 0x0e};
static const uint8_t magic[4] = {'v', 'k', 's', 'w'};

int
hello_parse(const void *frame, size_t len, uint32_t *offloads)
{
	struct cursor c = cursor_of(frame, len);
	const uint8_t *to = get_bytes(&c, 6), *name;
	uint8_t version, kind;
	uint16_t type;

	get_bytes(&c, 6);
	type = get_be16(&c);
	name = get_bytes(&c, 4);
	version = get_u8(&c);
	kind = get_u8(&c);
	get_be16(&c);
	*offloads = get_be32(&c);
	if (c.bad || c.left != 0 || type != ETHERNET_TYPE ||
	    memcmp(to, group, sizeof(group)) != 0 ||
	    memcmp(name, magic, sizeof(magic)) != 0)
		return -1;
	if (version != VERSION || kind < HELLO_OFFER || kind > HELLO_CONFIRM)
		return HELLO_OTHER;
	return kind;
}

void
hello_put(struct writer *w, enum hello_kind kind, const uint8_t from[6],
    uint32_t offloads)
{
	put_bytes(w, group, sizeof(group));
	put_bytes(w, from, 6);
	put_be(w, ETHERNET_TYPE, 2);
	put_bytes(w, magic, sizeof(magic));
	put_be(w, VERSION, 1);
	put_be(w, kind, 1);
	put_be(w, 0, 2);
	put_be(w, offloads, 4);
}
