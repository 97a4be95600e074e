/* SPDX-License-Identifier: MIT */
/* service.c - TCP services that the gateway has */
#include "cmd/vk-switch/service.h"

#include "cmd/vk-switch/descriptors.h"
#include "cmd/vk-switch/lan.h"
#include "common/size.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

int
service_parse_target(const char *text, struct addr *a, uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	char host[ADDR_TEXT_MAX];
	uint64_t n;
	size_t len;

	if (!colon || number_parse(colon + 1, 65535, &n) < 0 || n == 0)
		return -1;
	len = (size_t)(colon - text);
	if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (len >= sizeof(host))
		return -1;
	memcpy(host, text, len);
	host[len] = '\0';
	*port = (uint16_t)n;
	return addr_parse(host, a);
}

static int
parse_inside(const char *text, size_t len, struct service *s)
{
	const char *colon = memchr(text, ':', len);
	size_t name = colon ? (size_t)(colon - text) : 0;
	char digits[8];
	uint64_t n;

	if (name >= sizeof(s->name))
		return -1;
	memcpy(s->name, text, name);
	if (colon) {
		text += name + 1;
		len -= name + 1;
	}
	snprintf(digits, sizeof(digits), "%.*s", (int)len, text);
	if (len > 5 || number_parse(digits, 65535, &n) < 0 || n == 0)
		return -1;
	s->port = (uint16_t)n;
	return 0;
}

int
service_parse(const char *text, struct service *s, struct err *e)
{
	const char *equals = strchr(text, '=');
	const char *to = equals ? equals + 1 : "";

	*s = (struct service){.at = {.sun_family = AF_UNIX}};
	if (!equals || parse_inside(text, (size_t)(equals - text), s) < 0)
		return err_set(e, EX_USAGE, "%s: not [NAME:]PORT=...", text);
	if (s->port == 53)
		return err_set(e, EX_USAGE, "%s: port 53 is the DNS's", text);
	if (strncmp(to, "unix:", 5) == 0) {
		s->is_unix = true;
		if (!to[5] || strlen(to + 5) >= sizeof(s->at.sun_path))
			return err_set(
			    e, EX_USAGE, "%s: bad path for a socket", text);
		snprintf(s->at.sun_path, sizeof(s->at.sun_path), "%s", to + 5);
		return 0;
	}
	if (strncmp(to, "tcp:", 4) == 0 &&
	    service_parse_target(to + 4, &s->addr, &s->to_port) == 0)
		return 0;
	return err_set(
	    e, EX_USAGE, "%s: neither unix:PATH nor tcp:ADDR:PORT", text);
}

bool
service_has_name(const struct lan *lan, const char *name)
{
	for (uint32_t i = 0; i < lan->service_count; i++)
		if (strcasecmp(lan->services[i].name, name) == 0)
			return true;
	return false;
}

static int
connect_unix(struct lan *lan, const struct port *port, const struct service *s,
    struct egress *out)
{
	out->fd = descriptor_socket(lan, port, AF_UNIX, SOCK_STREAM, 0);
	if (out->fd < 0)
		return -1;
	out->stream_unix = true;
	/* EAGAIN: its queue is full; as a refusal, the VM tries again. */
	if (connect(out->fd, (const struct sockaddr *)&s->at, sizeof(s->at)) <
	    0)
		out->error = errno == EAGAIN ? ECONNREFUSED : errno;
	if (out->error == ENOENT || out->error == EACCES)
		out->error = ECONNREFUSED;
	return 0;
}

int
service_open(struct lan *lan, const struct station *station,
    const struct flow_key *k, struct egress *out)
{
	const struct port *port = &lan->ports[station->port];

	if (k->proto != PROTO_TCP)
		return -1;
	if (k->far_port == 53) {
		out->stream_unix = true;
		out->fd = dns_stream_open(lan, station);
		return out->fd < 0 ? -1 : 0;
	}
	for (uint32_t i = 0; i < lan->service_count; i++) {
		const struct service *s = &lan->services[i];
		struct flow_key to = *k;

		if (s->port != k->far_port)
			continue;
		if (s->is_unix)
			return connect_unix(lan, port, s, out);
		to.far = s->addr;
		to.far_port = s->to_port;
		return egress_connect(lan, port, &to, out);
	}
	return -1;
}
