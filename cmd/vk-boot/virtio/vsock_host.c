/* SPDX-License-Identifier: MIT */
/* vsock_host.c - the unix sockets of the vsock device in a VM's run folder */
#include "cmd/vk-boot/virtio/vsock_host.h"

#include "cmd/vk-boot/unix_place.h"

#include "cmd/vk-boot/virtio/vsock.h"
#include "common/scope.h"
#include "common/size.h"

#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#define LISTENER_NAME "vsock"

/* The longest greeting is 19 bytes ("CONNECT 4294967295\n"). */
#define GREETING_MAX 32

/* Clients that have connected and not said where to. They are local programs
 * of the VM's owner and say it at once; one too many ends the oldest. */
#define GREETINGS_MAX 64

struct vsock_greeting {
	TAILQ_ENTRY(vsock_greeting) entry;
	struct loop_source source;
	struct vsock_host *host;
};

/* The address of a name in the run folder. */
static void
address_of(const struct vsock_host *host, const char *name, uint32_t port,
    struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (port && host->hyperkit)
		snprintf(address->sun_path, sizeof(address->sun_path),
		    "/proc/self/fd/%d/%08x.%08x", host->run_folder,
		    VSOCK_CID_HOST, port);
	else if (port)
		snprintf(address->sun_path, sizeof(address->sun_path),
		    "/proc/self/fd/%d/%s_%u", host->run_folder, name, port);
	else
		snprintf(address->sun_path, sizeof(address->sun_path),
		    "/proc/self/fd/%d/%s", host->run_folder, name);
}

/* Ends a greeting; its descriptor is closed or, with keep, handed over. */
static int
greeting_end(struct vsock_greeting *greeting, bool keep)
{
	struct vsock_host *host = greeting->host;
	int fd = greeting->source.fd;

	loop_remove(host->loop, &greeting->source);
	TAILQ_REMOVE(&host->greetings, greeting, entry);
	host->count--;
	free(greeting);
	if (keep)
		return fd;
	fd_close(&fd);
	return -1;
}

/* The port in a whole greeting. 0, -1 where it is anything else. */
static int
parse(char *text, uint32_t *port)
{
	static const char word[] = "CONNECT ";
	uint64_t value;

	if (strncasecmp(text, word, sizeof(word) - 1) != 0 ||
	    number_parse(text + sizeof(word) - 1, UINT32_MAX, &value) < 0)
		return -1;
	*port = (uint32_t)value;
	return 0;
}

static void
greeting_ready(struct loop_source *source, uint32_t events)
{
	struct vsock_greeting *greeting = source->owner;
	struct vsock_host *host = greeting->host;
	char text[GREETING_MAX + 1];
	uint32_t port;
	size_t len;
	char *end;
	ssize_t n;

	n = recv(source->fd, text, GREETING_MAX, MSG_PEEK);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	end = n > 0 ? memchr(text, '\n', (size_t)n) : NULL;
	if (!end && n > 0 && n < GREETING_MAX &&
	    !(events & (EPOLLHUP | EPOLLRDHUP)))
		return;
	if (!end) {
		greeting_end(greeting, false);
		return;
	}
	/* What follows the line is the guest's already. */
	len = (size_t)(end + 1 - text);
	*end = '\0';
	if (recv(source->fd, (char[GREETING_MAX]){0}, len, 0) != (ssize_t)len ||
	    parse(text, &port) < 0) {
		greeting_end(greeting, false);
		return;
	}
	host->asked(host->owner, greeting_end(greeting, true), port);
}

/* Takes a client in, for as long as it says nothing. Owns fd. */
static void
greeting_new(struct vsock_host *host, int fd)
{
	struct vsock_greeting *greeting = calloc(1, sizeof(*greeting));
	struct err e = ERR_INIT;

	if (!greeting) {
		fd_close(&fd);
		return;
	}
	if (host->count == GREETINGS_MAX)
		greeting_end(TAILQ_FIRST(&host->greetings), false);
	greeting->host = host;
	greeting->source = (struct loop_source){
	    .fd = fd,
	    .ready = greeting_ready,
	    .owner = greeting,
	};
	TAILQ_INSERT_TAIL(&host->greetings, greeting, entry);
	host->count++;
	/* Edges: half a greeting does not wake us again and again. */
	if (loop_add(host->loop, &greeting->source,
		EPOLLIN | EPOLLRDHUP | EPOLLET, &e) < 0)
		greeting_end(greeting, false);
	else /* It may have said it: then it does not count as silent. */
		greeting_ready(&greeting->source, EPOLLIN);
}

static void
listener_ready(struct loop_source *source, uint32_t events)
{
	struct vsock_host *host = source->owner;
	int fd;

	(void)events;
	host->starved = false;
	while ((fd = unix_place_accept(source->fd, &host->starved)) >= 0)
		greeting_new(host, fd);
}

void
vsock_host_retry(struct vsock_host *host)
{
	if (host->starved && host->listener.added)
		listener_ready(&host->listener, 0);
}

int
vsock_host_init(struct vsock_host *host, struct err *e)
{
	struct sockaddr_un address;

	TAILQ_INIT(&host->greetings);
	host->listener = (struct loop_source){
	    .fd = -1,
	    .ready = listener_ready,
	    .owner = host,
	};
	if (host->run_folder < 0)
		return 0;
	address_of(host, LISTENER_NAME, 0, &address);
	unlinkat(host->run_folder, LISTENER_NAME, 0);
	host->listener.fd =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (host->listener.fd < 0 ||
	    bind(host->listener.fd, (struct sockaddr *)&address,
		sizeof(address)) < 0 ||
	    listen(host->listener.fd, SOMAXCONN) < 0)
		return err_errno(e, 0, LISTENER_NAME);
	return loop_add(host->loop, &host->listener, EPOLLIN | EPOLLET, e);
}

void
vsock_host_release(struct vsock_host *host)
{
	struct vsock_greeting *greeting;

	if (!host->listener.ready)
		return;
	while ((greeting = TAILQ_FIRST(&host->greetings)))
		greeting_end(greeting, false);
	loop_remove(host->loop, &host->listener);
	if (host->listener.fd >= 0)
		unlinkat(host->run_folder, LISTENER_NAME, 0);
	fd_close(&host->listener.fd);
}

int
vsock_host_connect(const struct vsock_host *host, uint32_t port)
{
	cleanup_fd int fd = -1;
	struct sockaddr_un address;

	if (host->run_folder < 0 || port == 0) {
		errno = ENOENT;
		return -1;
	}
	address_of(host, LISTENER_NAME, port, &address);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* A stream socket of this family is connected at once or not at all:
	 * EAGAIN says that the listener's backlog is full. */
	if (fd < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -1;
	return steal_fd(&fd);
}
