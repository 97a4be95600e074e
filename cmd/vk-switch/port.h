/* SPDX-License-Identifier: MIT */
/*
 * port.h - one VM's end of the wire
 *
 * A port is a connected unix stream socket that carries frames, each behind
 * its length as 32 bits in network order (QEMU's -netdev stream, passt). After
 * a hello (common/hello.h) a virtio-net header stands between length and frame.
 *
 * Both directions have one buffer of fixed size, made at start. What comes in
 * is read in large pieces and handled frame by frame where it lies. What goes
 * out is built at the end of the out buffer and written once a turn of the
 * loop, so that frames of all flows share a system call; what does not fit is
 * dropped for datagrams, and not even fetched from the socket for TCP, which
 * then waits (flow_wait).
 *
 * In place of a socket there may be a tap (tap.h), whose other end is a network
 * namespace.
 *
 * A VM that sends without end does not keep others waiting: a turn takes
 * TURN_BUDGET of a port, the rest stays in its buffer for the next.
 */
#ifndef VK_SWITCH_PORT_H
#define VK_SWITCH_PORT_H

#include "cmd/vk-switch/packet.h"
#include "cmd/vk-switch/vnet.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

/* One LAN of VMs; each costs 768 KiB of address space while it is used. */
#define PORTS_MAX 128
/* Some reads of a full unix socket, and twelve frames of 64 KiB. */
#define PORT_IN_SIZE  (256 * 1024)
#define PORT_OUT_SIZE (512 * 1024)
/* The largest IP packet and an Ethernet header with a VLAN tag. */
#define FRAME_MAX (65535 + ETH_LEN + 4)
/* A container host inside a VM shows more than one. */
#define PORT_MACS_MAX 4

#define LENGTH_LEN 4

/* What a port may use of one turn: a frame is 1, a new flow, which costs some
 * system calls, COST_OF_FLOW. That is about 20 us, half of what a request
 * through the switch takes, and 185 KB of a stream in frames of 1500. */
#define TURN_BUDGET  128
#define COST_OF_FLOW 64

/* A VM that opens connections faster than it may (flow_may_open) is not heard
 * for a moment when so many were refused: it then sleeps, where a flood would
 * have cost others the processor. It still gets rid of 2,000 a second. */
#define REFUSALS_MAX 16
#define PAUSE_MS     8

struct lan;
struct listener;

struct port_counters {
	uint64_t in_frames, in_bytes;   /* from the VM */
	uint64_t out_frames, out_bytes; /* to the VM */
	uint64_t spoofed;               /* source not its own */
	uint64_t malformed;
	uint64_t dropped; /* to the VM, no room */
	uint64_t refused; /* by policy */
};

/* Bytes a second, a second's worth of burst. */
struct bucket {
	uint64_t rate; /* 0: no limit */
	int64_t level; /* bytes that may still pass */
	uint64_t filled_ms;
};

struct port {
	int fd; /* -1: free */
	uint32_t index;
	uint32_t generation;
	const struct listener *listener;
	uint8_t *in, *out;        /* PORT_IN_SIZE, PORT_OUT_SIZE */
	size_t in_start, in_have; /* frames lie between */
	size_t out_start, out_end;
	uint32_t spent;   /* of the budget of this turn */
	bool pending;     /* whole frames wait for the next */
	bool dirty;       /* has output, in the list of this turn */
	bool blocked;     /* the socket is full, EPOLLOUT awaited */
	bool throttled;   /* reading stopped by the rate limit */
	bool paused;      /* or because too much was refused */
	bool tap;         /* fd is one of the kernel's (tap.h) */
	bool greeted;     /* the first frame was seen */
	bool out_headers; /* a header stands before what we send */
	bool in_headers;  /* and before what we get */
	uint32_t features;
	uint32_t stations[PORT_MACS_MAX]; /* index + 1, 0: none */
	/* Flows that wait for room, the longest first; index + 1 */
	uint32_t waiting, waiting_last;
	uint32_t next_dirty;  /* index + 1 */
	uint32_t flows;       /* that this VM holds */
	uint32_t icmp_errors; /* told to it in this tick */
	uint32_t refusals;    /* since the last pause */
	uint64_t paused_ms;   /* when that began */
	uint64_t
	    exchanged_ms; /* when a half-open flow last took another's place */
	struct bucket in_rate, out_rate;
	struct port_counters count;
};

/* Makes the table and its buffers. */
int ports_init(struct lan *, struct err *);
void ports_release(struct lan *);

/* Takes a connected socket, or a tap. Returns NULL when all places are taken or
 * the VM that the listener names is here already; fd is then closed. */
struct port *port_open(struct lan *, int fd, const struct listener *);
/* why is logged; NULL: quietly. */
void port_close(struct lan *, struct port *, const char *why);

/* Goes on with what the last turn has left, and who was paused. */
void ports_continue(struct lan *);
/* Writes out what this turn has built. */
void ports_flush(struct lan *);
/* Gives the rate limits their due; called every turn. */
void ports_refill(struct lan *);

/* Bytes in front of each frame for this port. */
static inline size_t
port_overhead(const struct port *p)
{
	return LENGTH_LEN + (p->out_headers ? VNET_LEN : 0);
}

/* Bytes that can be built at port_end(). */
size_t port_room(struct port *);

static inline uint8_t *
port_end(struct port *p)
{
	return p->out + p->out_end;
}

/* Writes what stands before a frame (port_overhead() bytes). */
void port_put_prefix(
    const struct port *, uint8_t *at, size_t frame_len, const struct offload *);
/* So many frames in so many bytes were built at port_end(). */
void port_commit(struct lan *, struct port *, size_t bytes, uint32_t frames);

/* Copies a frame out. Returns false where there was no room. */
bool port_send(struct lan *, struct port *, const void *frame, size_t len,
    const struct offload *);

const char *port_name(const struct lan *, const struct port *);

#endif
