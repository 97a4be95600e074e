/* SPDX-License-Identifier: MIT */
/* lan.c - one LAN: all tables of a switch, and its turn of the loop */
#include "cmd/vk-switch/lan.h"

#include "cmd/vk-switch/descriptors.h"
#include "cmd/vk-switch/ndp.h"
#include "common/log.h"
#include "common/scope.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define TICK_MS 1000
/* Rate limits are refilled this often while any is used up. */
#define REFILL_MS 10

void
lan_defaults(struct lan *lan)
{
	struct lan_config *c = &lan->config;

	c->mtu = 1500;
	c->macs_per_port = 1;
	c->flows = FLOWS_DEFAULT;
	cidr_parse("10.76.0.0/24", &c->net4);
	cidr_parse("fd76:6b00::/64", &c->net6);
	addr_parse("fe80::1", &c->gateway_local);
	mac_parse("02:76:6b:00:00:01", &c->gateway_mac);
	memcpy(c->domain, "lan", 4);
	lan->policies[0] = (struct policy){.used = true, .allow_rest = true};
	lan->leases.fd = lan->host.fd = lan->pcap.fd = lan->control.fd = -1;
	lan->loop.epoll = lan->spare = -1;
	for (uint32_t i = 0; i < PORTS_MAX; i++)
		lan->ports[i].fd = -1;
	dns_streams_init(lan);
	resolver_init(lan);
	publish_init(lan);
	control_init(lan);
	reload_init(lan);
}

/* Linux has SO_PEEK_OFF for TCP since 6.9; older ones refuse it. */
static bool
peek_offset_works(void)
{
	cleanup_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	static const int zero;

	return fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &zero,
			      sizeof(zero)) == 0;
}

/* Does the routing table have a way to the IPv6 world? Nothing is sent. */
static bool
has_route6(void)
{
	cleanup_fd int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage ss;
	struct addr world;
	socklen_t len;

	addr_parse("2000::1", &world);
	len = addr_to_sock(&world, 53, &ss);
	return fd >= 0 && connect(fd, (struct sockaddr *)&ss, len) == 0;
}

int
lan_init(struct lan *lan, struct err *e)
{
	struct lan_config *c = &lan->config;
	struct loop fresh;

	c->gateway4 = cidr_at(&c->net4, 1);
	c->gateway6 = cidr_at(&c->net6, 1);
	c->route6 = has_route6();
	lan->peek_offset = peek_offset_works();
	memcpy(fresh.handlers, lan->loop.handlers, sizeof(fresh.handlers));
	if (loop_init(&lan->loop, e) < 0)
		return -1;
	memcpy(lan->loop.handlers, fresh.handlers, sizeof(fresh.handlers));
	lan->tick_ms = lan->loop.now_ms;
	if (descriptors_init(lan, e) < 0 || ports_init(lan, e) < 0 ||
	    flows_init(lan, c->flows, e) < 0 || host_init(lan, e) < 0)
		return -1;
	return 0;
}

void
lan_release(struct lan *lan)
{
	control_release(lan);
	reload_release(lan);
	publish_release(lan);
	listeners_release(lan);
	flows_release(lan);
	dns_streams_release(lan);
	resolver_release(lan);
	pcap_release(lan);
	leases_release(lan);
	host_release(lan);
	ports_release(lan);
	descriptors_release(lan);
	loop_release(&lan->loop);
}

static void
tick(struct lan *lan)
{
	if (lan->loop.now_ms - lan->tick_ms < TICK_MS)
		return;
	lan->tick_ms = lan->loop.now_ms;
	lan->ticks++;
	flows_expire(lan);
	resolver_retry(lan);
	dns_streams_expire(lan);
	pcap_flush(lan);
	for (uint32_t i = 0; i < lan->port_top; i++) {
		lan->ports[i].icmp_errors = 0;
		if (lan->ports[i].fd >= 0 &&
		    lan->ticks % NDP_ADVERTISE_EVERY_S == 0)
			ndp_advertise(lan, &lan->ports[i]);
	}
}

/* Flows that wait for a port which has room by now; true: more remain. */
static bool
resume(struct lan *lan)
{
	bool more = false;

	for (uint32_t i = 0; i < lan->port_top; i++) {
		struct port *p = &lan->ports[i];

		if (p->fd < 0 || !p->waiting || p->blocked)
			continue;
		if (port_room(p) >= FRAME_MAX)
			flows_of_port_resume(lan, p);
		more |=
		    p->waiting && (!p->out_rate.rate || p->out_rate.level > 0);
	}
	return more;
}

static bool
limited(const struct lan *lan)
{
	for (uint32_t i = 0; i < lan->port_top; i++) {
		const struct port *p = &lan->ports[i];

		if (p->fd >= 0 && p->in_rate.rate &&
		    (p->throttled || p->out_rate.level <= 0))
			return true;
	}
	return false;
}

/* How long nothing has to be done. */
static int
patience(const struct lan *lan, bool busy)
{
	if (busy)
		return 0;
	if (lan->paused_ports)
		return PAUSE_MS;
	if (lan->delayed.count)
		return ACK_DELAY_MS;
	if (limited(lan))
		return REFILL_MS;
	if (lan->flows.armed)
		return WHEEL_SLOT_MS;
	return TICK_MS;
}

int
lan_turn(struct lan *lan, int timeout_ms)
{
	ports_continue(lan);
	if (loop_turn(&lan->loop, lan, lan->pending_ports ? 0 : timeout_ms) < 0)
		return -1;
	if (lan->delayed.count &&
	    lan->loop.now_ms - lan->delayed.since_ms >= ACK_DELAY_MS)
		tcp_send_delayed(lan);
	flows_turn_wheel(lan);
	ports_refill(lan);
	tick(lan);
	ports_flush(lan);
	return 0;
}

int
lan_run(struct lan *lan, struct err *e)
{
	bool busy = false;

	while (!lan->stop) {
		if (lan_turn(lan, patience(lan, busy)) < 0)
			return err_errno(e, EX_OSERR, "epoll");
		busy = resume(lan);
		ports_flush(lan);
	}
	return 0;
}
