/* SPDX-License-Identifier: MIT */
/* net_peer.c - the other end of a network device's stream socket */
#include "cmd/vk-boot/virtio/net_peer.h"

#include "cmd/vk-boot/virtio/net.h"
#include "common/cursor.h"
#include "common/hello.h"
#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>

static const char *const state_names[] = {
    [NET_AWAY] = "away",
    [NET_PLAIN] = "plain",
    [NET_HALF] = "half agreed",
    [NET_FULL] = "agreed",
};
_Static_assert(
    sizeof(state_names) / sizeof(state_names[0]) == NET_PEER_STATES, "names");

const struct filter_call net_peer_calls[] = {
    CALL(recvfrom),
    CALL(sendmsg),
    CALL_IF(socket, 0, AF_UNIX), /* to connect anew */
    CALL(connect),
    CALL(close),
    CALL(fcntl), /* O_NONBLOCK */
    CALL(timerfd_settime),
    CALLS_END,
};

static void
watch(struct net_peer *p)
{
	uint32_t events =
	    (p->reading ? EPOLLIN : 0u) | (p->blocked ? EPOLLOUT : 0u);

	if (p->socket.added && events != p->watched)
		loop_change(p->loop, &p->socket, events);
	p->watched = events;
}

static void
try_later(struct net_peer *p)
{
	struct itimerspec once = {
	    .it_value.tv_sec = p->retry_ms / 1000,
	    .it_value.tv_nsec = p->retry_ms % 1000 * 1000000L,
	};

	if (!p->path)
		return;
	timerfd_settime(p->timer.fd, 0, &once, NULL);
	p->retry_ms = p->retry_ms < NET_RETRY_MAX_MS / 2 ? p->retry_ms * 2
							 : NET_RETRY_MAX_MS;
}

/* All changes of the state. */
static void
move(struct net_peer *p, enum net_peer_state to)
{
	if (to == p->state)
		return;
	log_info("net: %s: %s", p->path ? p->path : "peer", state_names[to]);
	p->state = to;
	if (to == NET_AWAY) {
		loop_remove(p->loop, &p->socket);
		fd_close(&p->socket.fd);
		p->in_at = p->in_end = 0;
		p->rest_at = p->rest_end = 0;
		p->blocked = false;
		p->agreed = 0;
		try_later(p);
	}
	p->changed(p->owner);
}

static void
lose(struct net_peer *p, const char *why)
{
	if (why && !p->warned) {
		p->warned = true;
		log_warn("%s: %s", p->path ? p->path : "network peer", why);
	}
	move(p, NET_AWAY);
}

/* Sends a frame of the agreement. It is small, and the first of a connection
 * or behind what was sent whole: where it does not fit, its rest is kept. */
static void
say(struct net_peer *p, enum hello_kind kind, uint32_t features)
{
	uint8_t frame[NET_LENGTH_LEN + HELLO_LEN];
	struct writer w = writer_of(frame, sizeof(frame));
	struct iovec part = {frame, sizeof(frame)};
	ssize_t n = 0;

	put_be(&w, HELLO_LEN, NET_LENGTH_LEN);
	hello_put(&w, kind, p->mac, features);
	if (!p->blocked)
		n = net_peer_write(p, &part, 1);
	if (n >= 0)
		net_peer_keep(p, frame + n, sizeof(frame) - (size_t)n);
}

void
net_peer_confirm(struct net_peer *p, uint32_t features)
{
	if (p->state != NET_HALF)
		return;
	p->agreed &= features;
	say(p, HELLO_CONFIRM, p->agreed);
	if (p->state == NET_HALF)
		move(p, NET_FULL);
}

/* Whether a frame is one of the agreement; an ANSWER is acted upon. */
static bool
hear(struct net_peer *p, const struct net_frame *frame)
{
	uint32_t offloads;
	int kind = hello_parse(frame->at, frame->len, &offloads);

	if (kind < 0)
		return false;
	if (kind == HELLO_ANSWER && p->offer != 0 && p->state == NET_PLAIN) {
		p->agreed = offloads & p->offer;
		move(p, NET_HALF);
	}
	return true;
}

bool
net_peer_next(struct net_peer *p, struct net_frame *frame)
{
	for (;;) {
		struct cursor c =
		    cursor_of(p->in + p->in_at, p->in_end - p->in_at);
		size_t len = get_be32(&c);
		bool headers = p->state >= NET_HALF;
		size_t least =
		    NET_ETHERNET_LEN + (headers ? NET_HEADER_LEN : 0);

		if (c.bad || p->state == NET_AWAY)
			return false;
		if (len < least ||
		    len > least - NET_ETHERNET_LEN + NET_FRAME_MAX) {
			lose(p, "sends frames of impossible length");
			return false;
		}
		if (len > c.left)
			return false;
		frame->header = headers ? get_bytes(&c, NET_HEADER_LEN) : NULL;
		frame->len = len - (headers ? NET_HEADER_LEN : 0);
		frame->at = get_bytes(&c, frame->len);
		if (!hear(p, frame))
			return true;
		net_peer_passed(p, frame);
	}
}

void
net_peer_passed(struct net_peer *p, const struct net_frame *frame)
{
	/* The connection may have been lost meanwhile. */
	if (p->state != NET_AWAY)
		p->in_at = (size_t)(frame->at + frame->len - p->in);
}

