/* SPDX-License-Identifier: MIT */
/*
 * net.c - virtio network device
 *
 * From the guest: up to BATCH_MAX frames go out by one sendmsg, straight from
 * the guest's memory but for what stands in front: length, virtio-net header
 * and Ethernet header are our copies, so that what was checked is what is sent.
 * What the socket does not take stays in the queue; of a frame that was cut,
 * the rest is copied.
 *
 * To the guest: frames are read many at a time into the peer's buffer and
 * copied into the guest's. Where the guest has no buffers, reading stops.
 *
 * Offloads. What the peer has agreed to is offered to the driver. At the
 * driver's start both sides are told what of it counts; it can only become less
 * afterwards (a second driver is offered what the first one took). A header
 * that says more than what was agreed (net_offload.h) is the end of that frame.
 *
 * Left out: the control queue (filters, VLANs, multiple queues: the switch
 * filters, and one queue pair is one loop thread), UDP and ECN offloads.
 */
#include "cmd/vk-boot/virtio/net.h"

#include "cmd/vk-boot/virtio/net_offload.h"
#include "cmd/vk-boot/virtio/net_peer.h"
#include "common/hello.h"
#include "common/log.h"
#include "common/scope.h"

#include <string.h>

enum { RX, TX, QUEUES };

/* Feature bits (5.1.3) beside those of offloads. */
#define F_MTU       (1ull << 3)
#define F_MAC       (1ull << 5)
#define F_MRG_RXBUF (1ull << 15)
#define F_STATUS    (1ull << 16)

struct net_space { /* configuration space, 5.1.4 */
	uint8_t mac[6];
	uint16_t status;
	uint16_t pairs;
	uint16_t mtu;
};
#define STATUS_UP 1

/* Frames sent by one call; buffers that one frame may take. Linux posts 1.5 to
 * 4 KiB each: 64 KiB need 44 of them. */
#define BATCH_MAX 64

/* Frames each way before other sources of the loop have their turn. */
#define TURN_MAX 256

/* What one sendmsg takes (IOV_MAX). */
#define PARTS_MAX 1024

/* What stands before the guest's own bytes. */
struct prefix {
	uint8_t bytes[NET_LENGTH_LEN + NET_HEADER_LEN + NET_ETHERNET_LEN];
	size_t len;
};

struct net {
	struct virtio_device dev;
	struct net_peer peer;
	uint32_t used; /* offloads that the driver took */
	bool up;
	uint8_t mac[6];
	struct net_stats stats;

	/* One direction at a time. */
	struct virtio_request batch[BATCH_MAX];
	struct prefix prefixes[BATCH_MAX];
	unsigned part_of[BATCH_MAX + 1]; /* where each frame's parts begin */
	struct iovec parts[PARTS_MAX];
};

/* ---- from the guest ---- */

/* Puts a request's frame into a slot: its prefix and parts. A frame that is not
 * to be sent has no parts. False where the parts do not fit any more. */
static bool
prepare(struct net *n, unsigned slot)
{
	struct virtio_request *request = &n->batch[slot];
	struct prefix *prefix = &n->prefixes[slot];
	unsigned first = n->part_of[slot];
	struct net_header header;
	bool headers = n->peer.state == NET_FULL;
	uint64_t len;
	uint8_t *at = prefix->bytes;
	uint32_t length;
	int count;

	n->part_of[slot + 1] = first;
	if (!n->up || request_read(request, &header, sizeof(header)) < 0)
		return true;
	len = request_readable_left(request);
	header.flags &= NET_HEADER_NEEDS_CSUM;
	header.num_buffers = 1;
	if (len < NET_ETHERNET_LEN || len > NET_FRAME_MAX ||
	    !net_header_fits(&header, len, n->used, NET_FROM_GUEST))
		return true;
	length =
	    __builtin_bswap32((uint32_t)len + (headers ? NET_HEADER_LEN : 0));
	memcpy(at, &length, NET_LENGTH_LEN);
	at += NET_LENGTH_LEN;
	if (headers) {
		memcpy(at, &header, NET_HEADER_LEN);
		at += NET_HEADER_LEN;
	}
	request_read(request, at, NET_ETHERNET_LEN);
	if (at[12] == 0x88 && at[13] == 0xb5)
		return true; /* not for a guest to say: net_peer.h */
	prefix->len = (size_t)(at + NET_ETHERNET_LEN - prefix->bytes);
	if (first + 1 > PARTS_MAX)
		return false;
	count = request_take_readable(request, len - NET_ETHERNET_LEN,
	    n->parts + first + 1, PARTS_MAX - first - 1);
	if (count < 0)
		return false;
	n->parts[first] = (struct iovec){prefix->bytes, prefix->len};
	n->part_of[slot + 1] = first + 1 + (unsigned)count;
	return true;
}

