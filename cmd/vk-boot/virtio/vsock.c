/* SPDX-License-Identifier: MIT */
/*
 * vsock.c - virtio socket device
 *
 * Goals: bytes move between a unix socket and the guest's own buffers without
 * a copy of ours in between; a guest that does not read, or does not post
 * buffers, or asks for more than it may have, costs the host a bounded amount
 * of memory, no busy loop, and other guests and connections nothing.
 *
 * To the guest. A flow (vsock_flow.h) that has something to send waits in
 * `turns`, each flow once. send_waiting goes round: one packet, or one batch of
 * packets of data, a flow. Data is read from the host's socket only when there
 * are both credit and buffers, straight into the buffers, several by one readv;
 * so what the guest does not take stays in the socket, where its writer waits.
 * Sockets are watched by edges: `readable` remembers the last one until a read
 * finds nothing, and no descriptor has to be armed again.
 *
 * From the guest. Packets are taken in order, data goes to the socket by one
 * sendmsg out of the guest's buffers; what the socket does not take is kept in
 * the flow's backlog, for which the guest has credit. New credit is told with
 * whatever packet goes out next, or alone when the guest sees less than half.
 *
 * Packets for no flow are answered with RST (never an RST). Those answers wait
 * in a ring; while it is full nothing more is taken from the guest.
 *
 * Left out: SEQPACKET (not offered), the transport reset event (5.10.6.7: the
 * guest is never moved to another host, so there is nothing to tell).
 */
#include "cmd/vk-boot/virtio/vsock.h"

#include "cmd/vk-boot/virtio/vsock_flow.h"
#include "cmd/vk-boot/virtio/vsock_host.h"
#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"
#include "common/size.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

enum { RX, TX, EVENTS, QUEUES };

#define VSOCK_F_STREAM 1ull

/* What a flow may have in our hands: what Linux gives its own sockets. While
 * all flows together were promised less than VSOCK_BUFFERS_MAX they get it;
 * beyond that VSOCK_BUFFER_SMALL. With the most connections and no reader at
 * all that is 64 + 62 MiB. */
#define VSOCK_BUFFER       (256 * KIB)
#define VSOCK_BUFFER_SMALL (16 * KIB)
#define VSOCK_BUFFERS_MAX  (64 * MIB)

/* The largest payload that Linux takes (VIRTIO_VSOCK_MAX_PKT_BUF_SIZE). */
#define VSOCK_PAYLOAD_MAX (64 * KIB)

/* Buffers of the guest filled by one readv. Linux posts them of 4 KiB. */
#define VSOCK_BATCH_MAX 16

/* RSTs that wait for a buffer: what the guest can have provoked before it
 * looks, a whole queue of packets. */
#define VSOCK_RESETS_MAX VIRTQ_SIZE_MAX

/* Packets each way before other sources of the loop have their turn. */
#define VSOCK_TURN_MAX 256

/* Breaches shown with -v in a device's life, so that a guest cannot fill the
 * host's log. */
#define VSOCK_SHOWN_MAX 20

#define VSOCK_BUCKETS 1024

/* Ports of ours for connections that the host opens: 2^30 and up, far from
 * what anybody listens on. */
#define VSOCK_PORT_FIRST 0x40000000u
#define VSOCK_PORT_LAST  0x7fffffffu

struct reset {
	uint64_t cid; /* which the guest took us for */
	uint32_t guest_port, host_port;
	uint16_t type;
};

struct answer {
	uint32_t port;
	void (*accepted)(void *owner, int fd);
	void *owner;
};

LIST_HEAD(flow_list, vsock_flow);

struct vsock {
	struct virtio_device dev;
	uint64_t cid;
	unsigned limit;
	uint32_t buffer;
	struct vsock_host host;
	struct answer answers[VSOCK_ANSWERS_MAX];

	struct flow_list buckets[VSOCK_BUCKETS], all;
	TAILQ_HEAD(, vsock_flow) turns;
	uint64_t seed;     /* of the hash: a guest cannot aim at a bucket */
	unsigned dialled;  /* flows that the guest opened */
	uint64_t promised; /* sum of the flows' alloc */
	uint32_t next_port;

