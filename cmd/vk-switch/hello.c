/* SPDX-License-Identifier: MIT */
/* hello.c - how our own two ends agree on offloads */
#include "cmd/vk-switch/hello.h"

#define HELLO_VERSION 1

/* virtio 1.2, 5.1.6 */
#define VNET_NEEDS_CSUM 1
#define VNET_GSO_ECN    0x80

static const uint8_t hello_to[6] = {0x01, 0x80, 0xc2, 0, 0, 0x0e};
static const uint8_t hello_magic[4] = {'v', 'k', 's', 'w'};

int
hello_parse(const void *frame, size_t len, uint32_t *features)
{
	struct cursor c = cursor_of(frame, len);
	const uint8_t *to = get_bytes(&c, 6), *magic;
	uint8_t version, kind;
	uint16_t type;

	get_bytes(&c, 6);
	type = get_be16(&c);
	magic = get_bytes(&c, 4);
	version = get_u8(&c);
	kind = get_u8(&c);
	get_be16(&c);
	*features = get_be32(&c);
	if (c.bad || type != TYPE_HELLO || memcmp(to, hello_to, 6) != 0 ||
	    memcmp(magic, hello_magic, 4) != 0 || version != HELLO_VERSION ||
	    kind < HELLO_OFFER || kind > HELLO_CONFIRM)
		return -1;
	return kind;
}

void
hello_put(struct writer *w, enum hello_kind kind, const struct mac *from,
    uint32_t features)
{
	put_bytes(w, hello_to, 6);
	put_bytes(w, from->b, 6);
	put_be(w, TYPE_HELLO, 2);
	put_bytes(w, hello_magic, 4);
	put_be(w, HELLO_VERSION, 1);
	put_be(w, kind, 1);
	put_be(w, 0, 2);
	put_be(w, features, 4);
}

int
vnet_parse(
    const void *header, size_t frame_len, uint32_t features, struct offload *o)
{
	struct cursor c = cursor_of(header, VNET_LEN);
	uint8_t flags = get_u8(&c);

	*o = (struct offload){.needs_csum = flags & VNET_NEEDS_CSUM,
	    .gso = get_u8(&c) & (uint8_t)~VNET_GSO_ECN,
	    .header_len = get_le16(&c),
	    .gso_size = get_le16(&c),
	    .csum_start = get_le16(&c),
	    .csum_offset = get_le16(&c)};
	if (o->needs_csum &&
	    (!(features & FEATURE_SEND_CSUM) || o->csum_start < ETH_LEN ||
		o->csum_start > frame_len ||
		o->csum_offset + 2u > frame_len - o->csum_start))
		return -1;
	switch (o->gso) {
	case GSO_NONE:
		return 0;
	case GSO_TCP4:
		return o->gso_size && o->needs_csum &&
			       features & FEATURE_SEND_TSO4
			   ? 0
			   : -1;
	case GSO_TCP6:
		return o->gso_size && o->needs_csum &&
			       features & FEATURE_SEND_TSO6
			   ? 0
			   : -1;
	default:
		return -1;
	}
}

void
vnet_put(struct writer *w, const struct offload *o)
{
	put_le(w, o->needs_csum ? VNET_NEEDS_CSUM : 0, 1);
	put_le(w, o->gso, 1);
	put_le(w, o->header_len, 2);
	put_le(w, o->gso_size, 2);
	put_le(w, o->csum_start, 2);
	put_le(w, o->csum_offset, 2);
	put_le(w, 1, 2); /* num_buffers: virtio 1.2, 5.1.6.3.1 */
}
