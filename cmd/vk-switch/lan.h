/* SPDX-License-Identifier: MIT */
/*
 * lan.h - one LAN: all tables of a switch, and its turn of the loop
 *
 * Everything is in one struct of fixed size, made at start; after that nothing
 * is allocated. Each member belongs to the module of its name; others read.
 */
#ifndef VK_SWITCH_LAN_H
#define VK_SWITCH_LAN_H

#include "cmd/vk-switch/control.h"
#include "cmd/vk-switch/dns_stream.h"
#include "cmd/vk-switch/flow.h"
#include "cmd/vk-switch/fragment.h"
#include "cmd/vk-switch/host.h"
#include "cmd/vk-switch/inspect.h"
#include "cmd/vk-switch/learned.h"
#include "cmd/vk-switch/lease.h"
#include "cmd/vk-switch/listener.h"
#include "cmd/vk-switch/loop.h"
#include "cmd/vk-switch/names.h"
#include "cmd/vk-switch/pcap.h"
#include "cmd/vk-switch/policy.h"
#include "cmd/vk-switch/port.h"
#include "cmd/vk-switch/proxy.h"
#include "cmd/vk-switch/publish.h"
#include "cmd/vk-switch/reload.h"
#include "cmd/vk-switch/resolver.h"
#include "cmd/vk-switch/service.h"
#include "cmd/vk-switch/station.h"
#include "cmd/vk-switch/tcp.h"
#include "cmd/vk-switch/udp.h"

/* Longest vector of one call: UDP has two pieces for each datagram, TCP a
 * piece for each segment and for what it skips. */
#define LAN_IOV_MAX 256

struct lan_config {
	struct cidr net4, net6;
	struct addr gateway4, gateway6;
	struct addr gateway_local; /* fe80::1 */
	struct mac gateway_mac;
	uint16_t mtu;
	uint32_t macs_per_port;
	uint32_t flows;
	bool flows_wanted; /* the user gave the number */
	bool isolate;
	bool route6; /* the host has a way to the IPv6 world */
	char domain[64];
};

struct lan {
	struct lan_config config;
	struct loop loop;
	bool stop;
	int spare;        /* descriptors.h */
	uint64_t tick_ms; /* of the last tick, one a second */
	uint32_t ticks;

	struct port ports[PORTS_MAX];
	uint32_t port_top; /* ports from here on were never used */
	void *port_memory;
	uint32_t dirty_ports;
	uint32_t pending_ports, paused_ports; /* how many */
	struct listener listeners[LISTENERS_MAX];
	uint32_t listener_count;
	struct station stations[STATIONS_MAX];
	uint32_t station_top;
	uint32_t mac_cache[256];

	struct flow_table flows;
	struct flow_queue queues[PORTS_MAX][FLOW_LISTS];
	struct tcp_batch batch;
	struct delayed_acks delayed;
	struct udp_batch udp_batch;
	bool peek_offset; /* SO_PEEK_OFF works for TCP */

	struct policy policies[POLICIES_MAX];
	struct learned_table learned;
	struct inspect_place inspections[INSPECTIONS_MAX];
	struct host host;
	struct proxy proxy;
	struct reload reload;
	uint64_t refusal_ms, name_refusal_ms, names_refused;
	uint32_t refusals_quiet;

	struct lease_table leases;
	struct host_name hosts[HOSTS_MAX];
	uint32_t host_count;
	struct resolver resolver;
	struct dns_stream dns_streams[DNS_STREAMS_MAX];
	struct service services[SERVICES_MAX];
	uint32_t service_count;
	struct publisher publisher;

	struct fragment_place fragments[FRAGMENTS_MAX];
	uint32_t fragment_id;

	struct pcap pcap;
	struct control control;

	/* Scratch; nothing is kept here from one call to the next. */
	struct iovec iov[LAN_IOV_MAX];
	struct mmsghdr udp_receive[UDP_BATCH_MAX];
	uint8_t waste[65536];
	uint8_t whole[65536];
	uint8_t spill[UDP_BATCH_MAX][65536];
};

/* The defaults: 10.76.0.0/24, fd76:6b00::/64, MTU 1500, "lan". */
void lan_defaults(struct lan *);
/* Tables and the loop; after the options are known. */
int lan_init(struct lan *, struct err *);
/* Until stop. Returns 0, -1 with err. */
int lan_run(struct lan *, struct err *);
/* One turn; timeout_ms -1: as long as nothing is due. */
int lan_turn(struct lan *, int timeout_ms);
void lan_release(struct lan *);

#endif
