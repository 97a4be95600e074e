/* SPDX-License-Identifier: MIT */
/*
 * vhost_user.c - the back end of the vhost-user protocol
 *
 * All of it runs in the device's loop. A ring starts when it is enabled and
 * has its addresses and kick (there is no DRIVER_OK here); the device starts
 * with its first ring. Ring addresses are the front end's virtual ones, and are
 * turned into guest-physical ones by the memory table.
 */
#include "cmd/vk-boot/virtio/vhost_user.h"

#include "cmd/vk-boot/virtio/vhost_memory.h"
#include "cmd/vk-boot/virtio/vhost_message.h"

#include "common/cursor.h"
#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h> /* PROT_EXEC */
#include <sys/socket.h>

/* Who comes again and again to break the rules shall not fill a log. */
#define BREACHES_TOLD 10

/* In a ring's number: there is no descriptor. */
#define VRING_NO_FD (1u << 8)
#define VRING_INDEX 0xff

enum request_type {
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	RESET_OWNER = 4,
	SET_MEM_TABLE = 5,
	SET_LOG_BASE = 6,
	SET_LOG_FD = 7,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	GET_VRING_BASE = 11,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	SET_VRING_ERR = 14,
	GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16,
	GET_QUEUE_NUM = 17,
	SET_VRING_ENABLE = 18,
	SET_BACKEND_REQ_FD = 21,
	GET_CONFIG = 24,
	SET_CONFIG = 25,
	RESET_DEVICE = 34,
};

/* To the front end, on its descriptor. */
#define BACKEND_CONFIG_CHANGE 2

/* The bit among a device's features that says "there are more of these". */
#define FEATURE_PROTOCOL (1ull << 30)

#define PROTOCOL_MQ          (1ull << 0)
#define PROTOCOL_REPLY_ACK   (1ull << 3)
#define PROTOCOL_BACKEND_REQ (1ull << 5)
#define PROTOCOL_CONFIG      (1ull << 9)
#define PROTOCOL_RESET       (1ull << 13)
#define PROTOCOL_OFFERED                                                       \
	(PROTOCOL_MQ | PROTOCOL_REPLY_ACK | PROTOCOL_BACKEND_REQ |             \
	    PROTOCOL_CONFIG | PROTOCOL_RESET)

struct vhost_user {
	struct vhost_user_config config;
	struct virtio_device *dev;
	struct loop_source listener, front;
	int backend_fd; /* -1: changes are not told */
	uint64_t features, protocol;
	struct vhost_memory memory;
	bool enabled[VIRTIO_QUEUES_MAX];
	uint64_t rings[VIRTIO_QUEUES_MAX][3]; /* as given: desc, used, avail */
	uint16_t base[VIRTIO_QUEUES_MAX];
	uint16_t size[VIRTIO_QUEUES_MAX]; /* 0: as large as can be */
	struct vhost_message message;
	unsigned breaches; /* of all front ends that there were */
	bool gone;         /* the front end takes no answer any more */
};

/* ---- answers ---- */

/* Nobody who hears it is not a breach: a guest that ends does not wait. */
static int
reply(struct vhost_user *vu, const void *payload, uint32_t len)
{
	if (vhost_message_send(vu->front.fd, vu->message.request, VHOST_REPLY,
		payload, len) < 0)
		vu->gone = true;
	/* An answer is acknowledgement enough. */
	vu->message.flags &= ~(uint32_t)VHOST_NEED_REPLY;
	return 0;
}

static int
reply_u64(struct vhost_user *vu, uint64_t value)
{
	return reply(vu, &value, sizeof(value));
}

/* ---- rings ---- */

/* The ring that a payload's first number names; NULL if there is none. */
static struct virtq *
ring(struct vhost_user *vu, uint32_t index)
{
	return index < vu->dev->queue_count ? &vu->dev->queues[index] : NULL;
}

/* Where the ring is, for the device. 0, -1: not in the memory. */
static int
place_ring(struct vhost_user *vu, uint32_t index)
{
	struct virtq *vq = &vu->dev->queues[index];
	const uint64_t *at = vu->rings[index];

	return vhost_memory_gpa(&vu->memory, at[0], &vq->desc) < 0 ||
		       vhost_memory_gpa(&vu->memory, at[1], &vq->device) < 0 ||
		       vhost_memory_gpa(&vu->memory, at[2], &vq->driver) < 0
		   ? -1
		   : 0;
}

/* Starts a ring that has all it needs; the device with its first one. */
static int
start_ring(struct vhost_user *vu, uint32_t index)
{
	struct virtq *vq = &vu->dev->queues[index];

	if (vq->ready || !vu->enabled[index] || !vu->rings[index][0] ||
	    vq->kick_fd < 0)
		return 0;
	if (place_ring(vu, index) < 0)
		return -1;
	if (vu->size[index])
		vq->size = vu->size[index];
	return virtio_device_start_queue(
	    vu->dev, index, vu->base[index], vu->features);
}

