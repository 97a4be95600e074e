/* SPDX-License-Identifier: MIT */
/* vsock_send.c - the vsock device: packets to the guest */
#include "cmd/vk-boot/virtio/vsock_device.h"

#include <errno.h>

/* The largest payload that Linux takes (VIRTIO_VSOCK_MAX_PKT_BUF_SIZE). */
#define VSOCK_PAYLOAD_MAX (64 * KIB)

/* Takes a buffer of the guest: 1, 0 there is none, -1 with v->breach. */
static int
take_buffer(struct vsock *v, struct virtio_request *request)
{
	struct virtq *vq = &v->dev.queues[VSOCK_RX];
	int got = virtq_pop(vq, request);

	if (got < 0)
		v->breach = vq->why;
	if (got <= 0)
		return got;
	if (request->writable_len > sizeof(struct vsock_header))
		return 1;
	v->breach = "a receive buffer is too small";
	return -1;
}

/* Gives it back with a header in front of what is in it already. */
static void
put_header(struct vsock *v, struct virtio_request *request,
    const struct vsock_header *header)
{
	request_rewind(request);
	request_write(request, header, sizeof(*header));
	virtq_push(&v->dev.queues[VSOCK_RX], request,
	    (uint32_t)sizeof(*header) + header->len);
}

static struct vsock_header
header_for(struct vsock *v, struct vsock_flow *flow, enum vsock_op op)
{
	flow->told_forwarded = flow->forwarded;
	flow->wants &= ~VSOCK_WANT_CREDIT;
	return (struct vsock_header){
	    .src_cid = VSOCK_CID_HOST,
	    .dst_cid = v->cid,
	    .src_port = flow->host_port,
	    .dst_port = flow->guest_port,
	    .type = VSOCK_TYPE_STREAM,
	    .op = op,
	    .buf_alloc = flow->alloc,
	    .fwd_cnt = flow->forwarded,
	};
}

/* Sends the most urgent packet that a flow wants sent. 1, 0 no buffer, -1. */
static int
send_wanted(struct vsock *v, struct vsock_flow *flow)
{
	static const enum vsock_op ops[] = {
	    VSOCK_OP_REQUEST,
	    VSOCK_OP_RESPONSE,
	    VSOCK_OP_RST,
	    VSOCK_OP_CREDIT_UPDATE,
	    VSOCK_OP_SHUTDOWN,
	};
	int bit = __builtin_ctz(flow->wants);
	struct vsock_header header;
	int got = take_buffer(v, &v->rx[0]);

	if (got <= 0)
		return got;
	flow->wants &= ~(1u << bit);
	header = header_for(v, flow, ops[bit]);
	if (header.op == VSOCK_OP_SHUTDOWN)
		header.flags = flow->told_shut = flow->shut;
	put_header(v, &v->rx[0], &header);
	if (header.op == VSOCK_OP_RESPONSE)
		vsock_step(v, flow, VSOCK_ANSWERED);
	if (header.op == VSOCK_OP_RST)
		vsock_step(v, flow, VSOCK_ENDED);
	return 1;
}

/* Buffers taken for one read, and how much of each it may fill. */
struct feed {
	unsigned buffers;
	uint32_t room[VSOCK_BATCH_MAX], total;
	/* A chain has up to VIRTQ_SIZE_MAX parts. */
	struct iovec parts[2 * VIRTQ_SIZE_MAX];
	unsigned count;
};

/* Takes buffers for the next read of a flow. As take_buffer. */
static int
feed_take(struct vsock *v, struct vsock_flow *flow, struct feed *feed)
{
	uint32_t credit = vsock_flow_may_send(flow);
	int got = 1;

	feed->buffers = feed->count = feed->total = 0;
	while (feed->buffers < flow->batch && credit > 0 &&
	       feed->count <= VIRTQ_SIZE_MAX) {
		struct virtio_request *request = &v->rx[feed->buffers];
		uint64_t room;

		got = take_buffer(v, request);
		if (got <= 0)
			break;
		room = request->writable_len - sizeof(struct vsock_header);
		if (room > VSOCK_PAYLOAD_MAX)
			room = VSOCK_PAYLOAD_MAX;
		if (room > credit)
			room = credit;
		/* Both fit: the chain has at most VIRTQ_SIZE_MAX parts. */
		request_take_writable(request, sizeof(struct vsock_header),
		    feed->parts + feed->count, VIRTQ_SIZE_MAX);
		feed->count += (unsigned)request_take_writable(
		    request, room, feed->parts + feed->count, VIRTQ_SIZE_MAX);
		feed->room[feed->buffers++] = (uint32_t)room;
		feed->total += (uint32_t)room;
		credit -= (uint32_t)room;
	}
	return feed->buffers > 0 && got >= 0 ? 1 : got;
}

