/* SPDX-License-Identifier: MIT */
/* vsock_flow.c - one connection of the vsock device: states, credit, backlog */
#include "cmd/vk-boot/virtio/vsock_flow.h"

#include "common/scope.h"

#include <string.h>
#include <sys/socket.h>

static const char *const state_names[] = {
    [VSOCK_ASKED] = "asked",
    [VSOCK_OFFERED] = "offered",
    [VSOCK_OPEN] = "open",
    [VSOCK_ENDING] = "ending",
    [VSOCK_DRAINING] = "draining",
    [VSOCK_GONE] = "gone",
};
_Static_assert(
    sizeof(state_names) / sizeof(state_names[0]) == VSOCK_STATES, "names");

/* Where each event leads. A response to what was not asked is a breach. */
static const enum vsock_state next_state[VSOCK_STATES][VSOCK_EVENTS] = {
    [VSOCK_ASKED] = {VSOCK_OPEN, VSOCK_ENDING, VSOCK_ENDING, VSOCK_GONE,
	VSOCK_ENDING, VSOCK_ENDING, VSOCK_GONE},
    [VSOCK_OFFERED] = {VSOCK_ENDING, VSOCK_OPEN, VSOCK_ENDING, VSOCK_GONE,
	VSOCK_ENDING, VSOCK_ENDING, VSOCK_GONE},
    [VSOCK_OPEN] = {VSOCK_ENDING, VSOCK_OPEN, VSOCK_ENDING, VSOCK_GONE,
	VSOCK_ENDING, VSOCK_ENDING, VSOCK_GONE},
    [VSOCK_ENDING] = {VSOCK_ENDING, VSOCK_ENDING, VSOCK_ENDING, VSOCK_GONE,
	VSOCK_ENDING, VSOCK_ENDING, VSOCK_GONE},
    [VSOCK_DRAINING] = {VSOCK_DRAINING, VSOCK_DRAINING, VSOCK_DRAINING,
	VSOCK_DRAINING, VSOCK_DRAINING, VSOCK_GONE, VSOCK_DRAINING},
    [VSOCK_GONE] = {VSOCK_GONE, VSOCK_GONE, VSOCK_GONE, VSOCK_GONE, VSOCK_GONE,
	VSOCK_GONE, VSOCK_GONE},
};

const char *
vsock_state_name(enum vsock_state state)
{
	return state_names[state];
}

static void
drop_backlog(struct vsock_flow *flow)
{
	free(steal_ptr(&flow->backlog));
	flow->backlog_at = flow->backlog_len = 0;
}

enum vsock_state
vsock_flow_step(struct vsock_flow *flow, enum vsock_event event)
{
	enum vsock_state from = flow->state, to = next_state[from][event];

	/* Only a guest that kept to the rules has its last bytes delivered. */
	if (event == VSOCK_BREACH || event == VSOCK_LEFT)
		drop_backlog(flow);
	if (to == VSOCK_GONE && from != VSOCK_DRAINING && flow->backlog_len > 0)
		to = VSOCK_DRAINING;
	if (to == VSOCK_ENDING && from != VSOCK_ENDING) {
		/* A guest that has not been asked yet need not be told. */
		if (flow->wants & VSOCK_WANT_REQUEST)
			to = VSOCK_GONE;
		flow->wants = VSOCK_WANT_RST;
	}
	flow->state = to;
	return to;
}

void
vsock_flow_credit(struct vsock_flow *flow, uint32_t alloc, uint32_t forwarded)
{
	uint32_t on_the_way = flow->sent - flow->peer_forwarded;

	flow->peer_alloc = alloc;
	if ((uint32_t)(forwarded - flow->peer_forwarded) <= on_the_way)
		flow->peer_forwarded = forwarded;
}

uint32_t
vsock_flow_may_send(const struct vsock_flow *flow)
{
	uint32_t on_the_way = flow->sent - flow->peer_forwarded;

	return on_the_way < flow->peer_alloc ? flow->peer_alloc - on_the_way
					     : 0;
}

