/* SPDX-License-Identifier: MIT */
/*
 * vsock_flow.h - one connection of the vsock device: states, credit, backlog
 *
 * A flow joins a port of the guest to a unix socket of the host. Here is what
 * concerns one flow alone; who sends its packets, and when, is vsock.c's.
 *
 * States. Each is moved by vsock_flow_step and nothing else:
 *
 *	            the host dials              the guest dials
 *	                  |                            |
 *	                ASKED  REQUEST is sent      OFFERED  RESPONSE is sent
 *	                  |  guest: RESPONSE           |  it was
 *	                  +-----------> OPEN <---------+
 *	                                  |  guest shut both ways, or broke the
 *	                                  |  rules; the host is gone
 *	                                ENDING  RST is sent
 *	                                  |  it was; or guest: RST, in any state
 *	       bytes left for the host    v
 *	             +-------------------- --------------------+
 *	          DRAINING  no longer the guest's            GONE
 *	             |  written, or the reader left            ^
 *	             +-----------------------------------------+
 *
 * Half closes happen inside OPEN: what each side has given up is in guest_shut
 * and told_shut.
 *
 * Credit (5.10.6.3). All counters are modulo 2^32. To the guest: we may have
 * peer_alloc bytes on the way that it has not forwarded. Its forward counter
 * is believed only where it moves ahead by no more than what is on the way;
 * other values are stale (a Linux guest may queue packets in another order than
 * it stamped them) or a lie, and neither gets more. From the guest: it may have
 * `alloc` bytes on the way that we have not written to the host's socket. What
 * the socket does not take waits in the backlog, which is allocated when first
 * needed, is never larger than alloc, and goes when it is empty.
 */
#ifndef VK_BOOT_VIRTIO_VSOCK_FLOW_H
#define VK_BOOT_VIRTIO_VSOCK_FLOW_H

#include "cmd/vk-boot/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/uio.h>

/* Both are sent and understood in this order of bytes (5.10.6). */
struct vsock_header {
	uint64_t src_cid;
	uint64_t dst_cid;
	uint32_t src_port;
	uint32_t dst_port;
	uint32_t len;
	uint16_t type;
	uint16_t op;
	uint32_t flags;
	uint32_t buf_alloc;
	uint32_t fwd_cnt;
} __attribute__((packed));
_Static_assert(sizeof(struct vsock_header) == 44, "virtio 1.2, 5.10.6");

#define VSOCK_TYPE_STREAM 1

enum vsock_op {
	VSOCK_OP_REQUEST = 1,
	VSOCK_OP_RESPONSE,
	VSOCK_OP_RST,
	VSOCK_OP_SHUTDOWN,
	VSOCK_OP_RW,
	VSOCK_OP_CREDIT_UPDATE,
	VSOCK_OP_CREDIT_REQUEST,
};

/* flags of SHUTDOWN: the sender will receive, will send, no more. */
#define VSOCK_SHUT_RECEIVE 1u
#define VSOCK_SHUT_SEND    2u
#define VSOCK_SHUT_BOTH    3u

enum vsock_state {
	VSOCK_ASKED,
	VSOCK_OFFERED,
	VSOCK_OPEN,
	VSOCK_ENDING,
	VSOCK_DRAINING,
	VSOCK_GONE,
	VSOCK_STATES
};

enum vsock_event {
	VSOCK_ACCEPTED, /* the guest's RESPONSE */
	VSOCK_ANSWERED, /* our RESPONSE was sent */
	VSOCK_FINISHED, /* the guest shut both ways */
	VSOCK_RESET,    /* the guest's RST */
	VSOCK_BREACH,   /* the guest broke the rules */
	VSOCK_LEFT,     /* the host's end is gone and nothing is left to say */
	VSOCK_ENDED,    /* our RST was sent */
	VSOCK_EVENTS
};

/* Packets that wait for a buffer of the guest, sent in this order. */
#define VSOCK_WANT_REQUEST  1u
#define VSOCK_WANT_RESPONSE 2u
#define VSOCK_WANT_RST      4u
#define VSOCK_WANT_CREDIT   8u
#define VSOCK_WANT_SHUTDOWN 16u

struct vsock_flow {
	LIST_ENTRY(vsock_flow) bucket; /* by ports; not when DRAINING */
	LIST_ENTRY(vsock_flow) all;
	TAILQ_ENTRY(vsock_flow) turn; /* waits to send */
	bool waiting;                 /* is in that queue */

	uint32_t guest_port, host_port;
	enum vsock_state state;
	bool dialled;  /* by the guest */
	bool greeting; /* the host's client waits for "OK" */
	unsigned wants;
	uint32_t guest_shut; /* VSOCK_SHUT_ flags the guest sent */
	uint32_t shut;       /* ours, and those of them */
	uint32_t told_shut;  /* that the guest was told */
	bool ended;          /* the guest's half close was passed on */

	struct loop_source host;
	uint32_t watched; /* events it is added for */
	bool readable;    /* the host's socket may have bytes */
	bool host_gone;   /* its peer has closed it */
	unsigned batch;   /* packets to read at a time */

	/* to the guest */
	uint32_t sent, peer_alloc, peer_forwarded;
	/* from the guest */
	uint32_t alloc, received, forwarded, told_forwarded;
	uint8_t *backlog; /* ring of alloc bytes, or NULL */
	uint32_t backlog_at, backlog_len;
};

/* Moves the state and returns the new one. */
enum vsock_state vsock_flow_step(struct vsock_flow *, enum vsock_event);
const char *vsock_state_name(enum vsock_state);

/* What a packet of the guest says of its credit. */
void vsock_flow_credit(struct vsock_flow *, uint32_t alloc, uint32_t forwarded);

/* How many bytes we may send; how many the guest may. */
uint32_t vsock_flow_may_send(const struct vsock_flow *);
uint32_t vsock_flow_may_receive(const struct vsock_flow *);

/* Whether the guest should hear of new credit: it sees less than half of the
 * buffer free, and more is. */
bool vsock_flow_credit_due(const struct vsock_flow *);

/*
 * Takes len bytes of the guest, at most vsock_flow_may_receive: to the host's
 * socket, the rest to the backlog. 0, -1 where there is no memory for that.
 * Bytes for a host that no longer reads are dropped (shut says so).
 */
int vsock_flow_deliver(
    struct vsock_flow *, const struct iovec *, unsigned count, uint32_t len);

/* Writes what it can of the backlog; then passes the guest's half close on. */
void vsock_flow_flush(struct vsock_flow *);

/* Frees the backlog, closes the descriptor. The source must be removed. */
void vsock_flow_release(struct vsock_flow *);

#endif
