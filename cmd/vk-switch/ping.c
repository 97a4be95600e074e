/* SPDX-License-Identifier: MIT */
/* ping.c - ICMP echo to the world */
#include "cmd/vk-switch/ping.h"

#include "cmd/vk-switch/egress.h"
#include "cmd/vk-switch/icmp.h"
#include "cmd/vk-switch/lan.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>

/* Asked for it, the kernel tells of hosts that are not there, too, and keeps
 * what it was about in a queue. */
static struct flow *
ping_open(struct lan *lan, const struct station *s, const struct flow_key *key,
    const struct packet *p)
{
	struct flow *f = egress_open_datagram(lan, s, key, p);
	bool four = key->proto == PROTO_ICMP;
	static const int one = 1;

	if (f)
		setsockopt(f->fd, four ? IPPROTO_IP : IPPROTO_IPV6,
		    four ? IP_RECVERR : IPV6_RECVERR, &one, sizeof(one));
	return f;
}

void
ping_input(struct lan *lan, struct port *port, struct station *s,
    const struct packet *p)
{
	struct icmp_echo e;
	struct flow_key key;
	struct flow *f;
	uint8_t head[8];
	struct writer w = writer_of(head, sizeof(head));
	struct iovec iov[2];
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};

	(void)port;
	if (icmp_parse_echo(p, &e) < 0)
		return;
	key = (struct flow_key){
	    .proto = p->proto, .vm = p->from, .far = p->to, .vm_port = e.id};
	f = flow_of(lan, s, &key);
	if (!f)
		f = ping_open(lan, s, &key, p);
	if (!f)
		return;
	f->datagram.echo_id = e.id;
	put_be(&w, p->proto == PROTO_ICMP ? ICMP4_ECHO : ICMP6_ECHO, 1);
	put_be(&w, 0, 5);
	put_be(&w, e.seq, 2);
	iov[0] = (struct iovec){head, sizeof(head)};
	iov[1] = (struct iovec){(void *)e.data, e.len};
	if (sendmsg(f->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
	    errno == EHOSTUNREACH)
		icmp_error(lan, port, p, ICMP_ERROR_HOST, 0);
	f->bytes_out += e.len;
	flow_used(lan, f, (enum flow_list)f->list);
}

/* The queue holds the requests that could not be answered. */
static void
tell_errors(struct lan *lan, struct flow *f, int number)
{
	ssize_t n;

	while ((n = recv(f->fd, lan->waste, sizeof(lan->waste),
		    MSG_ERRQUEUE | MSG_DONTWAIT)) >= 0) {
		struct cursor c = cursor_of(lan->waste, (size_t)n);

		get_bytes(&c, 6);
		f->datagram.echo_seq = get_be16(&c);
		if (number == EHOSTUNREACH)
			icmp_error_for_flow(lan, f, ICMP_ERROR_HOST, 0);
		else if (number == ENETUNREACH)
			icmp_error_for_flow(lan, f, ICMP_ERROR_NET, 0);
	}
}

void
ping_event(struct lan *lan, struct flow *f, uint32_t events)
{
	struct icmp_reply r = {
	    .from = f->far, .to = f->vm, .to_mac = f->vm_mac};
	ssize_t n = recv(f->fd, lan->waste, sizeof(lan->waste), MSG_DONTWAIT);
	struct cursor c = cursor_of(lan->waste, n > 0 ? (size_t)n : 0);
	uint8_t type = get_u8(&c);

	(void)events;
	if (n < 0)
		tell_errors(lan, f, errno);
	get_bytes(&c, 5);
	r.echo =
	    (struct icmp_echo){.id = f->datagram.echo_id, .seq = get_be16(&c)};
	if (c.bad || type != (f->proto == PROTO_ICMP ? ICMP4_ECHO_REPLY
						     : ICMP6_ECHO_REPLY))
		return;
	r.echo.data = c.at;
	r.echo.len = c.left;
	f->bytes_in += c.left;
	f->datagram.answered = true;
	flow_used(lan, f, FLOWS_DATAGRAM);
	icmp_send_reply(lan, &lan->ports[f->port], &r);
}