/* Gives back the buffers that n bytes were read into; the others are as if
 * they had not been taken. */
static void
feed_give(
    struct vsock *v, struct vsock_flow *flow, const struct feed *feed, size_t n)
{
	unsigned used = 0;

	for (; n > 0; used++) {
		struct vsock_header header = header_for(v, flow, VSOCK_OP_RW);

		header.len =
		    n < feed->room[used] ? (uint32_t)n : feed->room[used];
		put_header(v, &v->rx[used], &header);
		n -= header.len;
		flow->sent += header.len;
		v->stats.to_guest += header.len;
	}
	for (; used < feed->buffers; used++)
		virtq_unpop(&v->dev.queues[VSOCK_RX]);
}

/* Reads from the host's socket into the guest's buffers. 1, 0 none, -1. */
static int
feed_guest(struct vsock *v, struct vsock_flow *flow)
{
	struct feed feed;
	ssize_t n;
	int got = feed_take(v, flow, &feed);

	if (got <= 0)
		return got;
	n = readv(flow->host.fd, feed.parts, (int)feed.count);
	feed_give(v, flow, &feed, n > 0 ? (size_t)n : 0);
	if (n < 0 && errno == EAGAIN) {
		flow->readable = false;
	} else if (n <= 0 && !(n < 0 && errno == EINTR)) {
		/* The end; with an error (the peer left bytes of ours unread)
		 * it is the end both ways. */
		flow->shut |= VSOCK_SHUT_SEND;
		flow->host_gone |= n < 0;
	}
	/* Many buffers at a time only for who fills them. */
	flow->batch = n < (ssize_t)feed.total         ? 1
		      : flow->batch < VSOCK_BATCH_MAX ? flow->batch * 2
						      : VSOCK_BATCH_MAX;
	return 1;
}

static int
send_reset(struct vsock *v)
{
	const struct vsock_reset *reset = &v->resets[v->reset_at];
	struct vsock_header header = {
	    .src_cid = reset->cid,
	    .dst_cid = v->cid,
	    .src_port = reset->host_port,
	    .dst_port = reset->guest_port,
	    .type = reset->type,
	    .op = VSOCK_OP_RST,
	};
	int got = take_buffer(v, &v->rx[0]);

	if (got <= 0)
		return got;
	put_header(v, &v->rx[0], &header);
	v->reset_at = (v->reset_at + 1) % VSOCK_RESETS_MAX;
	v->reset_count--;
	return 1;
}

/* One turn of the flow in front. 1, 0 no buffer, -1. */
static int
send_turn(struct vsock *v)
{
	struct vsock_flow *flow = TAILQ_FIRST(&v->turns);
	int got = 1;

	if (flow->wants)
		got = send_wanted(v, flow);
	else if (vsock_can_feed(flow))
		got = feed_guest(v, flow);
	if (got <= 0)
		return got;
	TAILQ_REMOVE(&v->turns, flow, turn);
	flow->waiting = false;
	vsock_settle(v, flow);
	return 1;
}

void
vsock_send(struct vsock *v)
{
	struct virtq *vq = &v->dev.queues[VSOCK_RX];

	for (unsigned i = 0; v->reset_count || !TAILQ_EMPTY(&v->turns); i++) {
		int got;

		if (i == VSOCK_TURN_MAX) {
			eventfd_give(vq->kick_fd);
			return;
		}
		got = v->reset_count ? send_reset(v) : send_turn(v);
		if (got < 0 || (got == 0 && !virtq_want_kicks(vq, true)))
			return;
	}
}
