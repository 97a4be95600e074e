/* SPDX-License-Identifier: MIT */
/* listener.c - the sockets that VMs connect to */
#include "cmd/vk-switch/listener.h"

#include "cmd/vk-switch/descriptors.h"
#include "cmd/vk-switch/lan.h"
#include "common/local_socket.h"
#include "common/scope.h"
#include "common/size.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

static watch_handler listener_event;

static int
set_text(char *into, size_t size, const char *value, struct err *e)
{
	if (!*value || strlen(value) >= size)
		return err_set(e, EX_USAGE, "%s: empty or too long", value);
	snprintf(into, size, "%s", value);
	return 0;
}

static int
set_name(struct listener *l, const char *value, struct err *e)
{
	if (strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-") !=
		strlen(value) ||
	    value[0] == '-')
		return err_set(e, EX_USAGE, "%s: not a host name", value);
	return set_text(l->name, sizeof(l->name), value, e);
}

static int
set_field(struct listener *l, const char *key, const char *value, struct err *e)
{
	if (strcmp(key, "name") == 0)
		return set_name(l, value, e);
	if (strcmp(key, "policy") == 0)
		return set_text(
		    l->policy_path, sizeof(l->policy_path), value, e);
	if (strcmp(key, "mac") == 0) {
		l->has_mac = true;
		if (mac_parse(value, &l->mac) == 0)
			return 0;
	} else if (strcmp(key, "ip") == 0) {
		l->has_addr = true;
		if (addr_parse(value, &l->addr) == 0 && addr_is4(&l->addr))
			return 0;
	} else if (strcmp(key, "rate") == 0) {
		if (size_parse(value, &l->rate) == 0 && l->rate >= 1500 &&
		    l->rate < (uint64_t)1 << 40)
			return 0;
	} else if (strcmp(key, "isolate") == 0 && !*value) {
		l->isolate = true;
		return 0;
	} else {
		return err_set(e, EX_USAGE, "%s: unknown", key);
	}
	return err_set(e, EX_USAGE, "%s=%s: bad value", key, value);
}

int
listener_add(struct lan *lan, const char *text, struct err *e)
{
	struct listener *l = &lan->listeners[lan->listener_count];
	char copy[1024], *at = copy, *piece;

	if (lan->listener_count == LISTENERS_MAX)
		return err_set(
		    e, EX_USAGE, "more than %d sockets", LISTENERS_MAX);
	if (strlen(text) >= sizeof(copy))
		return err_set(e, EX_USAGE, "too long");
	snprintf(copy, sizeof(copy), "%s", text);
	*l = (struct listener){.fd = -1, .folder = -1};
	piece = strsep(&at, ",");
	if (set_text(l->path, sizeof(l->path), piece, e) < 0)
		return -1;
	while ((piece = strsep(&at, ","))) {
		char *value = strchr(piece, '=');

		if (value)
			*value++ = '\0';
		if (set_field(l, piece, value ? value : "", e) < 0)
			return -1;
	}
	if (l->has_addr && !l->has_mac && !l->name[0])
		return err_set(e, EX_USAGE, "ip= needs name= or mac=");
	for (uint32_t i = 0; i < lan->listener_count; i++)
		if (strcmp(lan->listeners[i].path, l->path) == 0 ||
		    (l->name[0] &&
			strcmp(lan->listeners[i].name, l->name) == 0))
			return err_set(e, EX_USAGE, "%s: given twice", text);
	lan->listener_count++;
	return 0;
}

static int
reserve(struct lan *lan, const struct listener *l, struct err *e)
{
	char text[160], mac[MAC_TEXT_MAX], addr[ADDR_TEXT_MAX];

	if (!l->has_addr)
		return 0;
	snprintf(text, sizeof(text), "%s=%s",
	    l->has_mac ? mac_text(&l->mac, mac) : l->name,
	    addr_text(&l->addr, addr));
	return lease_reserve(lan, text, e);
}

int
listeners_open(struct lan *lan, struct err *e)
{
	lan->loop.handlers[WATCH_LISTENER] = listener_event;
	for (uint32_t i = 0; i < lan->listener_count; i++) {
		struct listener *l = &lan->listeners[i];
		struct watch w = {.kind = WATCH_LISTENER, .index = i};

		if (reserve(lan, l, e) < 0)
			return -1;
		l->fd = local_socket_listen(l->path, 64, &l->folder, e);
		if (l->fd < 0)
			return -1;
		if (loop_watch(&lan->loop, l->fd, &w, EPOLLIN) < 0)
			return err_errno(e, EX_OSERR, "%s", l->path);
	}
	return 0;
}

void
listeners_release(struct lan *lan)
{
	for (uint32_t i = 0; i < lan->listener_count; i++) {
		struct listener *l = &lan->listeners[i];

		if (l->fd >= 0)
			local_socket_remove(l->folder, l->path);
		fd_close(&l->fd);
		fd_close(&l->folder);
	}
}

static void
listener_event(struct lan *lan, const struct watch *w, uint32_t events)
{
	struct listener *l = &lan->listeners[w->index];
	int fd = descriptor_accept(lan, NULL, l->fd, NULL);

	(void)events;
	if (fd >= 0)
		port_open(lan, fd, l);
}
