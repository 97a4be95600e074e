/* SPDX-License-Identifier: MIT */
/*
 * vsock.c - virtio socket device
 *
 * Goals: bytes move between a unix socket and the guest's own buffers without
 * a copy of ours in between; a guest that does not read, or does not post
 * buffers, or asks for more than it may have, costs the host a bounded amount
 * of memory, no busy loop, and other guests and connections nothing.
 *
 * To the guest. A flow (vsock_flow.h) that has something to send waits in
 * `turns`, each flow once. send_waiting goes round: one packet, or one batch of
 * packets of data, a flow. Data is read from the host's socket only when there
 * are both credit and buffers, straight into the buffers, several by one readv;
 * so what the guest does not take stays in the socket, where its writer waits.
 * Sockets are watched by edges: `readable` remembers the last one until a read
 * finds nothing, and no descriptor has to be armed again.
 *
 * From the guest. Packets are taken in order, data goes to the socket by one
 * sendmsg out of the guest's buffers; what the socket does not take is kept in
 * the flow's backlog, for which the guest has credit. New credit is told with
 * whatever packet goes out next, or alone when the guest sees less than half.
 *
 * Packets for no flow are answered with RST (never an RST). Those answers wait
 * in a ring; while it is full nothing more is taken from the guest.
 *
 * Left out: SEQPACKET (not offered), the transport reset event (5.10.6.7: the
 * guest is never moved to another host, so there is nothing to tell).
 */
#include "cmd/vk-boot/virtio/vsock.h"

#include "cmd/vk-boot/virtio/vsock_device.h"
#include "common/io.h"
#include "common/scope.h"

#include <sys/random.h>
#include <sys/socket.h>

#define VSOCK_F_STREAM (1ull << 0) /* 5.10.3 */

/* Ports of ours for connections that the host opens: 2^30 and up, far from
 * what anybody listens on. */
#define VSOCK_PORT_FIRST 0x40000000u
#define VSOCK_PORT_LAST  0x7fffffffu

/* The host connects: fd is joined to the guest's port. Returns 0, -1 with
 * errno; owns fd in any case. */
static int
ask(struct vsock *v, int host_fd, uint32_t guest_port, bool greeting)
{
	cleanup_fd int fd = host_fd;
	struct vsock_flow *flow;

	if (!v->dev.running || v->dev.failed) {
		errno = ENOTCONN;
		return -1;
	}
	if (v->stats.connections >= v->limit) {
		errno = ENOBUFS;
		return -1;
	}
	/* It ends: there are more ports than flows. */
	do {
		v->next_port = v->next_port >= VSOCK_PORT_LAST
				   ? VSOCK_PORT_FIRST
				   : v->next_port + 1;
	} while (vsock_find(v, guest_port, v->next_port));
	flow = vsock_join(v, steal_fd(&fd), guest_port, v->next_port);
	if (!flow)
		return -1;
	flow->state = VSOCK_ASKED;
	flow->greeting = greeting;
	flow->wants = VSOCK_WANT_REQUEST;
	vsock_settle(v, flow);
	vsock_run(v);
	return 0;
}

static void
client_asked(void *owner, int fd, uint32_t port)
{
	ask(owner, fd, port, true);
}

static void
port_asked(void *owner, int fd, uint32_t port)
{
	ask(owner, fd, port, false);
}

static int
vsock_keep(struct virtio_device *dev, struct confine *confine, struct err *e)
{
	return vsock_ports_keep(&((struct vsock *)dev)->ports, confine, e);
}

static int
add_ports(struct vsock *v, const struct vsock_config *config, struct err *e)
{
	v->ports.loop = v->dev.loop;
	v->ports.asked = port_asked;
	v->ports.owner = v;
	for (unsigned i = 0; i < config->port_count; i++) {
		const struct vsock_port_wish *wish = &config->ports[i];
		char own[64];

		/* LinuxKit's name for HyperKit's sockets. */
		snprintf(own, sizeof(own),
		    config->hyperkit ? "/proc/self/fd/%d/guest.%08x"
				     : "/proc/self/fd/%d/guest_%u",
		    config->run_folder, wish->port);
		if (vsock_ports_add(
			&v->ports, wish, wish->path ? wish->path : own, e) < 0)
			return err_prefix(e, "--vsock-port");
	}
	return 0;
}

/* The guest forgets all connections, and we what it has not taken. */
static void
forget(struct vsock *v)
{
	struct vsock_flow *flow, *next;

	for (flow = LIST_FIRST(&v->all); flow; flow = next) {
		next = LIST_NEXT(flow, all);
		vsock_step(v, flow, VSOCK_RESET);
		vsock_settle(v, flow);
	}
	v->reset_count = 0;
	v->tx_stalled = false;
}

void
vsock_run(struct vsock *v)
{
	if (!v->dev.running || v->dev.failed)
		return;
	if (!v->breach)
		vsock_send(v);
	if (v->tx_stalled && v->reset_count < VSOCK_RESETS_MAX) {
		v->tx_stalled = false;
		eventfd_give(v->dev.queues[VSOCK_TX].kick_fd);
	}
	virtq_signal(&v->dev.queues[VSOCK_RX]);
	virtq_signal(&v->dev.queues[VSOCK_TX]);
	if (v->breach) {
		forget(v);
		virtio_device_fail(&v->dev, v->breach);
	}
}

static void
vsock_start(struct virtio_device *dev)
{
	struct vsock *v = (struct vsock *)dev;

	v->breach = NULL;
	virtq_want_kicks(&dev->queues[VSOCK_RX], false);
	virtq_want_kicks(&dev->queues[VSOCK_EVENT], false);
}