/* The device goes on where it was, with all that it knows: memory was plugged,
 * and its driver did not hear of it. */
static int
set_memory(struct vhost_user *vu)
{
	virtio_device_suspend(vu->dev);
	if (vhost_memory_set(&vu->memory, &vu->message) < 0)
		return -1;
	for (unsigned i = 0; i < vu->dev->queue_count; i++) {
		struct virtq *vq = &vu->dev->queues[i];

		if (!vq->ready && start_ring(vu, i) < 0)
			return -1;
		if (!vq->ready || vq->desc_hva)
			continue;
		if (place_ring(vu, i) < 0 || virtq_move(vq) < 0)
			return -1;
		eventfd_give(vq->kick_fd);
	}
	return 0;
}

static int
set_ring_size(struct vhost_user *vu)
{
	struct cursor c = cursor_of(vu->message.payload, vu->message.size);
	uint32_t index = get_le32(&c), size = get_le32(&c);
	struct virtq *vq = ring(vu, index);

	if (c.bad || !vq || vq->ready || size == 0 || size > vq->size_max)
		return -1;
	vu->size[index] = (uint16_t)size;
	return 0;
}

static int
set_ring_addresses(struct vhost_user *vu)
{
	struct cursor c = cursor_of(vu->message.payload, vu->message.size);
	uint32_t index = get_le32(&c);

	get_le32(&c); /* flags: logging, which is not offered */
	if (!ring(vu, index) || ring(vu, index)->ready)
		return -1;
	for (unsigned i = 0; i < 3; i++)
		vu->rings[index][i] = get_le64(&c);
	return c.bad ? -1 : start_ring(vu, index);
}

static int
set_ring_base(struct vhost_user *vu)
{
	struct cursor c = cursor_of(vu->message.payload, vu->message.size);
	uint32_t index = get_le32(&c);
	uint32_t base = get_le32(&c);

	if (c.bad || !ring(vu, index) || ring(vu, index)->ready)
		return -1;
	vu->base[index] = (uint16_t)base;
	return 0;
}

/* Also stops the ring (the protocol has no other message for it). Its addresses
 * are gone with it: QEMU enables it anew before it tells the next ones. */
static int
get_ring_base(struct vhost_user *vu)
{
	struct cursor c = cursor_of(vu->message.payload, vu->message.size);
	uint32_t index = get_le32(&c), answer[2];
	struct virtq *vq = ring(vu, index);

	if (c.bad || !vq)
		return -1;
	answer[0] = index;
	answer[1] = vq->ready ? vq->next_avail : vu->base[index];
	vu->enabled[index] = false;
	memset(vu->rings[index], 0, sizeof(vu->rings[index]));
	virtio_device_stop_queue(vu->dev, index);
	return reply(vu, answer, sizeof(answer));
}

static int
enable_ring(struct vhost_user *vu)
{
	struct cursor c = cursor_of(vu->message.payload, vu->message.size);
	uint32_t index = get_le32(&c);
	uint32_t on = get_le32(&c);
	struct virtq *vq = ring(vu, index);

	if (c.bad || !vq || on > 1)
		return -1;
	vu->enabled[index] = on;
	if (on)
		return start_ring(vu, index);
	if (vq->ready)
		vu->base[index] = vq->next_avail;
	virtio_device_stop_queue(vu->dev, index);
	return 0;
}

/* Kick and call; -1 stands for "none". */
static int
set_ring_fd(struct vhost_user *vu)
{
	struct vhost_message *m = &vu->message;
	uint64_t value = vhost_message_u64(m);
	uint32_t index = value & VRING_INDEX;
	int fd = -1;

	if (m->size != 8 || !ring(vu, index))
		return -1;
	if (!(value & VRING_NO_FD)) {
		fd = vhost_message_take_fd(m);
		if (fd < 0 || io_nonblock(fd, 1) < 0) {
			fd_close(&fd);
			return -1;
		}
	}
	if (m->request == SET_VRING_ERR) {
		fd_close(&fd); /* we have nothing to say there */
		return 0;
	}
	if (m->request == SET_VRING_CALL) {
		virtio_device_set_call(vu->dev, index, fd);
		return 0;
	}
	if (fd < 0 || virtio_device_set_kick(vu->dev, index, fd) < 0)
		return -1; /* polling is not done here */
	/* Without protocol features there is no SET_VRING_ENABLE. */
	if (!(vu->features & FEATURE_PROTOCOL))
		vu->enabled[index] = true;
	return start_ring(vu, index);
}

