/* SPDX-License-Identifier: MIT */
/*
 * dns_stream.h - DNS over TCP at the gateway (RFC 7766)
 *
 * The VM's connection is an ordinary TCP flow whose socket is one end of a
 * socketpair(2); this is the other end. One query at a time is read, answered
 * as for UDP or by a TCP connection to a server, and written.
 */
#ifndef VK_SWITCH_DNS_STREAM_H
#define VK_SWITCH_DNS_STREAM_H

#include "cmd/vk-switch/dns.h"
#include "cmd/vk-switch/share.h"

#define DNS_STREAMS_MAX 64
/* Of one VM. */
#define DNS_STREAMS_PER_PORT 32
/* RFC 7766, 6.2.3: "of the order of a few seconds". */
#define DNS_STREAM_IDLE_MS 10000
/* Of silence, then another server is asked; clients wait for five seconds. */
#define DNS_STREAM_PATIENCE_MS 2000

struct dns_stream {
	struct share share;
	int fd;       /* -1: free */
	int upstream; /* -1: none */
	uint32_t generation;
	struct dns_query query;
	uint16_t id;
	uint32_t server; /* tries so far */
	bool asking;     /* a server is being asked */
	bool ended;      /* the VM asks no more, and may wait for answers */
	size_t in_have;
	uint8_t in[2 + DNS_QUERY_MAX];
	size_t out_have, out_done; /* to the VM or to the server */
	size_t answer_have;
	uint8_t out[2 + 65535];
};

struct lan;
struct station;

void dns_streams_init(struct lan *);
void dns_streams_release(struct lan *);
/* The flow's end of a new stream, -1 with all in use. */
int dns_stream_open(struct lan *, const struct station *);
void dns_streams_expire(struct lan *);

#endif