static void
vsock_stop(struct virtio_device *dev)
{
	forget((struct vsock *)dev);
}

static void
vsock_notify(struct virtio_device *dev, unsigned queue)
{
	struct vsock *v = (struct vsock *)dev;

	if (queue == VSOCK_TX && !v->tx_stalled)
		vsock_take(v);
	if (queue == VSOCK_RX)
		virtq_want_kicks(&dev->queues[VSOCK_RX], false);
	if (queue != VSOCK_EVENT)
		vsock_run(v);
}

static void
vsock_free(struct virtio_device *dev)
{
	struct vsock *v = (struct vsock *)dev;
	struct vsock_flow *flow;

	vsock_host_release(&v->host);
	vsock_ports_release(&v->ports);
	while ((flow = LIST_FIRST(&v->all)))
		vsock_drop(v, flow);
	virtio_device_release(dev);
	free(v);
}

/* With those of its other files. */
static const struct filter_call calls[] = {
    CALL(readv), /* streams */
    CALL(sendmsg),
    CALL(sendto),
    CALL(shutdown),
    CALL(accept4), /* clients, and their greetings */
    CALL(recvfrom),
    CALL_IF(socket, 0, AF_UNIX), /* vsock_PORT */
    CALL(connect),
    CALL_IF(socketpair, 0, AF_UNIX), /* ports of our own */
    CALL(fcntl),                     /* O_NONBLOCK */
    CALL(close),
    CALLS_END,
};

static const struct virtio_device_ops vsock_ops = {
    .name = "vsock",
    .type = VIRTIO_TYPE_VSOCK,
    .calls = calls,
    .start = vsock_start,
    .stop = vsock_stop,
    .notify = vsock_notify,
    .keep = vsock_keep,
    .free = vsock_free,
};

struct virtio_device *
vsock_new(struct loop *loop, const struct gmem *mem,
    const struct vsock_config *config, struct err *e)
{
	struct vsock *v = calloc(1, sizeof(*v));

	if (!v) {
		err_errno(e, EX_OSERR, "vsock");
		return NULL;
	}
	v->cid = config->cid ? config->cid : VSOCK_CID_GUEST;
	v->limit = config->limit ? config->limit : VSOCK_CONNECTIONS_MAX;
	v->buffer = config->buffer ? config->buffer : (uint32_t)VSOCK_BUFFER;
	v->next_port = VSOCK_PORT_FIRST;
	LIST_INIT(&v->all);
	TAILQ_INIT(&v->turns);
	v->host.loop = loop;
	v->host.run_folder = config->run_folder;
	v->host.hyperkit = config->hyperkit;
	v->host.asked = client_asked;
	v->host.owner = v;
	v->dev.offered = VSOCK_F_STREAM;
	if (virtio_device_init(
		&v->dev, &vsock_ops, loop, mem, VSOCK_QUEUES, e) < 0 ||
	    vsock_host_init(&v->host, e) < 0 || add_ports(v, config, e) < 0) {
		vsock_free(&v->dev);
		return NULL;
	}
	if (getrandom(&v->seed, sizeof(v->seed), 0) < 0)
		v->seed = (uintptr_t)v; /* random enough, by ASLR */
	v->dev.config_size = sizeof(v->cid);
	virtio_config_set(&v->dev, 0, &v->cid, sizeof(v->cid));
	return &v->dev;
}

/* ---- for other threads ------------------------------------------------- */

struct dial_call {
	struct vsock *v;
	int fd;
	uint32_t port;
	int result, number;
};

static void
dial(void *with)
{
	struct dial_call *call = with;

	call->result = ask(call->v, call->fd, call->port, false);
	call->number = errno;
}

int
vsock_dial(struct virtio_device *dev, uint32_t port)
{
	struct dial_call call = {.v = (struct vsock *)dev, .port = port};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	io_nonblock(pair[0], 1);
	call.fd = pair[0];
	loop_call(dev->loop, dial, &call);
	if (call.result == 0)
		return pair[1];
	fd_close(&pair[1]);
	errno = call.number;
	return -1;
}

struct answer_call {
	struct vsock *v;
	struct vsock_answer_to answer;
	int result;
};

static void
set_answer(void *with)
{
	struct answer_call *call = with;
	struct vsock_answer_to *at = NULL;

	for (unsigned i = 0; i < VSOCK_ANSWERS_MAX; i++) {
		struct vsock_answer_to *answer = &call->v->answers[i];

		if (answer->accepted && answer->port == call->answer.port) {
			at = answer;
			break;
		}
		if (!answer->accepted && !at)
			at = answer;
	}
	call->result = at ? 0 : -1;
	if (at)
		*at = call->answer;
}

int
vsock_answer(struct virtio_device *dev, uint32_t port,
    void (*accepted)(void *owner, int fd), void *owner)
{
	struct answer_call call = {
	    .v = (struct vsock *)dev,
	    .answer = {port, accepted, owner},
	};

	loop_call(dev->loop, set_answer, &call);
	return call.result;
}

struct stats_call {
	struct vsock *v;
	struct vsock_stats *into;
};

static void
get_stats(void *with)
{
	struct stats_call *call = with;

	*call->into = call->v->stats;
}

void
vsock_stats(struct virtio_device *dev, struct vsock_stats *into)
{
	struct stats_call call = {(struct vsock *)dev, into};

	loop_call(dev->loop, get_stats, &call);
}