uint32_t
vsock_flow_may_receive(const struct vsock_flow *flow)
{
	return flow->alloc - (flow->received - flow->forwarded);
}

bool
vsock_flow_credit_due(const struct vsock_flow *flow)
{
	return flow->forwarded != flow->told_forwarded &&
	       flow->received - flow->told_forwarded > flow->alloc / 2;
}

/* The host's peer reads no more: what is there for it is dropped. */
static void
host_deaf(struct vsock_flow *flow)
{
	flow->forwarded += flow->backlog_len;
	drop_backlog(flow);
	flow->shut |= VSOCK_SHUT_RECEIVE;
}

/* Writes parts. Returns the bytes taken, -1 where nobody reads any more. */
static ssize_t
write_host(struct vsock_flow *flow, const struct iovec *parts, unsigned count)
{
	struct msghdr message = {
	    .msg_iov = (struct iovec *)parts,
	    .msg_iovlen = count,
	};
	ssize_t n;

	do {
		n = sendmsg(
		    flow->host.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	/* A socket without memory takes some later, as one that is full. */
	return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? 0 : -1;
}

/* Puts what lies behind the first `skip` bytes of parts into the backlog. */
static int
keep(struct vsock_flow *flow, const struct iovec *parts, unsigned count,
    size_t skip)
{
	if (!flow->backlog && !(flow->backlog = malloc(flow->alloc)))
		return -1;
	for (unsigned i = 0; i < count; i++) {
		const uint8_t *from = parts[i].iov_base;
		size_t len = parts[i].iov_len;
		size_t passed = skip < len ? skip : len;

		skip -= passed;
		from += passed;
		len -= passed;
		while (len > 0) {
			uint32_t end = (uint32_t)(((uint64_t)flow->backlog_at +
						      flow->backlog_len) %
						  flow->alloc);
			size_t room = flow->alloc - end;
			size_t n = len < room ? len : room;

			memcpy(flow->backlog + end, from, n);
			flow->backlog_len += (uint32_t)n;
			from += n;
			len -= n;
		}
	}
	return 0;
}

int
vsock_flow_deliver(struct vsock_flow *flow, const struct iovec *parts,
    unsigned count, uint32_t len)
{
	ssize_t n = 0;

	flow->received += len;
	if (flow->shut & VSOCK_SHUT_RECEIVE) {
		flow->forwarded += len;
		return 0;
	}
	if (flow->backlog_len == 0)
		n = write_host(flow, parts, count);
	if (n < 0) {
		host_deaf(flow);
		flow->forwarded += len;
		return 0;
	}
	flow->forwarded += (uint32_t)n;
	return (uint32_t)n < len ? keep(flow, parts, count, (size_t)n) : 0;
}

void
vsock_flow_flush(struct vsock_flow *flow)
{
	while (flow->backlog_len > 0) {
		uint32_t first = flow->alloc - flow->backlog_at;
		struct iovec parts[2] = {
		    {flow->backlog + flow->backlog_at, flow->backlog_len},
		    {flow->backlog, 0},
		};
		ssize_t n;

		if (first < flow->backlog_len) {
			parts[0].iov_len = first;
			parts[1].iov_len = flow->backlog_len - first;
		}
		n = write_host(flow, parts, 2);
		if (n < 0)
			host_deaf(flow);
		if (n <= 0)
			break;
		flow->forwarded += (uint32_t)n;
		flow->backlog_len -= (uint32_t)n;
		flow->backlog_at =
		    (uint32_t)(((uint64_t)flow->backlog_at + (uint32_t)n) %
			       flow->alloc);
	}
	if (flow->backlog_len > 0)
		return;
	drop_backlog(flow);
	/* Once: each time wakes our own end as well. */
	if (flow->guest_shut & VSOCK_SHUT_SEND && !flow->ended) {
		flow->ended = true;
		shutdown(flow->host.fd, SHUT_WR);
	}
}

void
vsock_flow_release(struct vsock_flow *flow)
{
	drop_backlog(flow);
	fd_close(&flow->host.fd);
}