/* ---- configuration ---- */

/* The payload: offset, size, flags, then size bytes. */
#define CONFIG_HEAD 12

static int
get_config(struct vhost_user *vu)
{
	struct vhost_message *m = &vu->message;
	struct cursor c = cursor_of(m->payload, m->size);
	uint32_t offset = get_le32(&c), size = get_le32(&c);

	if (c.bad || size > VIRTIO_CONFIG_MAX || m->size < CONFIG_HEAD + size)
		return -1;
	virtio_config_read(vu->dev, offset, m->payload + CONFIG_HEAD, size);
	return reply(vu, m->payload, CONFIG_HEAD + size);
}

static int
set_config(struct vhost_user *vu)
{
	struct vhost_message *m = &vu->message;
	struct cursor c = cursor_of(m->payload, m->size);
	uint32_t offset = get_le32(&c), size = get_le32(&c);
	const uint8_t *data;

	get_le32(&c);
	data = get_bytes(&c, size);
	if (!data || size > VIRTIO_CONFIG_MAX)
		return -1;
	virtio_config_write(vu->dev, offset, data, size);
	return 0;
}

/* From any thread: the driver shall look at its configuration again. */
static void
config_interrupt(void *transport, bool needs_reset)
{
	struct vhost_user *vu = transport;
	int fd = __atomic_load_n(&vu->backend_fd, __ATOMIC_ACQUIRE);

	(void)needs_reset; /* the protocol has no word for it */
	if (fd >= 0 &&
	    vhost_message_send(fd, BACKEND_CONFIG_CHANGE, 0, NULL, 0) < 0)
		log_info("vhost-user: %s: configuration change: %s",
		    vu->dev->ops->name, strerror(errno));
}

static const struct virtio_transport_ops transport_ops = {
    .config_interrupt = config_interrupt,
};

static int
set_backend_fd(struct vhost_user *vu)
{
	int before = vu->backend_fd;
	int fd = vhost_message_take_fd(&vu->message);

	if (fd < 0)
		return -1;
	io_nonblock(fd, 1); /* who does not read there is not waited for */
	__atomic_store_n(&vu->backend_fd, fd, __ATOMIC_RELEASE);
	fd_close(&before);
	return 0;
}

/* ---- a connection ---- */

/* The device forgets its driver. */
static void
reset(struct vhost_user *vu)
{
	virtio_device_stop(vu->dev);
	for (unsigned i = 0; i < vu->dev->queue_count; i++) {
		vu->enabled[i] = false;
		vu->base[i] = vu->size[i] = 0;
		memset(vu->rings[i], 0, sizeof(vu->rings[i]));
	}
}

static int
set_features(struct vhost_user *vu, uint64_t features)
{
	if (features & ~(vu->dev->offered | FEATURE_PROTOCOL))
		return -1;
	vu->features = features;
	return 0;
}

/* A device without a configuration space has none to ask for. */
static uint64_t
protocol_offered(const struct vhost_user *vu)
{
	return vu->dev->config_size > 0 ? PROTOCOL_OFFERED
					: PROTOCOL_OFFERED & ~PROTOCOL_CONFIG;
}

static int
set_protocol(struct vhost_user *vu, uint64_t features)
{
	if (features & ~protocol_offered(vu))
		return -1;
	vu->protocol = features;
	return 0;
}

static int
handle(struct vhost_user *vu)
{
	switch (vu->message.request) {
	case GET_FEATURES:
		return reply_u64(vu, vu->dev->offered | FEATURE_PROTOCOL);
	case SET_FEATURES:
		return set_features(vu, vhost_message_u64(&vu->message));
	case GET_PROTOCOL_FEATURES:
		return reply_u64(vu, protocol_offered(vu));
	case SET_PROTOCOL_FEATURES:
		return set_protocol(vu, vhost_message_u64(&vu->message));
	case GET_QUEUE_NUM:
		return reply_u64(vu, vu->dev->queue_count);
	case SET_OWNER:
		return 0;
	case RESET_OWNER:
	case RESET_DEVICE:
		reset(vu);
		return 0;
	case SET_MEM_TABLE:
		return set_memory(vu);
	case SET_VRING_NUM:
		return set_ring_size(vu);
	case SET_VRING_ADDR:
		return set_ring_addresses(vu);
	case SET_VRING_BASE:
		return set_ring_base(vu);
	case GET_VRING_BASE:
		return get_ring_base(vu);
	case SET_VRING_KICK:
	case SET_VRING_CALL:
	case SET_VRING_ERR:
		return set_ring_fd(vu);
	case SET_VRING_ENABLE:
		return enable_ring(vu);
	case SET_BACKEND_REQ_FD:
		return set_backend_fd(vu);
	case GET_CONFIG:
		return get_config(vu);
	case SET_CONFIG:
		return set_config(vu);
	default: /* SET_LOG_BASE and what was not offered */
		return -1;
	}
}

