/* SPDX-License-Identifier: MIT */
/* port.c - one VM's end of the wire */
#include "cmd/vk-switch/port.h"

#include "cmd/vk-switch/fabric.h"
#include "cmd/vk-switch/lan.h"
#include "cmd/vk-switch/tap.h"
#include "common/hello.h"
#include "common/log.h"
#include "common/scope.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* The kernel clamps it to net.core.wmem_max and doubles it. */
#define SOCKET_BUFFER (4 << 20)

static watch_handler port_event;

static struct watch
watch_of(const struct port *p)
{
	return (struct watch){
	    .kind = WATCH_PORT, .index = p->index, .generation = p->generation};
}

/* What is awaited of it now. */
static void
port_watch(struct lan *lan, const struct port *p)
{
	struct watch w = watch_of(p);

	loop_rewatch(&lan->loop, p->fd, &w,
	    (p->blocked ? EPOLLOUT : 0) |
		(p->throttled || p->paused ? 0 : EPOLLIN));
}

int
ports_init(struct lan *lan, struct err *e)
{
	size_t each = PORT_IN_SIZE + PORT_OUT_SIZE;
	uint8_t *memory = mmap(NULL, each * PORTS_MAX, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return err_errno(e, EX_OSERR, "memory for ports");
	lan->port_memory = memory;
	for (uint32_t i = 0; i < PORTS_MAX; i++, memory += each)
		lan->ports[i] = (struct port){.fd = -1,
		    .index = i,
		    .in = memory,
		    .out = memory + PORT_IN_SIZE};
	lan->loop.handlers[WATCH_PORT] = port_event;
	return 0;
}

void
ports_release(struct lan *lan)
{
	if (!lan->port_memory)
		return;
	for (uint32_t i = 0; i < PORTS_MAX; i++)
		fd_close(&lan->ports[i].fd);
	munmap(lan->port_memory,
	    (size_t)(PORT_IN_SIZE + PORT_OUT_SIZE) * PORTS_MAX);
	lan->port_memory = NULL;
}

static bool
listener_taken(const struct lan *lan, const struct listener *l)
{
	if (!l || !l->name[0])
		return false;
	for (uint32_t i = 0; i < PORTS_MAX; i++)
		if (lan->ports[i].fd >= 0 && lan->ports[i].listener == l)
			return true;
	return false;
}

/* What the descriptor is, and what that means. */
static int
adopt(struct port *p)
{
	struct err e = ERR_INIT;
	int size = SOCKET_BUFFER, kind = TAP_NONE;

	/* What connects to a socket is one; only what is inherited, before the
	 * filter, is asked. */
	if (!p->listener)
		kind = tap_prepare(p->fd, &e);
	if (kind < 0) {
		log_warn("%s", e.text);
		return -1;
	}
	if (kind == TAP_NONE) {
		setsockopt(p->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
		return 0;
	}
	p->tap = p->greeted = true;
	p->in_headers = p->out_headers = kind == TAP_HEADERS;
	p->features = kind == TAP_HEADERS ? OFFLOADS_ALL : 0;
	return 0;
}

struct port *
port_open(struct lan *lan, int fd, const struct listener *l)
{
	struct port *p = NULL;
	struct watch w;

	for (uint32_t i = 0; i < PORTS_MAX && !p; i++)
		if (lan->ports[i].fd < 0)
			p = &lan->ports[i];
	if (!p || listener_taken(lan, l)) {
		log_warn("%s: %s", l ? l->path : "port",
		    p ? "this VM is connected already" : "too many ports");
		fd_close(&fd);
		return NULL;
	}
	/* The one before may have gone in this turn, with output that stood in
	 * the list. */
	*p = (struct port){.fd = fd,
	    .index = p->index,
	    .generation = p->generation + 1,
	    .dirty = p->dirty,
	    .next_dirty = p->next_dirty,
	    .listener = l,
	    .in = p->in,
	    .out = p->out};
	if (lan->port_top <= p->index)
		lan->port_top = p->index + 1;
	if (l) {
		p->in_rate = (struct bucket){.rate = l->rate, .level = l->rate};
		p->out_rate = p->in_rate;
	}
	if (adopt(p) < 0) {
		fd_close(&p->fd);
		return NULL;
	}
	w = watch_of(p);
	if (loop_watch(&lan->loop, fd, &w, EPOLLIN)) {
		fd_close(&p->fd);
		return NULL;
	}
	event_log(lan, "connected", port_name(lan, p), "");
	return p;
}

void
port_close(struct lan *lan, struct port *p, const char *why)
{
	if (p->fd < 0)
		return;
	if (why)
		log_warn("%s: %s", port_name(lan, p), why);
	event_log(lan, "disconnected", port_name(lan, p), why ? why : "");
	flows_of_port_close(lan, p);
	stations_of_port_forget(lan, p);
	fragments_of_port_forget(lan, p);
	fd_close(&p->fd);
	p->generation++;
	p->in_start = p->in_have = p->out_start = p->out_end = 0;
	if (p->pending)
		lan->pending_ports--;
	if (p->paused)
		lan->paused_ports--;
	p->pending = p->paused = false;
	madvise(p->in, PORT_IN_SIZE + PORT_OUT_SIZE, MADV_DONTNEED);
	/* Nobody else can ever connect. */
	if (lan->listener_count == 0)
		lan->stop = true;
}

const char *
port_name(const struct lan *lan, const struct port *p)
{
	if (p->listener && p->listener->name[0])
		return p->listener->name;
	for (int i = 0; i < PORT_MACS_MAX; i++) {
		const struct station *s = station_at(lan, p->stations[i]);

		if (s && s->name[0])
			return s->name;
	}
	return p->listener ? p->listener->path : "port";
}

/* ---- to the VM ---------------------------------------------------------- */

size_t
port_room(struct port *p)
{
	if (p->fd < 0 || (p->out_rate.rate && p->out_rate.level <= 0))
		return 0;
	if (p->out_start == p->out_end) {
		p->out_start = p->out_end = 0;
	} else if (p->out_start > PORT_OUT_SIZE / 2) {
		memmove(
		    p->out, p->out + p->out_start, p->out_end - p->out_start);
		p->out_end -= p->out_start;
		p->out_start = 0;
	}
	return PORT_OUT_SIZE - p->out_end;
}

void
port_put_prefix(const struct port *p, uint8_t *at, size_t frame_len,
    const struct offload *o)
{
	struct writer w = writer_of(at, LENGTH_LEN + VNET_LEN);
	static const struct offload none;

	put_be(&w, frame_len + port_overhead(p) - LENGTH_LEN, LENGTH_LEN);
	if (p->out_headers)
		vnet_put(&w, o ? o : &none);
}

void
port_commit(struct lan *lan, struct port *p, size_t bytes, uint32_t frames)
{
	if (lan->pcap.open)
		pcap_record_sent(lan, p, p->out + p->out_end, bytes);
	p->out_end += bytes;
	p->count.out_frames += frames;
	p->count.out_bytes += bytes - frames * port_overhead(p);
	if (p->out_rate.rate)
		p->out_rate.level -= (int64_t)bytes;
	if (!p->dirty) {
		p->dirty = true;
		p->next_dirty = lan->dirty_ports;
		lan->dirty_ports = p->index + 1;
	}
}

bool
port_send(struct lan *lan, struct port *p, const void *frame, size_t len,
    const struct offload *o)
{
	size_t overhead = port_overhead(p);
	uint8_t *at;

	if (port_room(p) < overhead + len) {
		p->count.dropped++;
		return false;
	}
	at = port_end(p);
	port_put_prefix(p, at, len, o);
	memcpy(at + overhead, frame, len);
	port_commit(lan, p, overhead + len, 1);
	return true;
}

static ssize_t
port_write(struct port *p)
{
	const uint8_t *from = p->out + p->out_start;
	size_t len = p->out_end - p->out_start;

	if (p->tap)
		return tap_write(p->fd, from, len);
	return send(p->fd, from, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
port_flush(struct lan *lan, struct port *p)
{
	while (p->out_start < p->out_end) {
		ssize_t n = port_write(p);

		if (n >= 0) {
			p->out_start += (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN) {
			port_close(lan, p, NULL);
			return;
		}
		if (!p->blocked) {
			p->blocked = true;
			port_watch(lan, p);
		}
		return;
	}
	p->out_start = p->out_end = 0;
	if (p->blocked) {
		p->blocked = false;
		port_watch(lan, p);
	}
}

void
ports_flush(struct lan *lan)
{
	while (lan->dirty_ports) {
		struct port *p = &lan->ports[lan->dirty_ports - 1];

		lan->dirty_ports = p->next_dirty;
		p->dirty = false;
		if (p->fd >= 0 && !p->blocked)
			port_flush(lan, p);
	}
}

static void
bucket_fill(struct bucket *b, uint64_t now_ms)
{
	uint64_t passed = now_ms - b->filled_ms;

	if (passed > 1000)
		passed = 1000;
	b->filled_ms = now_ms;
	b->level += (int64_t)(b->rate * passed / 1000);
	if (b->level > (int64_t)b->rate)
		b->level = (int64_t)b->rate;
}

void
ports_refill(struct lan *lan)
{
	for (uint32_t i = 0; i < lan->port_top; i++) {
		struct port *p = &lan->ports[i];

		if (p->fd < 0 || !p->in_rate.rate)
			continue;
		bucket_fill(&p->in_rate, lan->loop.now_ms);
		bucket_fill(&p->out_rate, lan->loop.now_ms);
		if (p->out_rate.level > 0 && p->waiting)
			flows_of_port_resume(lan, p);
		if (p->throttled && p->in_rate.level > 0) {
			p->throttled = false;
			port_watch(lan, p);
		}
	}
}

/* ---- from the VM -------------------------------------------------------- */

/* The first frame may be an OFFER, a later one of the VMM's a CONFIRM. */
static bool
hello_input(struct lan *lan, struct port *p, const uint8_t *frame, size_t len)
{
	uint8_t answer[HELLO_LEN];
	struct writer w = writer_of(answer, sizeof(answer));
	bool first = !p->greeted;
	uint32_t features;
	int kind = hello_parse(frame, len, &features);

	p->greeted = true;
	if (kind == HELLO_OFFER && first) {
		p->features = features & OFFLOADS_ALL;
		hello_put(
		    &w, HELLO_ANSWER, lan->config.gateway_mac.b, p->features);
		port_send(lan, p, answer, writer_len(&w), NULL);
		p->out_headers = true;
		return true;
	}
	if (kind == HELLO_CONFIRM && p->out_headers) {
		p->features &= features;
		p->in_headers = true;
		return true;
	}
	return kind >= 0;
}

/* One frame with its header, if there is one. Returns NULL or what is wrong. */
static const char *
frame_input(struct lan *lan, struct port *p, const uint8_t *at, size_t len)
{
	struct packet packet = {.len = 0};

	if (p->in_headers) {
		if (len < VNET_LEN + ETH_LEN ||
		    vnet_parse(
			at, len - VNET_LEN, p->features, &packet.offload) < 0)
			return "an offload header that was not agreed";
		at += VNET_LEN;
		len -= VNET_LEN;
	}
	if (len < ETH_LEN || len > FRAME_MAX)
		return "a frame of impossible length";
	if ((!p->greeted || p->out_headers) && len == HELLO_LEN &&
	    hello_input(lan, p, at, len))
		return NULL;
	p->greeted = true;
	p->count.in_frames++;
	p->count.in_bytes += len;
	if (lan->pcap.open)
		pcap_record(lan, p, at, len);
	fabric_input(lan, p, &packet, at, len);
	return NULL;
}

static void
set_pending(struct lan *lan, struct port *p, bool pending)
{
	if (pending && !p->pending)
		lan->pending_ports++;
	if (!pending && p->pending)
		lan->pending_ports--;
	p->pending = pending;
}

static void
set_paused(struct lan *lan, struct port *p, bool paused)
{
	if (paused && !p->paused)
		lan->paused_ports++;
	if (!paused && p->paused)
		lan->paused_ports--;
	p->paused = paused;
	p->paused_ms = lan->loop.now_ms;
	p->refusals = 0;
	if (p->fd >= 0)
		port_watch(lan, p);
}

/* Whole frames, as far as the budget goes; what is left of one then moves to
 * the front. */
static const char *
frames_input(struct lan *lan, struct port *p)
{
	struct cursor c =
	    cursor_of(p->in + p->in_start, p->in_have - p->in_start);
	const char *wrong = NULL;
	bool more = false;

	p->spent = 0;
	while (c.left >= LENGTH_LEN && !wrong && p->fd >= 0) {
		struct cursor whole = c;
		size_t len = get_be32(&whole);

		if (len > FRAME_MAX + VNET_LEN) {
			wrong = "a frame of impossible length";
			break;
		}
		if (len > whole.left)
			break;
		if (p->spent >= TURN_BUDGET || p->refusals >= REFUSALS_MAX) {
			more = true;
			break;
		}
		p->spent++;
		wrong = frame_input(lan, p, get_bytes(&whole, len), len);
		c = whole;
	}
	/* Batches point into the buffer: they go before it moves. */
	flows_settle(lan);
	if (p->fd < 0)
		return NULL;
	if (p->refusals >= REFUSALS_MAX)
		set_paused(lan, p, true);
	set_pending(lan, p, more && !wrong && !p->paused);
	if (more) {
		p->in_start = p->in_have - c.left;
		return NULL;
	}
	if (c.left && c.at != p->in)
		memmove(p->in, c.at, c.left);
	p->in_start = 0;
	p->in_have = c.left;
	return wrong;
}

void
ports_continue(struct lan *lan)
{
	uint32_t left = lan->pending_ports + lan->paused_ports;

	for (uint32_t i = 0; i < lan->port_top && left; i++) {
		struct port *p = &lan->ports[i];
		bool resumed =
		    p->paused && lan->loop.now_ms - p->paused_ms >= PAUSE_MS;
		const char *wrong = NULL;

		if (resumed)
			set_paused(lan, p, false);
		if (resumed || p->pending)
			wrong = frames_input(lan, p);

		if (wrong)
			port_close(lan, p, wrong);
	}
}

static void
port_read(struct lan *lan, struct port *p)
{
	uint8_t *into = p->in + p->in_have;
	size_t size = PORT_IN_SIZE - p->in_have;
	ssize_t n = p->tap ? tap_read(p->fd, into, size)
			   : recv(p->fd, into, size, MSG_DONTWAIT);
	const char *wrong;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		port_close(lan, p, NULL);
		return;
	}
	p->in_have += (size_t)n;
	wrong = frames_input(lan, p);
	if (wrong) {
		port_close(lan, p, wrong);
		return;
	}
	if (p->in_rate.rate && (p->in_rate.level -= n) <= 0) {
		p->throttled = true;
		port_watch(lan, p);
	}
}

static void
port_event(struct lan *lan, const struct watch *w, uint32_t events)
{
	struct port *p = &lan->ports[w->index];

	if (p->fd < 0 || (p->generation & 0xffffff) != w->generation)
		return;
	if (events & EPOLLOUT) {
		port_flush(lan, p);
		if (p->fd >= 0 && !p->blocked)
			flows_of_port_resume(lan, p);
	}
	if (p->fd >= 0 && !p->pending && !p->paused &&
	    events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		port_read(lan, p);
}