/* Bytes of a slot's frame with all that stands before it; 0: not sent. */
static size_t
slot_len(const struct net *n, unsigned slot)
{
	size_t len = 0;

	for (unsigned i = n->part_of[slot]; i < n->part_of[slot + 1]; i++)
		len += n->parts[i].iov_len;
	return len;
}

/* Hands the peer what lies behind the first `sent` bytes of a slot. */
static void
keep_rest(struct net *n, unsigned slot, size_t sent)
{
	for (unsigned i = n->part_of[slot]; i < n->part_of[slot + 1]; i++) {
		const struct iovec *part = &n->parts[i];
		size_t passed = sent < part->iov_len ? sent : part->iov_len;

		sent -= passed;
		net_peer_keep(&n->peer, (char *)part->iov_base + passed,
		    part->iov_len - passed);
	}
}

/* Gives the first `count` requests back, of which `sent` bytes went out (-1:
 * none will); what was not sent at all is put back into the queue. */
static void
settle_batch(struct net *n, unsigned count, ssize_t sent)
{
	struct virtq *vq = &n->dev.queues[TX];
	unsigned slot = 0;

	for (; slot < count; slot++) {
		size_t len = slot_len(n, slot);

		if (sent == 0 && len > 0)
			break;
		if (sent < 0 || len == 0) {
			n->stats.from_guest_dropped++;
		} else {
			if ((size_t)sent < len)
				keep_rest(n, slot, (size_t)sent);
			sent -= (size_t)sent < len ? sent : (ssize_t)len;
			n->stats.from_guest_frames++;
			n->stats.from_guest_bytes +=
			    len - n->prefixes[slot].len + NET_ETHERNET_LEN;
		}
		virtq_push(vq, &n->batch[slot], 0);
	}
	for (; slot < count; slot++)
		virtq_unpop(vq);
}

/* Takes a batch of frames. How many, 0 for none, -1 broken. */
static int
send_batch(struct net *n)
{
	struct virtq *vq = &n->dev.queues[TX];
	unsigned count = 0, parts;
	ssize_t sent = 0;
	int got = 0;

	while (
	    count < BATCH_MAX && (got = virtq_pop(vq, &n->batch[count])) > 0) {
		if (!prepare(n, count)) {
			/* No room: it is the next batch's first. Alone it
			 * fits: PARTS_MAX is more than a chain has. */
			virtq_unpop(vq);
			break;
		}
		count++;
	}
	if (got < 0)
		return -1;
	parts = n->part_of[count];
	if (parts > 0)
		sent = net_peer_write(&n->peer, n->parts, parts);
	settle_batch(n, count, sent);
	return (int)count;
}

static void
take_frames(struct net *n)
{
	struct virtq *vq = &n->dev.queues[TX];
	int taken = 0, got = 0;

	do {
		virtq_want_kicks(vq, false);
		while (!n->peer.blocked && (got = send_batch(n)) > 0) {
			taken += got;
			if (taken >= TURN_MAX) {
				eventfd_give(vq->kick_fd);
				virtq_signal(vq);
				return;
			}
		}
	} while (!n->peer.blocked && virtq_want_kicks(vq, true));
	virtq_signal(vq);
	if (got < 0)
		virtio_device_fail(&n->dev, vq->why);
}

/* ---- to the guest ---- */

/* The header that the guest gets. False where it was not to be sent. */
static bool
header_for(const struct net *n, const struct net_frame *frame,
    struct net_header *header)
{
	*header = (struct net_header){0};
	if (!frame->header)
		return true;
	memcpy(header, frame->header, sizeof(*header));
	header->flags &= NET_HEADER_NEEDS_CSUM;
	return net_header_fits(header, frame->len, n->used, NET_TO_GUEST);
}

