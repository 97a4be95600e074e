/* SPDX-License-Identifier: MIT */
/* vnet.c - the virtio-net header before a frame */
#include "cmd/vk-switch/vnet.h"

#include "common/hello.h"

/* virtio 1.2, 5.1.6 */
#define VNET_NEEDS_CSUM 1
#define VNET_GSO_ECN    0x80

int
vnet_parse(
    const void *header, size_t frame_len, uint32_t offloads, struct offload *o)
{
	struct cursor c = cursor_of(header, VNET_LEN);

	/* One after the other: an initializer has no order. */
	o->needs_csum = get_u8(&c) & VNET_NEEDS_CSUM;
	o->gso = get_u8(&c) & (uint8_t)~VNET_GSO_ECN;
	o->header_len = get_le16(&c);
	o->gso_size = get_le16(&c);
	o->csum_start = get_le16(&c);
	o->csum_offset = get_le16(&c);
	if (o->needs_csum &&
	    (!(offloads & OFFLOAD_SEND_CSUM) || o->csum_start < ETH_LEN ||
		o->csum_start > frame_len ||
		o->csum_offset + 2u > frame_len - o->csum_start))
		return -1;
	switch (o->gso) {
	case GSO_NONE:
		return 0;
	case GSO_TCP4:
		return o->gso_size && o->needs_csum &&
			       offloads & OFFLOAD_SEND_TSO4
			   ? 0
			   : -1;
	case GSO_TCP6:
		return o->gso_size && o->needs_csum &&
			       offloads & OFFLOAD_SEND_TSO6
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
