/* SPDX-License-Identifier: MIT */
/*
 * console.c - virtio console device
 *
 * Output: a bucket holds what the guest may still say for free. It fills with
 * time; when it is empty, kicks are switched off and a timer of TICK_MS looks
 * after the queue instead, until half a second's worth is there again.
 *
 * Input: the descriptor is waited for only while the guest has buffers, so that
 * bytes stay where they are until there is room. It is read when it is ready,
 * once, so it may be blocking and shared. A file cannot be waited for and need
 * not be: it is read whenever there are buffers.
 *
 * Left out: MULTIPORT (further ports; vsock serves what they would be for) and
 * EMERG_WRITE (the serial port is there before any driver).
 */
#include "cmd/vk-boot/virtio/console.h"

#include "common/scope.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

enum { RX, TX, QUEUES };

#define CONSOLE_F_SIZE (1ull << 0)

/* Where in configuration space (5.3.4). */
#define CONFIG_SIZE 12

#define TICK_MS 1

/* How much of one chain is shown. Linux's longest is a page; of a longer one
 * the rest is dropped, so that one request costs no more than this. */
#define CHAIN_MAX 65536

struct console {
	struct virtio_device dev;
	struct console_config config;
	struct loop_source input;
	bool input_plain; /* a file: always ready */
	struct loop_source timer;
	bool paced;         /* the bucket was empty: the timer does it */
	int64_t bucket;     /* bytes; below zero: taken in advance */
	uint64_t filled_ns; /* when, on the monotonic clock */
	struct virtio_request request;
};

static uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void
fill_bucket(struct console *c)
{
	uint64_t now = now_ns(), passed = now - c->filled_ns;

	/* Beyond this it is full in any case, and the product cannot wrap. */
	if (passed > 4000000000u)
		passed = 4000000000u;
	c->bucket += (int64_t)(passed * (uint64_t)CONSOLE_RATE / 1000000000u);
	if (c->bucket > CONSOLE_BURST)
		c->bucket = CONSOLE_BURST;
	c->filled_ns = now;
}

/* ---- from the guest ---- */

static void
show(struct console *c, struct virtio_request *request)
{
	uint8_t bytes[4096];
	uint64_t left = request_readable_left(request);

	if (left > CHAIN_MAX)
		left = CHAIN_MAX;
	c->bucket -= left > CONSOLE_LEAST ? (int64_t)left : CONSOLE_LEAST;
	while (left > 0) {
		size_t n = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);

		/* Copied first: the guest goes on writing there. */
		request_read(request, bytes, n);
		c->config.output(c->config.owner, bytes, n);
		left -= n;
	}
}

static void
set_pace(struct console *c, bool paced)
{
	struct itimerspec every = {
	    .it_value.tv_nsec = paced ? TICK_MS * 1000000 : 0,
	    .it_interval.tv_nsec = paced ? TICK_MS * 1000000 : 0,
	};

	c->paced = paced;
	timerfd_settime(c->timer.fd, 0, &every, NULL);
}

static void
take_output(struct console *c)
{
	struct virtq *vq = &c->dev.queues[TX];
	int got = 0;

	fill_bucket(c);
	c->bucket -= CONSOLE_WAKE;
	do {
		virtq_want_kicks(vq, false);
		while (
		    c->bucket > 0 && (got = virtq_pop(vq, &c->request)) > 0) {
			show(c, &c->request);
			virtq_push(vq, &c->request, 0);
		}
		if (c->bucket <= 0 && !c->paced)
			set_pace(c, true);
	} while (!c->paced && virtq_want_kicks(vq, true));
	virtq_signal(vq);
	if (got < 0)
		virtio_device_fail(&c->dev, vq->why);
}

static void
tick(struct loop_source *source, uint32_t events)
{
	struct console *c = source->owner;

	(void)events;
	eventfd_take(source->fd);
	if (!c->dev.running || c->dev.failed) {
		set_pace(c, false);
		return;
	}
	fill_bucket(c);
	if (c->bucket > CONSOLE_RATE / 2)
		set_pace(c, false);
	take_output(c);
}

/* ---- to the guest ---- */

static void
unwatch(struct console *c)
{
	loop_remove(c->dev.loop, &c->input);
}

/* Waits for input; a file is simply there. 0, -1 with errno. */
static int
watch(struct console *c)
{
	struct err e = ERR_INIT;

	if (c->input.fd < 0 || c->input.added || c->input_plain)
		return 0;
	if (loop_add(c->dev.loop, &c->input, EPOLLIN, &e) == 0)
		return 0;
	c->input_plain = errno == EPERM;
	return c->input_plain ? 0 : -1;
}

/* Reads once into one buffer. 1, 0 there is no buffer or no more input. */
static int
feed(struct console *c)
{
	struct virtq *vq = &c->dev.queues[RX];
	struct iovec parts[VIRTQ_SIZE_MAX];
	int count, got = virtq_pop(vq, &c->request);
	uint64_t room;
	ssize_t n;

	if (got < 0)
		virtio_device_fail(&c->dev, vq->why);
	if (got <= 0)
		return 0;
	room = c->request.writable_len;
	if (room > CHAIN_MAX)
		room = CHAIN_MAX;
	count = request_take_writable(&c->request, room, parts, VIRTQ_SIZE_MAX);
	if (room == 0) {
		virtq_push(vq, &c->request, 0);
		return 1;
	}
	n = readv(c->input.fd, parts, count);
	if (n > 0) {
		virtq_push(vq, &c->request, (uint32_t)n);
		return 1;
	}
	virtq_unpop(vq);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/* The end: a console has no way to say so. */
	unwatch(c);
	c->input.fd = -1;
	return 0;
}

