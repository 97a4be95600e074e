/* SPDX-License-Identifier: MIT */
/* vsock_driver.h - the guest's side of the vsock device, on driver.h */
#ifndef VK_TESTS_VSOCK_DRIVER_H
#define VK_TESTS_VSOCK_DRIVER_H

#include "cmd/vk-boot/virtio/vsock.h"
#include "cmd/vk-boot/virtio/vsock_flow.h"
#include "tests/cmd/vk-boot/driver.h"

enum { RX, TX };

/* What a Linux guest posts: 128 buffers of 4 KiB. */
#define RX_BUFFERS 128
#define RX_SIZE    4096u

struct guest {
	struct driver d;
	uint64_t rx_gpa[VIRTQ_SIZE_MAX]; /* by head */
	uint32_t rx_size[VIRTQ_SIZE_MAX];
	uint64_t tx_gpa; /* room for one packet */
	bool hold;       /* received buffers are not posted again */
};

#define TX_ROOM (512u << 10)

/* Posts one receive buffer, in two parts if split is set. */
__attribute__((unused)) static bool
guest_post(struct guest *g, uint64_t gpa, uint32_t size, uint32_t split)
{
	struct driver_part parts[2] = {
	    {gpa, split ? split : size, true},
	    {gpa + split, size - split, true},
	};
	int head = driver_add(&g->d, RX, parts, split ? 2 : 1);

	if (head < 0)
		return false;
	g->rx_gpa[head] = gpa;
	g->rx_size[head] = size;
	return true;
}

__attribute__((unused)) static void
guest_post_all(struct guest *g)
{
	for (unsigned i = 0; i < RX_BUFFERS; i++)
		guest_post(
		    g, driver_alloc(&g->d, RX_SIZE), RX_SIZE, i % 2 ? 44 : 0);
	driver_kick(&g->d, RX);
}

/* Starts (or starts over) the driver. */
__attribute__((unused)) static void
guest_start(struct guest *g, bool post)
{
	assert(driver_start(&g->d, ~0ull) == 0);
	g->d.next_buffer = DRIVER_BUFFERS;
	g->tx_gpa = driver_alloc(&g->d, TX_ROOM);
	if (post)
		guest_post_all(g);
}

__attribute__((unused)) static void
guest_init(struct guest *g, const struct vsock_config *config, bool post)
{
	struct err e = ERR_INIT;

	memset(g, 0, sizeof(*g));
	driver_init(&g->d);
	driver_use(&g->d, vsock_new(g->d.loop, &g->d.mem, config, &e));
	guest_start(g, post);
}

/* Sends a packet as it is. */
__attribute__((unused)) static void
guest_send_raw(
    struct guest *g, const struct vsock_header *header, const void *payload)
{
	uint32_t len = header->len < TX_ROOM - 44 ? header->len : 0;
	struct driver_part parts[3] = {
	    {g->tx_gpa, 44, false},
	    {g->tx_gpa + 44, payload ? len / 2 : 0, false},
	    {g->tx_gpa + 44 + len / 2, payload ? len - len / 2 : 0, false},
	};

	memcpy(driver_at(&g->d, g->tx_gpa, 44), header, 44);
	if (payload)
		memcpy(driver_at(&g->d, g->tx_gpa + 44, len), payload, len);
	assert(driver_add(&g->d, TX, parts, payload && len ? 3 : 1) >= 0);
	driver_kick(&g->d, TX);
	while (driver_used(&g->d, TX, NULL) >= 0)
		;
}

/* One end of a connection, as the guest's kernel would see it. */
struct end {
	uint32_t port, peer;
	uint32_t alloc, forwarded;
	uint32_t peer_alloc, peer_forwarded; /* last seen */
};

__attribute__((unused)) static struct vsock_header
end_header(const struct end *end, uint16_t op)
{
	return (struct vsock_header){
	    .src_cid = VSOCK_CID_GUEST,
	    .dst_cid = VSOCK_CID_HOST,
	    .src_port = end->port,
	    .dst_port = end->peer,
	    .type = VSOCK_TYPE_STREAM,
	    .op = op,
	    .buf_alloc = end->alloc,
	    .fwd_cnt = end->forwarded,
	};
}

__attribute__((unused)) static void
guest_send(struct guest *g, const struct end *end, uint16_t op, uint32_t flags)
{
	struct vsock_header header = end_header(end, op);

	header.flags = flags;
	guest_send_raw(g, &header, NULL);
}

__attribute__((unused)) static void
guest_data(
    struct guest *g, const struct end *end, const void *data, uint32_t len)
{
	struct vsock_header header = end_header(end, VSOCK_OP_RW);

	header.len = len;
	guest_send_raw(g, &header, data);
}

/* The next packet for the guest; payload has room for RX_SIZE or what was
 * posted. False: none. Its buffer is posted again unless held. */
__attribute__((unused)) static bool
guest_receive(struct guest *g, struct vsock_header *header, void *payload)
{
	uint32_t len;
	int head = driver_used(&g->d, RX, &len);
	const uint8_t *at;

	if (head < 0)
		return false;
	assert(len >= 44 && len <= g->rx_size[head]);
	at = driver_at(&g->d, g->rx_gpa[head], len);
	memcpy(header, at, 44);
	assert(header->len == len - 44);
	if (payload)
		memcpy(payload, at + 44, header->len);
	if (!g->hold) {
		guest_post(
		    g, g->rx_gpa[head], g->rx_size[head], head % 3 ? 0 : 44);
		driver_kick(&g->d, RX);
	}
	return true;
}

/* The next packet's op, 0 where there is none. */
__attribute__((unused)) static uint16_t
guest_op(struct guest *g, struct vsock_header *header)
{
	struct vsock_header own;
	struct vsock_header *into = header ? header : &own;

	memset(into, 0, sizeof(*into));
	return guest_receive(g, into, NULL) ? into->op : 0;
}

#endif
