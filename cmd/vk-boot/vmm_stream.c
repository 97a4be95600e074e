/* SPDX-License-Identifier: MIT */
/* vmm_stream.c - a stream that the program opens to us */
#include "cmd/vk-boot/vmm_stream.h"

#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

const struct filter_call vmm_stream_calls[] = {
    CALL(accept4),
    CALL(recvfrom),
    CALL(sendto),
    CALL(close),
    CALLS_END,
};

static void
leave(struct vmm_stream *s)
{
	struct err e = ERR_INIT;

	loop_close(s->loop, &s->peer);
	s->rest_len = 0;
	if (!s->listener.added &&
	    loop_add(s->loop, &s->listener, EPOLLIN, &e) < 0)
		log_warn("%s", e.text);
}

/* False: there is no more, for now or for good. */
static bool
take(struct vmm_stream *s)
{
	char text[4096];
	ssize_t n = recv(s->peer.fd, text, sizeof(text), MSG_DONTWAIT);

	if (n > 0)
		s->said(s->owner, text, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		leave(s);
	return n > 0;
}

/* False: it is gone. */
static bool
flush(struct vmm_stream *s)
{
	ssize_t n =
	    send(s->peer.fd, s->rest, s->rest_len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		leave(s);
		return false;
	}
	if (n > 0) {
		s->rest_len -= (size_t)n;
		memmove(s->rest, s->rest + n, s->rest_len);
	}
	loop_change(s->loop, &s->peer,
	    s->rest_len ? EPOLLIN | EPOLLOUT : (uint32_t)EPOLLIN);
	return true;
}

static void
peer_ready(struct loop_source *source, uint32_t events)
{
	struct vmm_stream *s = source->owner;

	if (events & EPOLLOUT && flush(s) && s->rest_len == 0 && s->sent)
		s->sent(s->owner);
	if (source->fd >= 0 && events & ~(uint32_t)EPOLLOUT)
		take(s);
}

static void
listener_ready(struct loop_source *source, uint32_t events)
{
	struct vmm_stream *s = source->owner;
	int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC);
	struct err e = ERR_INIT;

	(void)events;
	/* As in vhost_user.c: who comes second waits for a descriptor without
	 * waking us. */
	if (fd < 0 && errno != EAGAIN && s->peer.fd >= 0)
		loop_remove(s->loop, source);
	if (fd < 0)
		return;
	if (s->peer.fd >= 0) {
		close(fd); /* one is all there is */
		return;
	}
	s->peer.fd = fd;
	if (loop_add(s->loop, &s->peer, EPOLLIN, &e) < 0)
		fd_close(&s->peer.fd);
	else
		s->arrived(s->owner);
}

int
vmm_stream_open(struct vmm_stream *s, struct err *e)
{
	s->peer = (struct loop_source){
	    .fd = -1,
	    .ready = peer_ready,
	    .owner = s,
	};
	s->listener = (struct loop_source){
	    .fd = -1,
	    .ready = listener_ready,
	    .owner = s,
	};
	s->given = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	s->listener.fd = fcntl(s->given, F_DUPFD_CLOEXEC, 0);
	if (s->listener.fd < 0 || io_nonblock(s->listener.fd, 1) < 0)
		return err_errno(e, EX_OSERR, "socket");
	filter_add(loop_filter(s->loop), vmm_stream_calls);
	return loop_add(s->loop, &s->listener, EPOLLIN, e);
}

void
vmm_stream_drain(struct vmm_stream *s)
{
	if (s->peer.fd < 0 && s->listener.fd >= 0)
		listener_ready(&s->listener, EPOLLIN);
	while (s->peer.fd >= 0 && take(s))
		continue;
}

bool
vmm_stream_send(struct vmm_stream *s, const void *text, size_t len)
{
	if (s->peer.fd < 0 || len > sizeof(s->rest) - s->rest_len)
		return false;
	memcpy(s->rest + s->rest_len, text, len);
	s->rest_len += len;
	return flush(s);
}

void
vmm_stream_release(struct vmm_stream *s)
{
	if (!s->loop)
		return;
	loop_close(s->loop, &s->peer);
	loop_close(s->loop, &s->listener);
	fd_close(&s->given);
	s->loop = NULL;
}
