/* SPDX-License-Identifier: MIT */
/* vhost_message.c - a message of the vhost-user protocol */
#include "cmd/vk-boot/virtio/vhost_message.h"

#include "common/cursor.h"
#include "common/scope.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

void
vhost_message_patience(int socket)
{
	struct timeval patience = {.tv_sec = VHOST_PATIENCE_S};

	setsockopt(
	    socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(
	    socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

void
vhost_message_close(struct vhost_message *m)
{
	while (m->fd_count > 0)
		fd_close(&m->fds[--m->fd_count]);
}

/* Takes the header and the descriptors that came with it. */
static int
receive_head(int socket, struct vhost_message *m)
{
	uint8_t head[VHOST_HEADER_SIZE];
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(VHOST_FDS_MAX * sizeof(int))];
	} control;
	struct iovec part = {head, sizeof(head)};
	struct msghdr message = {
	    .msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control),
	};
	struct cursor c = cursor_of(head, sizeof(head));
	ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL);

	m->fd_count = 0;
	if (n <= 0)
		return -1;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&message); h;
	     h = CMSG_NXTHDR(&message, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		m->fd_count =
		    (unsigned)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(m->fds, CMSG_DATA(h), m->fd_count * sizeof(int));
	}
	if (n != sizeof(head) || message.msg_flags & MSG_CTRUNC)
		return -1;
	m->request = get_le32(&c);
	m->flags = get_le32(&c);
	m->size = get_le32(&c);
	return 0;
}

/* In one call: its patience is one for all of it. */
static int
receive_payload(int socket, struct vhost_message *m)
{
	struct iovec part = {m->payload, m->size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (m->size == 0)
		return 0;
	return recvmsg(socket, &message, MSG_WAITALL) == (ssize_t)m->size ? 0
									  : -1;
}

int
vhost_message_receive(int socket, struct vhost_message *m)
{
	if (receive_head(socket, m) < 0 ||
	    (m->flags & VHOST_VERSION_MASK) != VHOST_VERSION ||
	    m->size > sizeof(m->payload) || receive_payload(socket, m) < 0) {
		vhost_message_close(m);
		return -1;
	}
	return 0;
}

int
vhost_message_take_fd(struct vhost_message *m)
{
	if (m->fd_count != 1)
		return -1;
	m->fd_count = 0;
	return steal_fd(&m->fds[0]);
}

int
vhost_message_send(int socket, uint32_t request, uint32_t flags,
    const void *payload, uint32_t len)
{
	uint8_t out[VHOST_HEADER_SIZE + VHOST_PAYLOAD_MAX];
	struct writer w = writer_of(out, sizeof(out));

	put_le(&w, request, 4);
	put_le(&w, VHOST_VERSION | flags, 4);
	put_le(&w, len, 4);
	put_bytes(&w, payload, len);
	return !w.bad && send(socket, out, writer_len(&w), MSG_NOSIGNAL) ==
			     (ssize_t)writer_len(&w)
		   ? 0
		   : -1;
}

uint64_t
vhost_message_u64(const struct vhost_message *m)
{
	struct cursor c = cursor_of(m->payload, m->size);

	return get_le64(&c);
}