/* Takes buffers for len bytes. How many; 0: the guest has not enough now, -1:
 * it never will, or the queue is broken. */
static int
take_buffers(struct net *n, size_t len)
{
	struct virtq *vq = &n->dev.queues[RX];
	unsigned most = n->dev.features & F_MRG_RXBUF ? BATCH_MAX : 1;
	unsigned count = 0;
	uint64_t room = 0;
	int got = 1;

	while (room < len && count < most &&
	       (got = virtq_pop(vq, &n->batch[count])) > 0)
		room += n->batch[count++].writable_len;
	if (got < 0)
		return -1;
	if (room >= len && n->batch[0].writable_len >= NET_HEADER_LEN)
		return (int)count;
	for (unsigned i = 0; i < count; i++)
		virtq_unpop(vq);
	/* Not all that it could have posted is there: wait for more. */
	return got == 0 && count < vq->size ? 0 : -1;
}

/* Gives a frame to the guest: 1 done or dropped, 0 no buffers. */
static int
give_frame(struct net *n, const struct net_frame *frame)
{
	struct virtq *vq = &n->dev.queues[RX];
	struct net_header header;
	size_t done = 0;
	int count;

	if (!header_for(n, frame, &header)) {
		n->stats.to_guest_dropped++;
		return 1;
	}
	count = take_buffers(n, sizeof(header) + frame->len);
	if (count < 0)
		n->stats.to_guest_dropped++;
	if (count <= 0)
		return count < 0;
	header.num_buffers = (uint16_t)count;
	for (int i = 0; i < count; i++) {
		struct virtio_request *request = &n->batch[i];
		size_t written = 0;

		if (i == 0)
			written =
			    request_write(request, &header, sizeof(header));
		size_t data =
		    request_write(request, frame->at + done, frame->len - done);
		done += data;
		/* A driver that has the first of them asks for all. */
		if (i + 1 < count)
			virtq_fill(vq, request, (uint32_t)(written + data));
		else
			virtq_push(vq, request, (uint32_t)(written + data));
	}
	n->stats.to_guest_frames++;
	n->stats.to_guest_bytes += frame->len;
	return 1;
}

/* Whether a frame is done with: given, or dropped. */
static bool
pass_frame(struct net *n, const struct net_frame *frame)
{
	struct virtq *vq = &n->dev.queues[RX];

	if (!n->dev.running || n->dev.failed || !vq->ready)
		return true;
	while (give_frame(n, frame) == 0)
		if (!virtq_want_more(vq))
			return vq->broken;
	return true;
}

static void
give_frames(void *owner)
{
	struct net *n = owner;
	struct virtq *vq = &n->dev.queues[RX];
	struct net_frame frame;
	unsigned turns = TURN_MAX;
	bool more = true, room = true;

	while (turns > 0 && room && more) {
		while (turns > 0 && room && net_peer_next(&n->peer, &frame)) {
			room = pass_frame(n, &frame);
			if (room)
				net_peer_passed(&n->peer, &frame);
			turns--;
		}
		if (turns > 0 && room)
			more = net_peer_fill(&n->peer);
	}
	/* Frames that lie in our buffer do not wake us. */
	if (turns == 0 && n->dev.running)
		eventfd_give(vq->kick_fd);
	net_peer_read(&n->peer, room);
	if (!n->dev.running)
		return;
	virtq_signal(vq);
	if (vq->broken)
		virtio_device_fail(&n->dev, vq->why);
}

/* ---- the device ---- */

/* Whether the link is up, and the guest's word of it. */
static void
update_link(struct net *n)
{
	bool carries = n->peer.state == NET_FULL
			   ? (n->used & ~n->peer.agreed) == 0
			   : n->used == 0;
	uint16_t status;

	n->up = n->peer.state != NET_AWAY && carries;
	status = n->up ? STATUS_UP : 0;
	if (n->stats.up == n->up)
		return;
	n->stats.up = n->up;
	virtio_config_set(&n->dev, offsetof(struct net_space, status), &status,
	    sizeof(status));
}

