/* SPDX-License-Identifier: MIT */
/* vsock_ports.c - ports of the vsock device with a unix socket of their own */
#include "cmd/vk-boot/virtio/vsock_ports.h"

#include "common/scope.h"
#include "common/size.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

int
vsock_port_parse(struct vsock_port_wish *wish, const char *text, struct err *e)
{
	static const char kind[] = "unix:", end[] = ",listen";
	const char *path = strchr(text, '=');
	size_t len = path ? (size_t)(path - text) : strlen(text);
	cleanup_free char *number = strndup(text, len);
	uint64_t port;

	if (!number || number_parse(number, UINT32_MAX - 1, &port) < 0 ||
	    port == 0)
		return err_set(e, EX_USAGE, "%s: not a port", text);
	*wish = (struct vsock_port_wish){.port = (uint32_t)port};
	wish->listens = !path;
	if (!path)
		return 0;
	if (strncmp(++path, kind, strlen(kind)) != 0 || !path[strlen(kind)])
		return err_set(
		    e, EX_USAGE, "%s: not unix:PATH or unix:PATH,listen", text);
	path += strlen(kind);
	len = strlen(path);
	if (len > strlen(end) && strcmp(path + len - strlen(end), end) == 0) {
		wish->listens = true;
		len -= strlen(end);
	}
	wish->path = strndup(path, len);
	return wish->path ? 0 : err_errno(e, EX_OSERR, "%s", text);
}

static void
listener_ready(struct loop_source *source, uint32_t events)
{
	struct vsock_port *port = source->owner;
	struct vsock_ports *all = port->all;
	int fd;

	(void)events;
	while ((fd = unix_place_accept(source->fd, &all->starved)) >= 0)
		all->asked(all->owner, fd, port->number);
}

int
vsock_ports_add(struct vsock_ports *all, const struct vsock_port_wish *wish,
    const char *path, struct err *e)
{
	struct vsock_port *port = &all->list[all->count];

	if (all->count == VSOCK_PORTS_MAX)
		return err_set(
		    e, EX_USAGE, "more than %d ports", VSOCK_PORTS_MAX);
	all->count++;
	*port = (struct vsock_port){
	    .all = all,
	    .number = wish->port,
	    .listener = {.fd = -1, .ready = listener_ready, .owner = port},
	};
	if (unix_place_open(&port->place, path, e) < 0)
		return -1;
	if (!wish->listens)
		return 0;
	port->listener.fd = unix_place_listen(&port->place, e);
	return port->listener.fd < 0
		   ? -1
		   : loop_add(all->loop, &port->listener, EPOLLIN | EPOLLET, e);
}

void
vsock_ports_release(struct vsock_ports *all)
{
	while (all->count > 0) {
		struct vsock_port *port = &all->list[--all->count];

		if (port->listener.fd >= 0)
			unix_place_remove(&port->place);
		loop_close(all->loop, &port->listener);
		unix_place_close(&port->place);
	}
}

int
vsock_ports_keep(
    const struct vsock_ports *all, struct confine *confine, struct err *e)
{
	for (unsigned i = 0; i < all->count; i++) {
		const struct vsock_port *port = &all->list[i];
		unsigned use =
		    port->listener.fd >= 0 ? CONFINE_REMOVE : CONFINE_CONNECT;

		if (confine_keep(confine, port->place.folder, use, e) < 0)
			return -1;
	}
	return 0;
}

void
vsock_ports_retry(struct vsock_ports *all)
{
	bool starved = all->starved;

	all->starved = false;
	for (unsigned i = 0; starved && i < all->count; i++)
		if (all->list[i].listener.added)
			listener_ready(&all->list[i].listener, 0);
}

static const struct vsock_port *
find(const struct vsock_ports *all, uint32_t number)
{
	for (unsigned i = 0; i < all->count; i++)
		if (all->list[i].number == number &&
		    all->list[i].listener.fd < 0)
			return &all->list[i];
	return NULL;
}

bool
vsock_ports_has(const struct vsock_ports *all, uint32_t number)
{
	return find(all, number) != NULL;
}

int
vsock_ports_connect(const struct vsock_ports *all, uint32_t number)
{
	const struct vsock_port *port = find(all, number);

	return port ? unix_place_connect(&port->place) : -1;
}