bool
net_peer_fill(struct net_peer *p)
{
	ssize_t n;

	if (p->state == NET_AWAY)
		return false;
	if (p->in_at > 0) {
		memmove(p->in, p->in + p->in_at, p->in_end - p->in_at);
		p->in_end -= p->in_at;
		p->in_at = 0;
	}
	do {
		n = recv(p->socket.fd, p->in + p->in_end,
		    NET_IN_SIZE - p->in_end, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno != EAGAIN))
		lose(p, NULL);
	if (n <= 0)
		return false;
	p->in_end += (size_t)n;
	return true;
}

void
net_peer_read(struct net_peer *p, bool on)
{
	p->reading = on;
	watch(p);
}

ssize_t
net_peer_write(struct net_peer *p, struct iovec *parts, unsigned count)
{
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
	size_t total = 0;
	ssize_t n;

	for (unsigned i = 0; i < count; i++)
		total += parts[i].iov_len;
	do {
		n = sendmsg(
		    p->socket.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM) {
		lose(p, NULL);
		return -1;
	}
	n = n < 0 ? 0 : n;
	p->blocked = (size_t)n < total;
	watch(p);
	return n;
}

void
net_peer_keep(struct net_peer *p, const void *from, size_t len)
{
	if (p->rest_at > 0) {
		memmove(
		    p->rest, p->rest + p->rest_at, p->rest_end - p->rest_at);
		p->rest_end -= p->rest_at;
		p->rest_at = 0;
	}
	/* One frame's rest, and a CONFIRM behind it at most. */
	memcpy(p->rest + p->rest_end, from, len);
	p->rest_end += len;
}

/* Writes what is left of a frame, then says that there is room. */
static void
write_on(struct net_peer *p)
{
	struct iovec part = {p->rest + p->rest_at, p->rest_end - p->rest_at};
	ssize_t n;

	p->blocked = false;
	watch(p);
	if (part.iov_len > 0) {
		n = net_peer_write(p, &part, 1);
		if (n < 0)
			return;
		p->rest_at += (size_t)n;
	}
	if (!p->blocked)
		p->writable(p->owner);
}

static void
socket_ready(struct loop_source *source, uint32_t events)
{
	struct net_peer *p = source->owner;

	if (events & (EPOLLHUP | EPOLLERR) && !p->reading) {
		lose(p, NULL);
		return;
	}
	if (events & EPOLLOUT)
		write_on(p);
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && p->state != NET_AWAY)
		p->readable(p->owner);
}

/* Begins with a connected descriptor, which it owns in any case. */
static int
begin(struct net_peer *p, int fd, struct err *e)
{
	p->socket.fd = fd;
	p->watched = p->reading ? EPOLLIN : 0;
	io_nonblock(fd, 1);
	if (loop_add(p->loop, &p->socket, p->watched, e) < 0) {
		fd_close(&p->socket.fd);
		return -1;
	}
	p->retry_ms = NET_RETRY_MS;
	p->state = NET_PLAIN;
	if (p->offer)
		say(p, HELLO_OFFER, p->offer);
	p->changed(p->owner);
	return 0;
}

static int
connect_path(struct net_peer *p, struct err *e)
{
	int fd = unix_place_connect(&p->place);

	return fd < 0 ? err_errno(e, 0, "%s", p->path) : begin(p, fd, e);
}

static void
try_again(struct loop_source *source, uint32_t events)
{
	struct net_peer *p = source->owner;
	struct err e = ERR_INIT;

	(void)events;
	eventfd_take(source->fd);
	if (p->state == NET_AWAY && connect_path(p, &e) < 0)
		try_later(p);
}

int
net_peer_init(struct net_peer *p, int fd, struct err *e)
{
	cleanup_fd int given = fd;

	p->socket =
	    (struct loop_source){.fd = -1, .ready = socket_ready, .owner = p};
	p->timer =
	    (struct loop_source){.fd = -1, .ready = try_again, .owner = p};
	p->retry_ms = NET_RETRY_MS;
	p->place = (struct unix_place)UNIX_PLACE_INIT;
	p->reading = true;
	p->in = malloc(NET_IN_SIZE);
	/* A CONFIRM may have to wait behind the rest of a frame. */
	p->rest = malloc(NET_REST_SIZE + NET_LENGTH_LEN + HELLO_LEN);
	p->timer.fd =
	    timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (!p->in || !p->rest || p->timer.fd < 0)
		return err_errno(e, EX_OSERR, "net");
	if (loop_add(p->loop, &p->timer, EPOLLIN, e) < 0)
		return -1;
	if (!p->path)
		return begin(p, steal_fd(&given), e);
	return unix_place_open(&p->place, p->path, e) < 0 ? -1
							  : connect_path(p, e);
}

void
net_peer_release(struct net_peer *p)
{
	if (p->socket.ready) {
		loop_remove(p->loop, &p->socket);
		loop_remove(p->loop, &p->timer);
		fd_close(&p->socket.fd);
		fd_close(&p->timer.fd);
		unix_place_close(&p->place);
	}
	free(steal_ptr(&p->in));
	free(steal_ptr(&p->rest));
}