/* For the next front end. */
static void
listen_on(struct vhost_user *vu)
{
	struct err e = ERR_INIT;

	if (loop_add(vu->dev->loop, &vu->listener, EPOLLIN, &e) < 0)
		log_warn("vhost-user: %s", e.text);
}

void
vhost_user_disconnect(struct vhost_user *vu)
{
	if (vu->front.fd < 0)
		return;
	if (vu->config.leaving)
		vu->config.leaving(vu->config.owner);
	reset(vu);
	for (unsigned i = 0; i < vu->dev->queue_count; i++)
		virtio_device_set_call(vu->dev, i, -1);
	vhost_memory_forget(&vu->memory);
	loop_remove(vu->dev->loop, &vu->front);
	fd_close(&vu->front.fd);
	fd_close(&vu->backend_fd);
	vu->features = vu->protocol = 0;
	vu->gone = false;
	if (!vu->listener.added)
		listen_on(vu);
}

static void
front_says(struct loop_source *source, uint32_t events)
{
	struct vhost_user *vu = source->owner;
	struct vhost_message *m = &vu->message;
	int result;

	(void)events;
	if (vhost_message_receive(source->fd, m) < 0) {
		vhost_user_disconnect(vu);
		return;
	}
	result = handle(vu);
	if (result == 0 && m->flags & VHOST_NEED_REPLY &&
	    vu->protocol & PROTOCOL_REPLY_ACK)
		result = reply_u64(vu, 0);
	vhost_message_close(m);
	if (result < 0 && vu->breaches++ < BREACHES_TOLD)
		log_warn("vhost-user: %s: request %u is wrong, disconnected",
		    vu->dev->ops->name, m->request);
	if (result < 0 || vu->gone)
		vhost_user_disconnect(vu);
}

static void
front_arrives(struct loop_source *source, uint32_t events)
{
	struct vhost_user *vu = source->owner;
	int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC);
	struct err e = ERR_INIT;

	(void)events;
	/* Who waits for a free descriptor would wake us for ever: once this
	 * front end has gone there is one. */
	if (fd < 0 && errno != EAGAIN && vu->front.fd >= 0)
		loop_remove(vu->dev->loop, source);
	if (fd < 0)
		return;
	if (vu->front.fd >= 0) {
		close(fd); /* one is all there is */
		return;
	}
	vhost_message_patience(fd);
	vu->front.fd = fd;
	if (loop_add(vu->dev->loop, &vu->front, EPOLLIN, &e) < 0)
		fd_close(&vu->front.fd);
}

/* In the device's loop. */
static const struct filter_call calls[] = {
    CALL(accept4),
    CALL(setsockopt),
    CALL(recvmsg),
    CALL(sendto),
    CALL(newfstatat), /* memory: the file behind it */
    CALL_RARE(fstat, "what newer C libraries make of fstat(3)"),
    CALL_WITHOUT(mmap, 2, PROT_EXEC),
    CALL(munmap),
    CALL(close),
    CALL(fcntl), /* O_NONBLOCK */
    CALLS_END,
};

struct vhost_user *
vhost_user_new(const struct vhost_user_config *config, struct err *e)
{
	struct vhost_user *vu = calloc(1, sizeof(*vu));
	int result;

	if (!vu) {
		err_errno(e, EX_OSERR, "vhost-user");
		return NULL;
	}
	vu->config = *config;
	vu->dev = config->device;
	vu->memory.mem = config->mem;
	vu->backend_fd = -1;
	vu->listener = (struct loop_source){
	    .fd = config->listener,
	    .ready = front_arrives,
	    .owner = vu,
	};
	vu->front = (struct loop_source){
	    .fd = -1,
	    .ready = front_says,
	    .owner = vu,
	};
	filter_add(loop_filter(vu->dev->loop), calls);
	vu->dev->transport = vu;
	vu->dev->transport_ops = &transport_ops;
	/* Nobody may be there any more when it is looked at. */
	result = io_nonblock(config->listener, 1);
	if (result < 0)
		err_errno(e, EX_OSERR, "vhost-user");
	else
		result = loop_add(vu->dev->loop, &vu->listener, EPOLLIN, e);
	if (result < 0) {
		vhost_user_free(vu);
		return NULL;
	}
	return vu;
}

void
vhost_user_free(struct vhost_user *vu)
{
	if (!vu)
		return;
	vhost_user_disconnect(vu);
	loop_remove(vu->dev->loop, &vu->listener);
	fd_close(&vu->listener.fd);
	vu->dev->transport_ops = NULL;
	free(vu);
}
