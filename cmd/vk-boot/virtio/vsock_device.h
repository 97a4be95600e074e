/* SPDX-License-Identifier: MIT */
/*
 * vsock_device.h - what the parts of the vsock device share
 *
 *	vsock.c        the device, and what other threads call; theory
 *	vsock_table.c  flows: found, made, dropped; consequences drawn
 *	vsock_send.c   packets to the guest
 *	vsock_take.c   packets from the guest
 *	vsock_flow.c   one flow by itself: states, credit, backlog
 *	vsock_host.c   the run folder's sockets
 *	vsock_ports.c  sockets of single ports
 *
 * All of it runs in the device's loop.
 */
#ifndef VK_BOOT_VIRTIO_VSOCK_DEVICE_H
#define VK_BOOT_VIRTIO_VSOCK_DEVICE_H

#include "cmd/vk-boot/virtio/vsock.h"
#include "cmd/vk-boot/virtio/vsock_flow.h"
#include "cmd/vk-boot/virtio/vsock_host.h"
#include "common/size.h"

enum { VSOCK_RX, VSOCK_TX, VSOCK_EVENT, VSOCK_QUEUES };

/* What a flow may have in our hands: what Linux gives its own sockets. While
 * all flows together were promised less than VSOCK_BUFFERS_MAX they get it;
 * beyond that VSOCK_BUFFER_SMALL. With the most connections and no reader at
 * all that is 64 + 62 MiB. */
#define VSOCK_BUFFER       (256 * KIB)
#define VSOCK_BUFFER_SMALL (16 * KIB)
#define VSOCK_BUFFERS_MAX  (64 * MIB)

/* Buffers of the guest filled by one readv. Linux posts them of 4 KiB. */
#define VSOCK_BATCH_MAX 16

/* RSTs that wait for a buffer: what the guest can have provoked before it
 * looks, a whole queue of packets. */
#define VSOCK_RESETS_MAX VIRTQ_SIZE_MAX

/* Packets each way before other sources of the loop have their turn. */
#define VSOCK_TURN_MAX 256

#define VSOCK_BUCKETS 1024

struct vsock_reset {
	uint64_t cid; /* which the guest took us for */
	uint32_t guest_port, host_port;
	uint16_t type;
};

struct vsock_answer_to {
	uint32_t port;
	void (*accepted)(void *owner, int fd);
	void *owner;
};

LIST_HEAD(vsock_flows, vsock_flow);

struct vsock {
	struct virtio_device dev;
	uint64_t cid;
	unsigned limit;
	uint32_t buffer;
	struct vsock_host host;
	struct vsock_ports ports;
	struct vsock_answer_to answers[VSOCK_ANSWERS_MAX];

	struct vsock_flows buckets[VSOCK_BUCKETS], all;
	TAILQ_HEAD(, vsock_flow) turns;
	uint64_t seed;     /* of the hash: a guest cannot aim at a bucket */
	unsigned dialled;  /* flows that the guest opened */
	uint64_t promised; /* sum of the flows' alloc */
	uint32_t next_port;

	struct vsock_reset resets[VSOCK_RESETS_MAX];
	unsigned reset_at, reset_count;
	bool tx_stalled; /* until resets have gone out */

	const char *breach; /* of the whole device: fails it */
	unsigned shown;
	struct vsock_stats stats;
	struct virtio_request tx, rx[VSOCK_BATCH_MAX];
};

/* ---- vsock_table.c ---- */

/* The flow between two ports, NULL. */
struct vsock_flow *vsock_find(
    struct vsock *, uint32_t guest_port, uint32_t host_port);

/* A flow for fd, which it owns in any case. NULL with errno. */
struct vsock_flow *vsock_join(
    struct vsock *, int fd, uint32_t guest_port, uint32_t host_port);

/* Ends it without a word. */
void vsock_drop(struct vsock *, struct vsock_flow *);

/* Moves its state. */
void vsock_step(struct vsock *, struct vsock_flow *, enum vsock_event);

/* After anything that happened to a flow: draws all consequences. The flow may
 * be gone afterwards. */
void vsock_settle(struct vsock *, struct vsock_flow *);

/* Whether the host's bytes may be read for the guest now. */
bool vsock_can_feed(const struct vsock_flow *);

/* ---- the others ---- */

/* vsock_send.c: sends what waits, as far as the guest has buffers. */
void vsock_send(struct vsock *);

/* vsock_take.c: takes the guest's packets. */
void vsock_take(struct vsock *);

/* vsock.c: vsock_send, then signals, and ends the device on v->breach. Last
 * thing of every event. */
void vsock_run(struct vsock *);

#endif
