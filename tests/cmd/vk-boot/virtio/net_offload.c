/* SPDX-License-Identifier: MIT */
/* Which headers a frame may have, by what was agreed. */
#include "cmd/vk-boot/virtio/net_offload.h"

#include "common/hello.h"
#include "tests/tap.h"

#define LEN 100

static void
test_names(void)
{
	uint64_t features = net_offload_features(OFFLOADS_ALL);

	is_int(__builtin_popcountll(features), 6, "each has a feature bit");
	is_int(net_offloads(features), OFFLOADS_ALL, "and back");
	is_int(net_offload_features(0), 0, "none has none");
	is_int(net_offloads(~features), 0, "other features are none");
	is_int(net_offloads(net_offload_features(
		   OFFLOAD_SEND_TSO4 | OFFLOAD_SEND_TSO6 | OFFLOAD_TAKE_CSUM)),
	    OFFLOAD_TAKE_CSUM, "large TCP without a checksum is none");
}

static bool
summed(uint16_t start, uint16_t offset, uint32_t offloads, enum net_way way)
{
	struct net_header header = {
	    .flags = NET_HEADER_NEEDS_CSUM,
	    .csum_start = start,
	    .csum_offset = offset,
	};

	return net_header_fits(&header, LEN, offloads, way);
}

static void
test_checksums(void)
{
	ok(summed(34, 16, OFFLOAD_SEND_CSUM, NET_FROM_GUEST), "agreed");
	ok(!summed(34, 16, OFFLOAD_SEND_CSUM, NET_TO_GUEST),
	    "not the other way");
	ok(summed(34, 16, OFFLOAD_TAKE_CSUM, NET_TO_GUEST),
	    "agreed the other way");
	ok(!summed(34, 16, OFFLOADS_ALL & ~OFFLOAD_SEND_CSUM, NET_FROM_GUEST),
	    "not agreed");
	ok(summed(14, 0, OFFLOADS_ALL, NET_FROM_GUEST), "behind Ethernet's");
	ok(!summed(13, 0, OFFLOADS_ALL, NET_FROM_GUEST), "within it");
	ok(summed(LEN - 2, 0, OFFLOADS_ALL, NET_FROM_GUEST), "the last bytes");
	ok(summed(14, LEN - 16, OFFLOADS_ALL, NET_FROM_GUEST),
	    "the last bytes by the offset");
	ok(!summed(LEN - 1, 0, OFFLOADS_ALL, NET_FROM_GUEST), "half outside");
	ok(!summed(LEN, 0, OFFLOADS_ALL, NET_FROM_GUEST), "outside");
	ok(!summed(LEN + 1, 0, OFFLOADS_ALL, NET_FROM_GUEST),
	    "a start outside");
	ok(!summed(14, UINT16_MAX, OFFLOADS_ALL, NET_FROM_GUEST),
	    "an offset outside");
	ok(!summed(UINT16_MAX, UINT16_MAX, OFFLOADS_ALL, NET_FROM_GUEST),
	    "both");
}

static bool
large(uint8_t type, uint16_t size, uint8_t flags, uint32_t offloads)
{
	struct net_header header = {
	    .flags = flags,
	    .gso_type = type,
	    .gso_size = size,
	    .csum_start = 34,
	    .csum_offset = 16,
	};

	return net_header_fits(&header, LEN, offloads, NET_TO_GUEST);
}

static void
test_large(void)
{
	const uint8_t csum = NET_HEADER_NEEDS_CSUM;
	unsigned others = 0;

	ok(large(NET_GSO_NONE, 0, 0, 0), "nothing needs nothing");
	ok(large(NET_GSO_TCP4, 1448, csum, OFFLOADS_ALL), "IPv4");
	ok(large(NET_GSO_TCP6, 1428, csum, OFFLOADS_ALL), "IPv6");
	ok(!large(NET_GSO_TCP4, 1448, csum, OFFLOADS_ALL & ~OFFLOAD_TAKE_TSO4),
	    "IPv4, not agreed");
	ok(!large(NET_GSO_TCP6, 1428, csum, OFFLOADS_ALL & ~OFFLOAD_TAKE_TSO6),
	    "IPv6, not agreed");
	ok(!large(NET_GSO_TCP4, 0, csum, OFFLOADS_ALL), "in pieces of nothing");
	ok(!large(NET_GSO_TCP4, 1448, 0, OFFLOADS_ALL), "with its checksum");
	for (unsigned type = 0; type < 256; type++)
		others += large((uint8_t)type, 1448, csum, OFFLOADS_ALL);
	is_int(others, 3, "other kinds are none");
}

int
main(void)
{
	test_names();
	test_checksums();
	test_large();
	return tap_done();
}
