/* SPDX-License-Identifier: MIT */
/* device.c - a virtio device that does not know its transport */
#include "cmd/vk-boot/virtio/device.h"

#include "common/log.h"
#include "common/scope.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static void
kicked(struct loop_source *source, uint32_t events)
{
	struct virtio_device *dev = source->owner;
	unsigned queue = (unsigned)(source - dev->kicks);

	(void)events;
	eventfd_take(source->fd);
	dev->queues[queue].kicks++;
	if (!dev->running || dev->failed || !dev->queues[queue].ready)
		return;
	dev->ops->notify(dev, queue);
	if (dev->queues[queue].broken)
		virtio_device_fail(dev, dev->queues[queue].why);
}

int
virtio_device_init(struct virtio_device *dev,
    const struct virtio_device_ops *ops, struct loop *loop,
    const struct gmem *mem, unsigned count, struct err *e)
{
	dev->ops = ops;
	dev->loop = loop;
	dev->mem = mem;
	dev->offered |=
	    FEATURE_VERSION_1 | FEATURE_RING_EVENT | FEATURE_RING_INDIRECT;
	dev->queue_count = count;
	if (ops->calls)
		filter_add(loop_filter(loop), ops->calls);
	pthread_mutex_init(&dev->config_lock, NULL);
	for (unsigned i = 0; i < count; i++)
		dev->queues[i].kick_fd = dev->queues[i].call_fd = -1;
	for (unsigned i = 0; i < count; i++) {
		struct virtq *vq = &dev->queues[i];

		vq->mem = mem;
		vq->size = vq->size_max = VIRTQ_SIZE_MAX;
		vq->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		vq->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (vq->kick_fd < 0 || vq->call_fd < 0)
			return err_errno(e, EX_OSERR, "%s", ops->name);
		dev->kicks[i] = (struct loop_source){
		    .fd = vq->kick_fd,
		    .ready = kicked,
		    .owner = dev,
		};
		if (loop_add(loop, &dev->kicks[i], EPOLLIN, e) < 0)
			return -1;
	}
	return 0;
}

void
virtio_device_release(struct virtio_device *dev)
{
	for (unsigned i = 0; i < dev->queue_count; i++) {
		loop_remove(dev->loop, &dev->kicks[i]);
		fd_close(&dev->queues[i].kick_fd);
		fd_close(&dev->queues[i].call_fd);
	}
	pthread_mutex_destroy(&dev->config_lock);
}

void
virtio_device_free(struct virtio_device *dev)
{
	if (dev)
		dev->ops->free(dev);
}

/* Which of [offset, offset + len) lie in [start, start + size). */
static unsigned
overlap(unsigned offset, unsigned len, unsigned start, unsigned size,
    unsigned *first)
{
	uint64_t from = offset > start ? offset : start;
	uint64_t to = (uint64_t)offset + len;

	if (to > (uint64_t)start + size)
		to = (uint64_t)start + size;
	*first = (unsigned)from;
	return from < to ? (unsigned)(to - from) : 0;
}

void
virtio_config_read(
    struct virtio_device *dev, unsigned offset, void *into, unsigned len)
{
	unsigned first;
	unsigned count = overlap(offset, len, 0, dev->config_size, &first);

	memset(into, 0, len);
	if (count == 0)
		return;
	pthread_mutex_lock(&dev->config_lock);
	memcpy(into, dev->config + first, count);
	pthread_mutex_unlock(&dev->config_lock);
}

struct config_write {
	struct virtio_device *dev;
	unsigned offset, len;
};

static void
config_written(void *with)
{
	struct config_write *w = with;

	w->dev->ops->config_written(w->dev, w->offset, w->len);
}

void
virtio_config_write(
    struct virtio_device *dev, unsigned offset, const void *from, unsigned len)
{
	struct config_write write = {.dev = dev};

	if (!dev->ops->config_written)
		return;
	write.len = overlap(offset, len, dev->config_writable,
	    dev->config_writable_len, &write.offset);
	if (write.len == 0)
		return;
	pthread_mutex_lock(&dev->config_lock);
	memcpy(dev->config + write.offset,
	    (const char *)from + (write.offset - offset), write.len);
	pthread_mutex_unlock(&dev->config_lock);
	loop_call(dev->loop, config_written, &write);
}

void
virtio_config_put(
    struct virtio_device *dev, unsigned offset, const void *from, unsigned len)
{
	pthread_mutex_lock(&dev->config_lock);
	memcpy(dev->config + offset, from, len);
	pthread_mutex_unlock(&dev->config_lock);
}