/* Input is there, or a buffer: moves what can be moved. */
static void
take_input(struct console *c)
{
	struct virtq *vq = &c->dev.queues[RX];
	int turns = VIRTQ_SIZE_MAX;

	/* Once a wake-up for what is waited for (it may block), a queue's worth
	 * at a time for a file. */
	if (!c->input_plain)
		turns = 1;
	while (c->input.fd >= 0 && turns > 0 && feed(c))
		turns--;
	virtq_signal(vq);
	if (turns == 0 && c->input_plain)
		eventfd_give(vq->kick_fd);
}

static void
input_ready(struct loop_source *source, uint32_t events)
{
	struct console *c = source->owner;
	struct virtq *vq = &c->dev.queues[RX];

	(void)events;
	if (!c->dev.running || c->dev.failed) {
		unwatch(c);
		return;
	}
	if (virtq_pop(vq, &c->request) > 0) {
		virtq_unpop(vq);
		take_input(c);
		return;
	}
	if (vq->broken)
		virtio_device_fail(&c->dev, vq->why);
	/* No room: wait for the guest instead. */
	if (!virtq_want_kicks(vq, true))
		unwatch(c);
}

/* ---- the device ---- */

static void
console_start(struct virtio_device *dev)
{
	struct console *c = (struct console *)dev;

	c->filled_ns = now_ns();
	virtq_want_kicks(&dev->queues[RX], false);
}

static void
console_stop(struct virtio_device *dev)
{
	struct console *c = (struct console *)dev;

	unwatch(c);
	set_pace(c, false);
}

static void
console_notify(struct virtio_device *dev, unsigned queue)
{
	struct console *c = (struct console *)dev;

	if (queue == TX && !c->paced)
		take_output(c);
	if (queue != RX)
		return;
	virtq_want_kicks(&dev->queues[RX], false);
	if (watch(c) < 0)
		c->input.fd = -1;
	else if (c->input_plain)
		take_input(c);
}

static void
console_free(struct virtio_device *dev)
{
	struct console *c = (struct console *)dev;

	unwatch(c);
	loop_remove(dev->loop, &c->timer);
	fd_close(&c->timer.fd);
	virtio_device_release(dev);
	free(c);
}

static const struct filter_call calls[] = {
    CALL(readv),           /* input */
    CALL(timerfd_settime), /* its pace */
    CALLS_END,
};

static const struct virtio_device_ops console_ops = {
    .name = "console",
    .type = VIRTIO_TYPE_CONSOLE,
    .calls = calls,
    .start = console_start,
    .stop = console_stop,
    .notify = console_notify,
    .free = console_free,
};

struct virtio_device *
console_new(struct loop *loop, const struct gmem *mem,
    const struct console_config *config, struct err *e)
{
	struct console *c = calloc(1, sizeof(*c));

	if (!c) {
		err_errno(e, EX_OSERR, "console");
		return NULL;
	}
	c->config = *config;
	c->bucket = CONSOLE_BURST;
	c->input = (struct loop_source){
	    .fd = config->input,
	    .ready = input_ready,
	    .owner = c,
	};
	c->timer = (struct loop_source){.fd = -1, .ready = tick, .owner = c};
	c->dev.config_size = CONFIG_SIZE;
	if (config->columns && config->rows) {
		uint16_t size[2] = {config->columns, config->rows};

		c->dev.offered = CONSOLE_F_SIZE;
		memcpy(c->dev.config, size, sizeof(size));
	}
	if (virtio_device_init(&c->dev, &console_ops, loop, mem, QUEUES, e) <
	    0) {
		console_free(&c->dev);
		return NULL;
	}
	c->timer.fd =
	    timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (c->timer.fd < 0 || loop_add(loop, &c->timer, EPOLLIN, e) < 0) {
		if (c->timer.fd < 0)
			err_errno(e, EX_OSERR, "console");
		console_free(&c->dev);
		return NULL;
	}
	return &c->dev;
}

struct input_call {
	struct console *c;
	int fd, result, number;
};

static void
set_input(void *with)
{
	struct input_call *call = with;
	struct console *c = call->c;

	unwatch(c);
	c->input.fd = call->fd;
	c->input_plain = false;
	call->result = c->dev.running ? watch(c) : 0;
	call->number = errno;
	if (call->result < 0)
		c->input.fd = -1;
	else if (c->dev.running && c->input_plain)
		take_input(c);
}

int
console_input(struct virtio_device *dev, int fd)
{
	struct input_call call = {.c = (struct console *)dev, .fd = fd};

	loop_call(dev->loop, set_input, &call);
	errno = call.number;
	return call.result;
}

void
console_resize(struct virtio_device *dev, uint16_t columns, uint16_t rows)
{
	uint16_t size[2] = {columns, rows};

	if (dev->offered & CONSOLE_F_SIZE)
		virtio_config_set(dev, 0, size, sizeof(size));
}
