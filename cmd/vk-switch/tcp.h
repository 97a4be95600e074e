/* SPDX-License-Identifier: MIT */
/*
 * tcp.h - TCP between VMs and sockets of the host, without a buffer between
 *
 * Theory of operation. There is no TCP/IP stack here: the VM's kernel is one,
 * the host's is the other, and a flow mirrors the state of one to the other.
 *
 * To the host: payload of a VM's segments goes from the port's input buffer
 * into the socket with one sendmsg(2) for all that arrived in a row. What the
 * kernel took is acknowledged; its free send buffer is the window, so more is
 * never asked for than it takes.
 *
 * To the VM: data is read with MSG_PEEK straight into the port's output
 * buffer, between headers, and stays in the kernel's receive buffer until the
 * VM acknowledges it; then it is discarded with MSG_TRUNC. SO_PEEK_OFF (Linux
 * 6.9 for TCP) makes reading on cost nothing; older kernels skip what is in
 * flight through a waste buffer. A retransmission is a peek from the start.
 * So the kernel's buffers are the only ones, and flow control reaches from end
 * to end.
 *
 * A VM's SYN is answered when the host's connection stands; if it fails the
 * VM gets what the host got: RST for a refusal, ICMP unreachable, or silence.
 * FIN is shutdown(2), RST is closing with SO_LINGER 0, both ways.
 *
 * States: enum tcp_phase; within PHASE_OPEN the two directions close by
 * themselves (vm_fin; eof, fin_sent). A flow ends when both FINs are
 * acknowledged, on RST, or by the timer.
 *
 * The segments of one read of a port only change the flow; tcp_settle() then
 * talks to the kernel and the VM once: take off what was acknowledged, send
 * what there is, acknowledge. An acknowledgement of little data waits up to
 * ACK_DELAY_MS for an answer to travel with.
 *
 * Left out: SACK and timestamps (the path to a VM loses nothing but what its
 * own ring drops), congestion control towards the VM (its window and the
 * port's buffer are the limits), the urgent mark (data stays in line, RFC
 * 6093), ECN.
 */
#ifndef VK_SWITCH_TCP_H
#define VK_SWITCH_TCP_H

#include "cmd/vk-switch/flow.h"
#include "cmd/vk-switch/packet.h"

#include <sys/epoll.h>
#include <sys/uio.h>

#define ACK_DELAY_MS 2
/* Put off at once; more are sent straight away. */
#define ACK_DELAYED_MAX 64
/* Segments sent to a socket by one call. */
#define TCP_BATCH_MAX 128
/* What a flow's socket is watched for. */
#define TCP_EVENTS (EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET)

struct tcp_batch {
	struct flow *flow; /* NULL: empty */
	size_t bytes;
	int count;
	struct iovec iov[TCP_BATCH_MAX];
};

struct delayed_acks {
	uint32_t count;
	uint64_t since_ms;
	struct {
		uint32_t index, generation;
	} flows[ACK_DELAYED_MAX];
};

struct lan;
struct port;
struct station;

/* A whole packet from a VM that is to leave the LAN or is for the gateway. */
void tcp_input(
    struct lan *, struct port *, struct station *, const struct packet *);

/* A connection to the host was accepted for a VM: the flow (in PHASE_CALLING)
 * sends its SYN. */
void tcp_call(struct lan *, struct flow *);

void tcp_event(struct lan *, struct flow *, uint32_t events);
void tcp_timeout(struct lan *, struct flow *);
void tcp_settle(struct lan *, struct flow *);
void tcp_send_batch(struct lan *);
/* Sends the acknowledgements whose time has come. */
void tcp_send_delayed(struct lan *);
/* Drops what refers to the flow; it is about to go. */
void tcp_forget(struct lan *, struct flow *);

/* RST both ways; the caller frees the flow. */
void tcp_reset(struct lan *, struct flow *);
/* The host's side alone: close will send RST. */
void tcp_abort_socket(struct flow *);

/* A VM's first SYN for nothing: RST (or nothing, if it is one itself). */
void tcp_refuse(struct lan *, struct port *, const struct packet *,
    const struct tcp_segment *);

#endif
