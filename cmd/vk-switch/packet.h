/* SPDX-License-Identifier: MIT */
/*
 * packet.h - frames taken apart, and put together
 *
 * Taking apart reads through a bounded cursor and checks every length that the
 * frame claims against what is there. Nothing is copied but addresses; the
 * pointers are into the frame. Putting together goes through a bounded writer.
 */
#ifndef VK_SWITCH_PACKET_H
#define VK_SWITCH_PACKET_H

#include "cmd/vk-switch/addr.h"
#include "common/cursor.h"

#define ETH_LEN 14

enum ether_type {
	TYPE_IP4 = 0x0800,
	TYPE_ARP = 0x0806,
	TYPE_IP6 = 0x86dd,
};

enum ip_proto {
	PROTO_ICMP = 1,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_ICMP6 = 58,
};

/* Room for Ethernet, IPv6 and a TCP header without options. */
#define HEADERS_MAX (ETH_LEN + 40 + 20)

/*
 * What a virtio-net header says (virtio 1.2, 5.1.6): the part of it that
 * crosses between our own two ends. All zero for a foreign port.
 */
struct offload {
	bool needs_csum;      /* the transport checksum is not filled in */
	uint8_t gso;          /* GSO_NONE, GSO_TCP4, GSO_TCP6 */
	uint16_t gso_size;    /* payload of each segment, bytes */
	uint16_t header_len;  /* Ethernet to transport, bytes */
	uint16_t csum_start;  /* where summing begins */
	uint16_t csum_offset; /* where its result goes, from csum_start */
};

enum gso_type { GSO_NONE = 0, GSO_TCP4 = 1, GSO_TCP6 = 4 };

struct packet {
	const uint8_t *frame;
	size_t len;
	struct offload offload;
	/* Ethernet */
	struct mac to_mac, from_mac;
	uint16_t type;
	/* IP, where type is one and packet_ip() said yes */
	struct addr from, to;
	const uint8_t *ip;   /* the IP header */
	size_t ip_len;       /* header and all */
	const uint8_t *body; /* behind the IP headers */
	size_t body_len;
	uint8_t proto;
	uint8_t hop_limit;
	bool dont_fragment;
	bool fragment; /* a part only: first, middle or last */
	bool more_fragments;
	uint32_t fragment_id;
	uint32_t fragment_at; /* offset, bytes */
};

struct tcp_segment {
	uint16_t from, to; /* ports */
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t window; /* as it stands, unscaled */
	uint16_t mss;    /* 0: no such option */
	int8_t scale;    /* -1: no such option */
	const uint8_t *data;
	size_t len;
};

enum tcp_flag {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
};

struct udp_datagram {
	uint16_t from, to;
	const uint8_t *data;
	size_t len;
};

/* Fills in all but the IP part. Returns 0, -1 for less than a header. */
int packet_ethernet(struct packet *, const void *frame, size_t len);

/*
 * The IP part; type must be TYPE_IP4 or TYPE_IP6. Returns 0, or -1 for what no
 * honest host sends: lengths that lie, a wrong header checksum, a v4-mapped
 * or multicast source, extension headers that do not end.
 */
int packet_ip(struct packet *);

/* The transport part; the packet must not be a fragment. Return 0, -1. A sum
 * is checked unless the offload header says that it is not there. */
int packet_tcp(const struct packet *, struct tcp_segment *);
int packet_udp(const struct packet *, struct udp_datagram *);

/* The transport sum over the body: true where it fits. */
bool packet_sum_good(const struct packet *);

/* An IP packet to be made. */
struct header {
	struct mac to_mac, from_mac;
	struct addr from, to;
	uint8_t proto;
	uint8_t hop_limit; /* 0: 64 */
	uint16_t id;       /* IPv4; 0 with dont_fragment */
	bool may_fragment;
	uint16_t fragment; /* IPv4: flags and offset as on the wire */
};

/* Length of the Ethernet and IP headers for a packet to this address. */
static inline size_t
header_len(const struct addr *to)
{
	return ETH_LEN + (addr_is4(to) ? 20 : 40);
}

/* Writes Ethernet and IP headers for body_len bytes behind them. */
void put_header(struct writer *, const struct header *, size_t body_len);

#endif