	struct reset resets[VSOCK_RESETS_MAX];
	unsigned reset_at, reset_count;
	bool tx_stalled; /* until resets have gone out */

	const char *breach; /* of the whole device: fails it */
	unsigned shown;
	struct vsock_stats stats;
	struct virtio_request tx, rx[VSOCK_BATCH_MAX];
};

/* ---- flows ------------------------------------------------------------- */

static struct flow_list *
bucket_of(struct vsock *v, uint32_t guest_port, uint32_t host_port)
{
	uint64_t key = ((uint64_t)guest_port << 32 | host_port) ^ v->seed;

	key *= 0x9e3779b97f4a7c15;
	key ^= key >> 29;
	key *= 0xbf58476d1ce4e5b9;
	return &v->buckets[key >> 54];
}
_Static_assert(VSOCK_BUCKETS == 1 << (64 - 54), "bits of the hash");

static struct vsock_flow *
find(struct vsock *v, uint32_t guest_port, uint32_t host_port)
{
	struct vsock_flow *flow;

	LIST_FOREACH(flow, bucket_of(v, guest_port, host_port), bucket)
	{
		if (flow->guest_port == guest_port &&
		    flow->host_port == host_port)
			return flow;
	}
	return NULL;
}

static bool
can_feed(const struct vsock_flow *flow)
{
	return flow->state == VSOCK_OPEN && flow->readable &&
	       !(flow->shut & VSOCK_SHUT_SEND) &&
	       !(flow->guest_shut & VSOCK_SHUT_RECEIVE) &&
	       vsock_flow_may_send(flow) > 0;
}

static void
unwatch(struct vsock *v, struct vsock_flow *flow)
{
	loop_remove(v->dev.loop, &flow->host);
	fd_close(&flow->host.fd);
}

static void
leave_turns(struct vsock *v, struct vsock_flow *flow)
{
	if (flow->waiting)
		TAILQ_REMOVE(&v->turns, flow, turn);
	flow->waiting = false;
}

static void
leave_table(struct vsock_flow *flow)
{
	if (flow->bucket.le_prev)
		LIST_REMOVE(flow, bucket);
	flow->bucket.le_prev = NULL;
}

static void
flow_free(struct vsock *v, struct vsock_flow *flow)
{
	leave_turns(v, flow);
	leave_table(flow);
	LIST_REMOVE(flow, all);
	loop_remove(v->dev.loop, &flow->host);
	vsock_flow_release(flow);
	v->promised -= flow->alloc;
	v->dialled -= flow->dialled;
	v->stats.connections--;
	free(flow);
	vsock_host_retry(&v->host);
}

/* Half closes: what follows from what is known. */
static void
settle_halves(struct vsock_flow *flow)
{
	bool all_sent = flow->shut & VSOCK_SHUT_SEND ||
			flow->guest_shut & VSOCK_SHUT_RECEIVE;
	bool all_taken =
	    flow->shut & VSOCK_SHUT_RECEIVE ||
	    (flow->guest_shut & VSOCK_SHUT_SEND && flow->backlog_len == 0) ||
	    flow->host_gone;

	if (all_sent && all_taken)
		flow->shut = VSOCK_SHUT_BOTH;
	if (flow->shut & ~flow->told_shut)
		flow->wants |= VSOCK_WANT_SHUTDOWN;
}

/* After anything that happened to a flow: draws all consequences. The flow may
 * be gone afterwards. */
static void
settle(struct vsock *v, struct vsock_flow *flow)
{
	uint32_t events = EPOLLIN | EPOLLET;

	if (flow->state == VSOCK_GONE) {
		flow_free(v, flow);
		return;
	}
	if (flow->state == VSOCK_OPEN) {
		settle_halves(flow);
		if (vsock_flow_credit_due(flow))
			flow->wants |= VSOCK_WANT_CREDIT;
	}
	if (flow->state == VSOCK_DRAINING) {
		leave_turns(v, flow);
		leave_table(flow);
		flow->wants = 0;
	}
	if (flow->backlog_len > 0)
		events |= EPOLLOUT;
	else if (flow->state == VSOCK_ENDING ||
		 flow->told_shut == VSOCK_SHUT_BOTH)
		unwatch(v, flow);
	if (flow->host.added && events != flow->watched) {
		loop_change(v->dev.loop, &flow->host, events);
		flow->watched = events;
	}
	if (!flow->waiting && (flow->wants || can_feed(flow))) {
		TAILQ_INSERT_TAIL(&v->turns, flow, turn);
		flow->waiting = true;
	}
}

