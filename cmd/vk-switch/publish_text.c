/* SPDX-License-Identifier: MIT */
/* publish_text.c - ports to publish, as users write them */
#include "cmd/vk-switch/packet.h"
#include "cmd/vk-switch/publish.h"
#include "common/size.h"

#include <stdio.h>
#include <string.h>

static int
parse_number(const char *text, uint16_t *port)
{
	uint64_t n;

	if (number_parse(text, 65535, &n) < 0 || n == 0)
		return -1;
	*port = (uint16_t)n;
	return 0;
}

/* "[VM:]PORT"; cuts the text. */
static int
parse_vm(char *text, struct published *p)
{
	char *colon = strchr(text, ':');

	if (colon) {
		*colon = '\0';
		if (!*text || strlen(text) >= sizeof(p->vm))
			return -1;
		snprintf(p->vm, sizeof(p->vm), "%s", text);
		text = colon + 1;
	}
	return parse_number(text, &p->vm_port);
}

/* "PORT[-PORT]"; cuts the text. */
static int
parse_range(char *text, struct published_range *r)
{
	char *dash = strchr(text, '-');
	uint16_t last;

	if (dash)
		*dash = '\0';
	if (parse_number(text, &r->first.port) < 0)
		return -1;
	last = r->first.port;
	if (dash && (parse_number(dash + 1, &last) < 0 || last < r->first.port))
		return -1;
	r->count = (uint16_t)(last - r->first.port + 1);
	return 0;
}

/* Cuts an address with its colon off the front, if there is one. */
static int
parse_address(char **text, struct published *p)
{
	char *end, *colon;
	char copy[ADDR_TEXT_MAX];

	if (**text == '[') {
		end = strchr(*text, ']');
		if (!end || end[1] != ':')
			return -1;
		*end = '\0';
		if (addr_parse(*text + 1, &p->addr) < 0)
			return -1;
		*text = end + 2;
		return 0;
	}
	colon = strchr(*text, ':');
	snprintf(copy, sizeof(copy), "%.*s", colon ? (int)(colon - *text) : 0,
	    *text);
	if (colon && strchr(copy, '.') && addr_parse(copy, &p->addr) == 0) {
		*text = colon + 1;
		return 0;
	}
	return addr_parse("127.0.0.1", &p->addr);
}

static int
parse_inet(char *text, struct published_range *r)
{
	char *slash = strrchr(text, '/'), *colon;

	if (slash) {
		*slash = '\0';
		if (strcmp(slash + 1, "udp") == 0)
			r->first.proto = PROTO_UDP;
		else if (strcmp(slash + 1, "tcp") != 0)
			return -1;
	}
	if (parse_address(&text, &r->first) < 0)
		return -1;
	colon = strchr(text, ':');
	if (!colon)
		return -1;
	*colon = '\0';
	return parse_range(text, r) < 0 ? -1 : parse_vm(colon + 1, &r->first);
}

static int
parse_unix(char *text, struct published_range *r)
{
	/* From the right: a path may hold colons, a port does not. */
	char *colon = strrchr(text, ':'), *before;

	if (!colon)
		return -1;
	*colon = '\0';
	before = strrchr(text, ':');
	*colon = ':';
	if (before && before[1] != '/' && !strchr(before, '/'))
		colon = before;
	*colon = '\0';
	r->first.is_unix = true;
	if (!*text || strlen(text) >= sizeof(r->first.path))
		return -1;
	memcpy(r->first.path, text, strlen(text) + 1);
	return parse_vm(colon + 1, &r->first);
}

int
publish_parse(const char *text, struct published_range *r, struct err *e)
{
	char copy[512];
	int result = -1;

	*r = (struct published_range){
	    .first = {.used = true, .fd = -1, .folder = -1, .proto = PROTO_TCP},
	    .count = 1};
	snprintf(copy, sizeof(copy), "%s", text);
	if (strlen(text) < sizeof(copy))
		result = strncmp(copy, "unix:", 5) == 0
			     ? parse_unix(copy + 5, r)
			     : parse_inet(copy, r);
	if (result == 0 && r->first.vm_port + r->count - 1 <= 65535)
		return 0;
	err_set(e, EX_USAGE, "%s: not a port to publish", text);
	return err_hint(e, "[ADDR:]PORT[-PORT]:[VM:]PORT[/tcp|/udp]");
}