void
virtio_config_set(
    struct virtio_device *dev, unsigned offset, const void *from, unsigned len)
{
	virtio_config_put(dev, offset, from, len);
	if (dev->running && dev->transport_ops)
		dev->transport_ops->config_interrupt(dev->transport, false);
}

void
virtio_device_fail(struct virtio_device *dev, const char *why)
{
	if (dev->failed)
		return;
	dev->failed = true;
	if (!dev->warned)
		log_warn("guest: %s: %s", dev->ops->name, why);
	dev->warned = true;
	if (dev->transport_ops)
		dev->transport_ops->config_interrupt(dev->transport, true);
}

struct start_call {
	struct virtio_device *dev;
	uint64_t accepted;
	int result;
};

static void
start(void *with)
{
	struct start_call *call = with;
	struct virtio_device *dev = call->dev;

	dev->features = call->accepted & dev->offered;
	for (unsigned i = 0; i < dev->queue_count; i++) {
		struct virtq *vq = &dev->queues[i];

		vq->event_idx = dev->features & FEATURE_RING_EVENT;
		vq->indirect = dev->features & FEATURE_RING_INDIRECT;
		if (vq->ready && virtq_start(vq) < 0) {
			virtio_device_fail(dev, vq->why);
			call->result = -1;
			return;
		}
	}
	dev->running = true;
	dev->ops->start(dev);
	/* A driver may have put requests there before DRIVER_OK. */
	for (unsigned i = 0; i < dev->queue_count; i++)
		eventfd_give(dev->queues[i].kick_fd);
}

int
virtio_device_start(struct virtio_device *dev, uint64_t accepted)
{
	struct start_call call = {.dev = dev, .accepted = accepted};

	loop_call(dev->loop, start, &call);
	return call.result;
}

static void
stop(void *with)
{
	struct virtio_device *dev = with;

	if (dev->running && dev->ops->stop)
		dev->ops->stop(dev);
	dev->running = dev->failed = false;
	dev->features = 0;
	for (unsigned i = 0; i < dev->queue_count; i++) {
		eventfd_take(dev->queues[i].kick_fd);
		virtq_reset(&dev->queues[i]);
	}
}

void
virtio_device_stop(struct virtio_device *dev)
{
	loop_call(dev->loop, stop, dev);
}

int
virtio_device_start_queue(
    struct virtio_device *dev, unsigned queue, uint16_t base, uint64_t accepted)
{
	struct virtq *vq = &dev->queues[queue];

	if (!dev->running)
		dev->features = accepted & dev->offered;
	vq->event_idx = dev->features & FEATURE_RING_EVENT;
	vq->indirect = dev->features & FEATURE_RING_INDIRECT;
	if (virtq_start(vq) < 0) {
		virtio_device_fail(dev, vq->why);
		return -1;
	}
	virtq_resume(vq, base);
	vq->ready = true;
	if (!dev->running) {
		dev->running = true;
		dev->ops->start(dev);
	}
	eventfd_give(vq->kick_fd);
	return 0;
}

void
virtio_device_stop_queue(struct virtio_device *dev, unsigned queue)
{
	bool any = false;

	if (!dev->queues[queue].ready)
		return;
	for (unsigned i = 0; i < dev->queue_count; i++)
		any |= i != queue && dev->queues[i].ready;
	if (!any) {
		stop(dev);
		return;
	}
	if (dev->ops->drain)
		dev->ops->drain(dev);
	virtq_reset(&dev->queues[queue]);
}

void
virtio_device_suspend(struct virtio_device *dev)
{
	if (dev->running && dev->ops->drain)
		dev->ops->drain(dev);
	for (unsigned i = 0; i < dev->queue_count; i++)
		virtq_suspend(&dev->queues[i]);
}

int
virtio_device_set_kick(struct virtio_device *dev, unsigned queue, int fd)
{
	struct loop_source *source = &dev->kicks[queue];
	struct err e = ERR_INIT;

	loop_remove(dev->loop, source);
	fd_close(&dev->queues[queue].kick_fd);
	dev->queues[queue].kick_fd = source->fd = fd;
	return loop_add(dev->loop, source, EPOLLIN, &e);
}

void
virtio_device_set_call(struct virtio_device *dev, unsigned queue, int fd)
{
	fd_close(&dev->queues[queue].call_fd);
	dev->queues[queue].call_fd = fd;
}