static void
step(struct vsock *v, struct vsock_flow *flow, enum vsock_event event)
{
	enum vsock_state before = flow->state;

	vsock_flow_step(flow, event);
	if (event == VSOCK_BREACH)
		v->stats.resets++;
	if (event == VSOCK_BREACH && v->shown < VSOCK_SHOWN_MAX) {
		v->shown++;
		log_info("guest: vsock %u to %u: broke the rules while %s",
		    flow->guest_port, flow->host_port,
		    vsock_state_name(before));
	}
}

static void run(struct vsock *);

static void
host_ready(struct loop_source *source, uint32_t events)
{
	struct vsock_flow *flow =
	    (void *)((char *)source - offsetof(struct vsock_flow, host));
	struct vsock *v = source->owner;
	bool gone = events & (EPOLLHUP | EPOLLERR);

	flow->host_gone |= gone;
	flow->readable |= gone || events & EPOLLIN;
	if (gone || events & EPOLLOUT)
		vsock_flow_flush(flow);
	if (gone && flow->state == VSOCK_ASKED)
		step(v, flow, VSOCK_LEFT);
	if (flow->state == VSOCK_DRAINING && flow->backlog_len == 0)
		step(v, flow, VSOCK_LEFT);
	settle(v, flow);
	run(v);
}

/* A flow for fd, which it owns in any case. NULL with errno. */
static struct vsock_flow *
flow_new(struct vsock *v, int host_fd, uint32_t guest_port, uint32_t host_port)
{
	cleanup_fd int fd = host_fd;
	cleanup_free struct vsock_flow *flow = calloc(1, sizeof(*flow));
	struct err e = ERR_INIT;

	if (!flow)
		return NULL;
	flow->guest_port = guest_port;
	flow->host_port = host_port;
	flow->batch = 1;
	flow->alloc = v->buffer;
	if (v->promised + v->buffer > VSOCK_BUFFERS_MAX &&
	    v->buffer > VSOCK_BUFFER_SMALL)
		flow->alloc = VSOCK_BUFFER_SMALL;
	flow->watched = EPOLLIN | EPOLLET;
	flow->host = (struct loop_source){
	    .fd = fd,
	    .ready = host_ready,
	    .owner = v,
	};
	if (loop_add(v->dev.loop, &flow->host, flow->watched, &e) < 0)
		return NULL;
	steal_fd(&fd);
	v->promised += flow->alloc;
	v->stats.connections++;
	LIST_INSERT_HEAD(&v->all, flow, all);
	LIST_INSERT_HEAD(bucket_of(v, guest_port, host_port), flow, bucket);
	return steal_ptr(&flow);
}

/* The host connects: fd is joined to the guest's port. Returns 0, -1 with
 * errno; owns fd in any case. */
static int
ask(struct vsock *v, int host_fd, uint32_t guest_port, bool greeting)
{
	cleanup_fd int fd = host_fd;
	struct vsock_flow *flow;

	if (!v->dev.running || v->dev.failed) {
		errno = ENOTCONN;
		return -1;
	}
	if (v->stats.connections >= v->limit) {
		errno = ENOBUFS;
		return -1;
	}
	/* It ends: there are more ports than flows. */
	do {
		v->next_port = v->next_port >= VSOCK_PORT_LAST
				   ? VSOCK_PORT_FIRST
				   : v->next_port + 1;
	} while (find(v, guest_port, v->next_port));
	flow = flow_new(v, steal_fd(&fd), guest_port, v->next_port);
	if (!flow)
		return -1;
	flow->state = VSOCK_ASKED;
	flow->greeting = greeting;
	flow->wants = VSOCK_WANT_REQUEST;
	settle(v, flow);
	run(v);
	return 0;
}

static void
client_asked(void *owner, int fd, uint32_t port)
{
	ask(owner, fd, port, true);
}

