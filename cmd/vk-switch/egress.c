/* SPDX-License-Identifier: MIT */
/* egress.c - sockets for flows that leave the LAN */
#include "cmd/vk-switch/egress.h"

#include "cmd/vk-switch/descriptors.h"
#include "cmd/vk-switch/gateway.h"
#include "cmd/vk-switch/icmp.h"
#include "cmd/vk-switch/lan.h"
#include "cmd/vk-switch/service.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static int
socket_for(struct lan *lan, const struct port *asking, const struct flow_key *k)
{
	int family = addr_is4(&k->far) ? AF_INET : AF_INET6;
	bool stream = k->proto == PROTO_TCP;
	bool echo = !stream && k->proto != PROTO_UDP;
	int fd = descriptor_socket(lan, asking, family,
	    stream ? SOCK_STREAM : SOCK_DGRAM, echo ? k->proto : 0);
	static const int one = 1;

	if (fd >= 0 && stream)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

int
egress_connect(struct lan *lan, const struct port *asking,
    const struct flow_key *k, struct egress *out)
{
	struct sockaddr_storage ss;
	uint16_t port =
	    k->proto == PROTO_TCP || k->proto == PROTO_UDP ? k->far_port : 0;
	socklen_t len = addr_to_sock(&k->far, port, &ss);

	out->fd = socket_for(lan, asking, k);
	if (out->fd < 0)
		return -1;
	if (connect(out->fd, (struct sockaddr *)&ss, len) < 0)
		out->error = errno;
	return 0;
}

int
egress_open(struct lan *lan, const struct station *s, const struct flow_key *k,
    struct egress *out)
{
	struct port *port = &lan->ports[s->port];
	struct flow_key to;
	struct verdict v;

	*out = (struct egress){.fd = -1};
	port->spent += COST_OF_FLOW;
	if (gateway_has(lan, &k->far))
		return service_open(lan, s, k, out);
	v = policy_check(lan, port, k);
	if (!v.allow) {
		policy_refused(lan, port, &k->far, k->far_port, v.reason);
		return -1;
	}
	to = *k;
	if (lan->proxy.kind) {
		if (k->proto != PROTO_TCP) {
			policy_refused(lan, port, &k->far, k->far_port,
			    "the proxy carries TCP only");
			return -1;
		}
		out->proxied = true;
		to.far = lan->proxy.addr;
		to.far_port = lan->proxy.port;
	}
	out->inspect = v.inspect && k->proto == PROTO_TCP;
	out->rule = v.rule;
	if (egress_connect(lan, port, &to, out) < 0) {
		policy_refused(
		    lan, port, &k->far, k->far_port, strerror(errno));
		return -1;
	}
	return 0;
}

struct flow *
egress_open_datagram(struct lan *lan, const struct station *s,
    const struct flow_key *k, const struct packet *p)
{
	struct port *port = &lan->ports[s->port];
	struct watch w = {.kind = WATCH_FLOW};
	struct egress out;
	struct flow *f;

	if (egress_open(lan, s, k, &out) < 0) {
		icmp_error(lan, port, p, ICMP_ERROR_PROHIBITED, 0);
		return NULL;
	}
	f = flow_new(lan, k, s, FLOWS_DATAGRAM_NEW, out.fd);
	if (!f)
		return NULL;
	f->rule = out.rule;
	w.index = flow_index(lan, f);
	w.generation = f->generation;
	if (!out.error && loop_watch(&lan->loop, f->fd, &w, EPOLLIN) == 0)
		return f;
	icmp_error(lan, port, p,
	    out.error == EHOSTUNREACH ? ICMP_ERROR_HOST : ICMP_ERROR_NET, 0);
	flow_free(lan, f);
	return NULL;
}
