/* SPDX-License-Identifier: MIT */
/* vsock_table.c - the vsock device's flows: found, made, dropped, settled */
#include "cmd/vk-boot/virtio/vsock_device.h"
#include "common/log.h"
#include "common/scope.h"

#include <sys/epoll.h>

/* Breaches shown with -v in a device's life, so that a guest cannot fill the
 * host's log. */
#define VSOCK_SHOWN_MAX 20

static struct vsock_flows *
bucket_of(struct vsock *v, uint32_t guest_port, uint32_t host_port)
{
	uint64_t key = ((uint64_t)guest_port << 32 | host_port) ^ v->seed;

	key *= 0x9e3779b97f4a7c15;
	key ^= key >> 29;
	key *= 0xbf58476d1ce4e5b9;
	return &v->buckets[key >> 54];
}
_Static_assert(VSOCK_BUCKETS == 1 << (64 - 54), "bits of the hash");

struct vsock_flow *
vsock_find(struct vsock *v, uint32_t guest_port, uint32_t host_port)
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

bool
vsock_can_feed(const struct vsock_flow *flow)
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

void
vsock_drop(struct vsock *v, struct vsock_flow *flow)
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
	vsock_ports_retry(&v->ports);
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

void
vsock_settle(struct vsock *v, struct vsock_flow *flow)
{
	uint32_t events = EPOLLIN | EPOLLET;

	if (flow->state == VSOCK_GONE) {
		vsock_drop(v, flow);
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
	if (!flow->waiting && (flow->wants || vsock_can_feed(flow))) {
		TAILQ_INSERT_TAIL(&v->turns, flow, turn);
		flow->waiting = true;
	}
}

void
vsock_step(struct vsock *v, struct vsock_flow *flow, enum vsock_event event)
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
		vsock_step(v, flow, VSOCK_LEFT);
	if (flow->state == VSOCK_DRAINING && flow->backlog_len == 0)
		vsock_step(v, flow, VSOCK_LEFT);
	vsock_settle(v, flow);
	vsock_run(v);
}

struct vsock_flow *
vsock_join(
    struct vsock *v, int host_fd, uint32_t guest_port, uint32_t host_port)
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