/* ---- to the guest ------------------------------------------------------ */

/* Takes a buffer of the guest: 1, 0 there is none, -1 with v->breach. */
static int
take_buffer(struct vsock *v, struct virtio_request *request)
{
	struct virtq *vq = &v->dev.queues[RX];
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
	virtq_push(&v->dev.queues[RX], request,
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
		step(v, flow, VSOCK_ANSWERED);
	if (header.op == VSOCK_OP_RST)
		step(v, flow, VSOCK_ENDED);
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
		virtq_unpop(&v->dev.queues[RX]);
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
	const struct reset *reset = &v->resets[v->reset_at];
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
	else if (can_feed(flow))
		got = feed_guest(v, flow);
	if (got <= 0)
		return got;
	leave_turns(v, flow);
	settle(v, flow);
	return 1;
}

static void
send_waiting(struct vsock *v)
{
	struct virtq *vq = &v->dev.queues[RX];

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

/* ---- from the guest ---------------------------------------------------- */

static void
refuse(struct vsock *v, const struct vsock_header *header)
{
	unsigned at = (v->reset_at + v->reset_count) % VSOCK_RESETS_MAX;

	if (header->op == VSOCK_OP_RST || v->reset_count == VSOCK_RESETS_MAX)
		return;
	v->resets[at] = (struct reset){
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
		const struct answer *answer = &v->answers[i];
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
			flow =
			    flow_new(v, fd, header->src_port, header->dst_port);
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
	settle(v, flow);
}

static void
guest_accepts(struct vsock *v, struct vsock_flow *flow)
{
	bool asked =
	    flow->state == VSOCK_ASKED && !(flow->wants & VSOCK_WANT_REQUEST);
	char line[32];
	int len;

	step(v, flow, asked ? VSOCK_ACCEPTED : VSOCK_BREACH);
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
		step(v, flow, VSOCK_FINISHED);
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
		step(v, flow, VSOCK_BREACH);
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
		step(v, flow, VSOCK_RESET);
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
		step(v, flow, VSOCK_BREACH);
	}
	settle(v, flow);
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
	flow = find(v, header.src_port, header.dst_port);
	if (flow)
		flow_packet(v, flow, &header, request);
	else if (header.op == VSOCK_OP_REQUEST)
		guest_dials(v, &header);
	else
		refuse(v, &header);
}

static void
take_packets(struct vsock *v)
{
	struct virtq *vq = &v->dev.queues[TX];
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

/* ---- the device -------------------------------------------------------- */

/* The guest forgets all connections, and we what it has not taken. */
static void
forget(struct vsock *v)
{
	struct vsock_flow *flow, *next;

	for (flow = LIST_FIRST(&v->all); flow; flow = next) {
		next = LIST_NEXT(flow, all);
		step(v, flow, VSOCK_RESET);
		settle(v, flow);
	}
	v->reset_count = 0;
	v->tx_stalled = false;
}

/* Sends what waits, signals, and ends the device where it has to. */
static void
run(struct vsock *v)
{
	if (!v->dev.running || v->dev.failed)
		return;
	if (!v->breach)
		send_waiting(v);
	if (v->tx_stalled && v->reset_count < VSOCK_RESETS_MAX) {
		v->tx_stalled = false;
		eventfd_give(v->dev.queues[TX].kick_fd);
	}
	virtq_signal(&v->dev.queues[RX]);
	virtq_signal(&v->dev.queues[TX]);
	if (v->breach) {
		forget(v);
		virtio_device_fail(&v->dev, v->breach);
	}
}

static void
vsock_start(struct virtio_device *dev)
{
	struct vsock *v = (struct vsock *)dev;

	v->breach = NULL;
	virtq_want_kicks(&dev->queues[RX], false);
	virtq_want_kicks(&dev->queues[EVENTS], false);
}

static void
vsock_stop(struct virtio_device *dev)
{
	forget((struct vsock *)dev);
}

static void
vsock_notify(struct virtio_device *dev, unsigned queue)
{
	struct vsock *v = (struct vsock *)dev;

	if (queue == TX && !v->tx_stalled)
		take_packets(v);
	if (queue == RX)
		virtq_want_kicks(&dev->queues[RX], false);
	if (queue != EVENTS)
		run(v);
}

static void
vsock_free(struct virtio_device *dev)
{
	struct vsock *v = (struct vsock *)dev;
	struct vsock_flow *flow;

	vsock_host_release(&v->host);
	while ((flow = LIST_FIRST(&v->all)))
		flow_free(v, flow);
	virtio_device_release(dev);
	free(v);
}

static const struct virtio_device_ops vsock_ops = {
    .name = "vsock",
    .type = VIRTIO_TYPE_VSOCK,
    .start = vsock_start,
    .stop = vsock_stop,
    .notify = vsock_notify,
    .free = vsock_free,
};

struct virtio_device *
vsock_new(struct loop *loop, const struct gmem *mem,
    const struct vsock_config *config, struct err *e)
{
	struct vsock *v = calloc(1, sizeof(*v));

	if (!v) {
		err_errno(e, EX_OSERR, "vsock");
		return NULL;
	}
	v->cid = config->cid ? config->cid : VSOCK_CID_GUEST;
	v->limit = config->limit ? config->limit : VSOCK_CONNECTIONS_MAX;
	v->buffer = config->buffer ? config->buffer : (uint32_t)VSOCK_BUFFER;
	v->next_port = VSOCK_PORT_FIRST;
	LIST_INIT(&v->all);
	TAILQ_INIT(&v->turns);
	v->host.loop = loop;
	v->host.run_folder = config->run_folder;
	v->host.asked = client_asked;
	v->host.owner = v;
	v->dev.offered = VSOCK_F_STREAM;
	if (virtio_device_init(&v->dev, &vsock_ops, loop, mem, QUEUES, e) < 0 ||
	    vsock_host_init(&v->host, e) < 0) {
		vsock_free(&v->dev);
		return NULL;
	}
	if (getrandom(&v->seed, sizeof(v->seed), 0) < 0)
		v->seed = (uintptr_t)v; /* random enough, by ASLR */
	v->dev.config_size = sizeof(v->cid);
	virtio_config_set(&v->dev, 0, &v->cid, sizeof(v->cid));
	return &v->dev;
}

/* ---- for other threads ------------------------------------------------- */

struct dial_call {
	struct vsock *v;
	int fd;
	uint32_t port;
	int result, number;
};

static void
dial(void *with)
{
	struct dial_call *call = with;

	call->result = ask(call->v, call->fd, call->port, false);
	call->number = errno;
}

int
vsock_dial(struct virtio_device *dev, uint32_t port)
{
	struct dial_call call = {.v = (struct vsock *)dev, .port = port};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	io_nonblock(pair[0], 1);
	call.fd = pair[0];
	loop_call(dev->loop, dial, &call);
	if (call.result == 0)
		return pair[1];
	fd_close(&pair[1]);
	errno = call.number;
	return -1;
}

struct answer_call {
	struct vsock *v;
	struct answer answer;
	int result;
};

static void
set_answer(void *with)
{
	struct answer_call *call = with;
	struct answer *at = NULL;

	for (unsigned i = 0; i < VSOCK_ANSWERS_MAX; i++) {
		struct answer *answer = &call->v->answers[i];

		if (answer->accepted && answer->port == call->answer.port) {
			at = answer;
			break;
		}
		if (!answer->accepted && !at)
			at = answer;
	}
	call->result = at ? 0 : -1;
	if (at)
		*at = call->answer;
}

int
vsock_answer(struct virtio_device *dev, uint32_t port,
    void (*accepted)(void *owner, int fd), void *owner)
{
	struct answer_call call = {
	    .v = (struct vsock *)dev,
	    .answer = {port, accepted, owner},
	};

	loop_call(dev->loop, set_answer, &call);
	return call.result;
}

struct stats_call {
	struct vsock *v;
	struct vsock_stats *into;
};

static void
get_stats(void *with)
{
	struct stats_call *call = with;

	*call->into = call->v->stats;
}

void
vsock_stats(struct virtio_device *dev, struct vsock_stats *into)
{
	struct stats_call call = {(struct vsock *)dev, into};

	loop_call(dev->loop, get_stats, &call);
}