/* What the driver is offered of the offloads; before or without a driver. */
static void
offer(struct net *n, uint32_t agreed)
{
	uint64_t offered = n->dev.offered;

	offered &= ~net_offload_features(OFFLOADS_ALL);
	offered |= net_offload_features(agreed);
	__atomic_store_n(&n->dev.offered, offered, __ATOMIC_RELAXED);
}

static void
peer_changed(void *owner)
{
	struct net *n = owner;

	if (n->dev.running)
		net_peer_confirm(&n->peer, n->used);
	else if (n->peer.state != NET_AWAY)
		offer(n, n->peer.agreed);
	update_link(n);
}

static void
peer_writable(void *owner)
{
	struct net *n = owner;

	if (n->dev.running && !n->dev.failed)
		take_frames(n);
}

static void
net_start(struct virtio_device *dev)
{
	struct net *n = (struct net *)dev;

	n->used = net_offloads(dev->features);
	net_peer_confirm(&n->peer, n->used);
	update_link(n);
	virtq_want_kicks(&dev->queues[RX], false);
}

static void
net_stop(struct virtio_device *dev)
{
	struct net *n = (struct net *)dev;

	/* The next driver gets no more than the peer still believes in. */
	if (n->peer.state == NET_FULL)
		offer(n, n->peer.agreed);
	n->used = 0;
	net_peer_read(&n->peer, true);
}

static void
net_notify(struct virtio_device *dev, unsigned queue)
{
	struct net *n = (struct net *)dev;

	if (queue == TX && !n->peer.blocked)
		take_frames(n);
	if (queue == RX) {
		virtq_want_kicks(&dev->queues[RX], false);
		give_frames(n);
	}
}

static void
net_free(struct virtio_device *dev)
{
	struct net *n = (struct net *)dev;

	net_peer_release(&n->peer);
	virtio_device_release(dev);
	free(n);
}

static int
net_keep(struct virtio_device *dev, struct confine *confine, struct err *e)
{
	return confine_keep(confine, ((struct net *)dev)->peer.place.folder,
	    CONFINE_CONNECT, e);
}

static const struct virtio_device_ops net_ops = {
    .name = "net",
    .type = VIRTIO_TYPE_NET,
    .calls = net_peer_calls,
    .keep = net_keep,
    .start = net_start,
    .stop = net_stop,
    .notify = net_notify,
    .free = net_free,
};

static void
fill_config(struct net *n, const struct net_config *config)
{
	struct net_space space = {.pairs = 1, .mtu = config->mtu};

	memcpy(n->mac, config->mac, sizeof(n->mac));
	memcpy(space.mac, config->mac, sizeof(space.mac));
	memcpy(n->dev.config, &space, sizeof(space));
	n->dev.config_size = sizeof(space);
	n->dev.offered = F_MAC | F_MRG_RXBUF | F_STATUS;
	if (config->mtu)
		n->dev.offered |= F_MTU;
}

struct virtio_device *
net_new(struct loop *loop, const struct gmem *mem,
    const struct net_config *config, struct err *e)
{
	cleanup_fd int fd = config->path ? -1 : config->fd;
	struct net *n = calloc(1, sizeof(*n));

	if (!n) {
		err_errno(e, EX_OSERR, "net");
		return NULL;
	}
	fill_config(n, config);
	n->peer.loop = loop;
	n->peer.path = config->path;
	n->peer.mac = n->mac;
	n->peer.offer = config->no_offloads ? 0 : OFFLOADS_ALL;
	n->peer.changed = peer_changed;
	n->peer.readable = give_frames;
	n->peer.writable = peer_writable;
	n->peer.owner = n;
	if (virtio_device_init(&n->dev, &net_ops, loop, mem, QUEUES, e) < 0 ||
	    net_peer_init(&n->peer, steal_fd(&fd), e) < 0) {
		net_free(&n->dev);
		return NULL;
	}
	return &n->dev;
}

struct stats_call {
	struct net *n;
	struct net_stats *into;
};

static void
get_stats(void *with)
{
	struct stats_call *call = with;

	*call->into = call->n->stats;
}

void
net_stats(struct virtio_device *dev, struct net_stats *into)
{
	struct stats_call call = {(struct net *)dev, into};

	loop_call(dev->loop, get_stats, &call);
}
