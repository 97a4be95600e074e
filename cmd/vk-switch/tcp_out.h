/* SPDX-License-Identifier: MIT */
/* tcp_out.h - TCP flows: what is sent to the VM; tcp.h has the theory */
#ifndef VK_SWITCH_TCP_OUT_H
#define VK_SWITCH_TCP_OUT_H

#include "cmd/vk-switch/flow.h"

/* The way to a VM takes microseconds, but it may be scheduled out. */
#define TCP_RTO_MS 1000
/* Smaller ones (RFC 9293 knows no lower bound) would be a way to make us
 * send a header for each byte. */
#define TCP_MSS_MIN 88

struct lan;
struct port;

uint32_t tcp_initial_seq(struct lan *, const struct flow_key *);

/* SYN or SYN-ACK, as the phase wants it. */
void tcp_send_syn(struct lan *, struct flow *);
void tcp_send_reset(struct lan *, struct flow *);
/* To our SYN came an ACK of something else (RFC 9293, 3.10.7.3): there is no
 * such connection. */
void tcp_send_denial(struct lan *, struct flow *, const struct tcp_segment *);
void tcp_send_stateless_reset(struct lan *, struct port *,
    const struct packet *, const struct tcp_segment *);
/* Asks for the VM's window. */
void tcp_send_probe(struct lan *, struct flow *);

/* Takes what the VM acknowledged off the socket. */
void tcp_consume(struct lan *, struct flow *);
/* Sends what the socket has and the VM's window allows. */
void tcp_push(struct lan *, struct flow *);
/* Sends an acknowledgement that is due, or puts it off. */
void tcp_acknowledge(struct lan *, struct flow *);
/* Everything from una on again. */
void tcp_rewind(struct lan *, struct flow *);
/* Nothing can be lost or late on a wire that stands still. */
bool tcp_port_is_full(struct lan *, const struct flow *);

#endif
