/* SPDX-License-Identifier: MIT */
/* vsock_take.c - the vsock device: packets from the guest */
#include "cmd/vk-boot/virtio/vsock_device.h"
#include "common/io.h"

#include <stdio.h>
#include <sys/socket.h>

static void
refuse(struct vsock *v, const struct vsock_header *header)
{
	unsigned at = (v->reset_at + v->reset_count) % VSOCK_RESETS_MAX;

	if (header->op == VSOCK_OP_RST || v->reset_count == VSOCK_RESETS_MAX)
		return;
	v->resets[at] = (struct vsock_reset){
	    .cid = header->dst_cid,
	    .guest_port = header->src_port,
	    .host_port = header->dst_port,
	    .type = header->type,
	};
	v->reset_count++;
	v->stats.resets++;
}

/* Joins the guest's connection to whom it wants to reach: our end, -1. */
static int
reach(struct vsock *v, uint32_t port)
{
	for (unsigned i = 0; i < VSOCK_ANSWERS_MAX; i++) {
		const struct vsock_answer_to *answer = &v->answers[i];
		int pair[2];

		if (!answer->accepted || answer->port != port)
			continue;
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) <
		    0)
			return -1;
		io_nonblock(pair[0], 1);
		answer->accepted(answer->owner, pair[1]);
		return pair[0];
	}
	if (vsock_ports_has(&v->ports, port))
		return vsock_ports_connect(&v->ports, port);
	return vsock_host_connect(&v->host, port);
}

static void
guest_dials(struct vsock *v, const struct vsock_header *header)
{
	struct vsock_flow *flow = NULL;

	/* Half of them stay for the host, whatever the guest does. */
	if (v->stats.connections < v->limit && v->dialled < v->limit / 2) {
		int fd = reach(v, header->dst_port);

		if (fd >= 0)
			flow = vsock_join(
			    v, fd, header->src_port, header->dst_port);
	}
	if (!flow) {
		refuse(v, header);
		return;
	}
	flow->state = VSOCK_OFFERED;
	flow->dialled = true;
	v->dialled++;
	flow->wants = VSOCK_WANT_RESPONSE;
	flow->peer_alloc = header->buf_alloc;
	vsock_settle(v, flow);
}

static void
guest_accepts(struct vsock *v, struct vsock_flow *flow)
{
	bool asked =
	    flow->state == VSOCK_ASKED && !(flow->wants & VSOCK_WANT_REQUEST);
	char line[32];
	int len;

	vsock_step(v, flow, asked ? VSOCK_ACCEPTED : VSOCK_BREACH);
	if (!asked || !flow->greeting)
		return;
	len = snprintf(line, sizeof(line), "OK %u\n", flow->host_port);
	/* The first bytes fit; a client that left is noticed elsewhere. */
	if (send(flow->host.fd, line, (size_t)len, MSG_NOSIGNAL) < 0)
		flow->host_gone = true;
}

static void
guest_shuts(struct vsock *v, struct vsock_flow *flow, uint32_t flags)
{
	flow->guest_shut |= flags & VSOCK_SHUT_BOTH;
	vsock_flow_flush(flow);
	if (flow->guest_shut & VSOCK_SHUT_RECEIVE)
		shutdown(flow->host.fd, SHUT_RD);
	if (flow->guest_shut == VSOCK_SHUT_BOTH)
		vsock_step(v, flow, VSOCK_FINISHED);
}

static void
guest_sends(struct vsock *v, struct vsock_flow *flow, uint32_t len,
    struct virtio_request *request)
{
	struct iovec parts[VIRTQ_SIZE_MAX];
	int count = -1;

	if (flow->state == VSOCK_OPEN &&
	    !(flow->guest_shut & VSOCK_SHUT_SEND) &&
	    len <= vsock_flow_may_receive(flow))
		count =
		    request_take_readable(request, len, parts, VIRTQ_SIZE_MAX);
	if (count < 0 ||
	    vsock_flow_deliver(flow, parts, (unsigned)count, len) < 0) {
		vsock_step(v, flow, VSOCK_BREACH);
		return;
	}
	v->stats.from_guest += len;
}

static void
flow_packet(struct vsock *v, struct vsock_flow *flow,
    const struct vsock_header *header, struct virtio_request *request)
{
	if (flow->state == VSOCK_ENDING && header->op != VSOCK_OP_RST)
		return;
	vsock_flow_credit(flow, header->buf_alloc, header->fwd_cnt);
	switch (header->op) {
	case VSOCK_OP_RESPONSE:
		guest_accepts(v, flow);
		break;
	case VSOCK_OP_RST:
		vsock_step(v, flow, VSOCK_RESET);
		break;
	case VSOCK_OP_SHUTDOWN:
		guest_shuts(v, flow, header->flags);
		break;
	case VSOCK_OP_RW:
		guest_sends(v, flow, header->len, request);
		break;
	case VSOCK_OP_CREDIT_UPDATE:
		break;
	case VSOCK_OP_CREDIT_REQUEST:
		if (flow->state == VSOCK_OPEN)
			flow->wants |= VSOCK_WANT_CREDIT;
		break;
	default: /* a second REQUEST is one of these */
		vsock_step(v, flow, VSOCK_BREACH);
	}
	vsock_settle(v, flow);
}

static void
take_packet(struct vsock *v, struct virtio_request *request)
{
	struct vsock_header header;
	struct vsock_flow *flow;

	if (request_read(request, &header, sizeof(header)) < 0) {
		v->breach = "a packet is shorter than its header";
		return;
	}
	/* 5.10.6: it speaks for itself only. */
	if (header.src_cid != v->cid)
		return;
	if (header.type != VSOCK_TYPE_STREAM ||
	    header.dst_cid != VSOCK_CID_HOST) {
		refuse(v, &header);
		return;
	}
	flow = vsock_find(v, header.src_port, header.dst_port);
	if (flow)
		flow_packet(v, flow, &header, request);
	else if (header.op == VSOCK_OP_REQUEST)
		guest_dials(v, &header);
	else
		refuse(v, &header);
}

void
vsock_take(struct vsock *v)
{
	struct virtq *vq = &v->dev.queues[VSOCK_TX];
	unsigned taken = 0;

	do {
		int got;

		virtq_want_kicks(vq, false);
		while ((got = virtq_pop(vq, &v->tx)) > 0) {
			take_packet(v, &v->tx);
			virtq_push(vq, &v->tx, 0);
			v->tx_stalled = v->reset_count == VSOCK_RESETS_MAX;
			if (v->breach || v->tx_stalled)
				return;
			if (++taken == VSOCK_TURN_MAX) {
				eventfd_give(vq->kick_fd);
				return;
			}
		}
		if (got < 0)
			v->breach = vq->why;
	} while (virtq_want_kicks(vq, true));
}
