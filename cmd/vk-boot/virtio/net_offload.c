/* SPDX-License-Identifier: MIT */
/* net_offload.c - what a network driver and the peer leave to each other */
#include "cmd/vk-boot/virtio/net_offload.h"

#include "cmd/vk-boot/virtio/net_peer.h"

#include "common/hello.h"

_Static_assert(sizeof(struct net_header) == NET_HEADER_LEN, "5.1.6");

/* Feature bits (5.1.3). */
#define F_CSUM       (1ull << 0)
#define F_GUEST_CSUM (1ull << 1)
#define F_GUEST_TSO4 (1ull << 7)
#define F_GUEST_TSO6 (1ull << 8)
#define F_HOST_TSO4  (1ull << 11)
#define F_HOST_TSO6  (1ull << 12)

/* What is needed stands before what needs it. */
static const struct {
	uint64_t feature;
	uint32_t offload, needs;
} all[] = {
    {F_CSUM, OFFLOAD_SEND_CSUM, 0},
    {F_HOST_TSO4, OFFLOAD_SEND_TSO4, OFFLOAD_SEND_CSUM},
    {F_HOST_TSO6, OFFLOAD_SEND_TSO6, OFFLOAD_SEND_CSUM},
    {F_GUEST_CSUM, OFFLOAD_TAKE_CSUM, 0},
    {F_GUEST_TSO4, OFFLOAD_TAKE_TSO4, OFFLOAD_TAKE_CSUM},
    {F_GUEST_TSO6, OFFLOAD_TAKE_TSO6, OFFLOAD_TAKE_CSUM},
};
#define COUNT (sizeof(all) / sizeof(all[0]))

static const struct {
	uint32_t csum, tso4, tso6;
} ways[] = {
    [NET_FROM_GUEST] = {OFFLOAD_SEND_CSUM, OFFLOAD_SEND_TSO4,
	OFFLOAD_SEND_TSO6},
    [NET_TO_GUEST] = {OFFLOAD_TAKE_CSUM, OFFLOAD_TAKE_TSO4, OFFLOAD_TAKE_TSO6},
};

uint64_t
net_offload_features(uint32_t offloads)
{
	uint64_t features = 0;

	for (unsigned i = 0; i < COUNT; i++)
		if (offloads & all[i].offload)
			features |= all[i].feature;
	return features;
}

uint32_t
net_offloads(uint64_t features)
{
	uint32_t offloads = 0;

	for (unsigned i = 0; i < COUNT; i++)
		if (features & all[i].feature &&
		    (offloads & all[i].needs) == all[i].needs)
			offloads |= all[i].offload;
	return offloads;
}

bool
net_header_fits(
    const struct net_header *h, size_t len, uint32_t offloads, enum net_way way)
{
	bool needs = h->flags & NET_HEADER_NEEDS_CSUM;

	if (needs &&
	    (!(offloads & ways[way].csum) || h->csum_start < NET_ETHERNET_LEN ||
		h->csum_start > len ||
		h->csum_offset + 2u > len - h->csum_start))
		return false;
	switch (h->gso_type) {
	case NET_GSO_NONE:
		return true;
	case NET_GSO_TCP4:
		return offloads & ways[way].tso4 && needs && h->gso_size > 0;
	case NET_GSO_TCP6:
		return offloads & ways[way].tso6 && needs && h->gso_size > 0;
	}
	return false;
}
