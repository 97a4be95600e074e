/* SPDX-License-Identifier: MIT */
/*
 * vhost_user.c - a hostile front end
 *
 * The bytes are messages: what is asked, flags, a kind of descriptors beside
 * it, a length, and the payload. They go through a real socket, and the back
 * end does all that it has to do after each. Seeds begin as front ends do, so
 * that there is memory and a ring to break.
 */
#include "cmd/vk-boot/virtio/vhost_user.h"

#include "cmd/vk-boot/virtio/rng.h"

#include "common/cursor.h"
#include "common/log.h"
#include "common/scope.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

/* More of them in one input teach nothing new. */
#define MESSAGES_MAX 64
#define MEMORY_SIZE  0x10000
#define FDS          8

/* Beside a message. */
enum beside {
	NOTHING,
	MEMORY,     /* a file of MEMORY_SIZE */
	EVENT,      /* an eventfd */
	EVENT_KICK, /* one that has been written to */
	EMPTY,      /* a file of no size */
	FOLDER,     /* what cannot be mapped, nor waited for */
	SOCKET,
	MANY, /* as many as there can be */
	KINDS,
};

/* Flags of ours, in the flags' upper bits: the size is a lie, and then the
 * connection is at its end. */
#define LIES 0x80

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct front {
	struct cursor in;
	struct loop *loop;
	int listener, fd;
};

static void
turn(struct front *f)
{
	for (int i = 0; i < 20 && loop_turn(f->loop, 0) > 0; i++)
		continue;
}

static void
join(struct front *f)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(address);

	fd_close(&f->fd);
	turn(f);
	f->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (getsockname(f->listener, (struct sockaddr *)&address, &len) < 0 ||
	    connect(f->fd, (struct sockaddr *)&address, len) < 0)
		__builtin_trap();
	turn(f);
}

static int
make_fd(enum beside kind)
{
	int fd;

	switch (kind) {
	case MEMORY:
		fd = memfd_create("fuzz", MFD_CLOEXEC);
		if (ftruncate(fd, MEMORY_SIZE) < 0)
			__builtin_trap();
		return fd;
	case EMPTY:
		return memfd_create("fuzz", MFD_CLOEXEC);
	case FOLDER:
		return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	case SOCKET:
		return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	default:
		return eventfd(kind == EVENT_KICK, EFD_CLOEXEC);
	}
}

static void
say(struct front *f, const uint8_t *text, size_t len, enum beside kind)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(FDS * sizeof(int))];
	} control = {0};
	struct iovec part = {(void *)text, len};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	struct cmsghdr *h = &control.align;
	unsigned count = kind == NOTHING ? 0 : kind == MANY ? FDS : 1;
	int fds[FDS];

	for (unsigned i = 0; i < count; i++)
		fds[i] = make_fd(kind);
	if (count > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(h), fds, count * sizeof(int));
	}
	/* It may have been disconnected. */
	if (sendmsg(f->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		join(f);
	while (count > 0)
		close(fds[--count]);
}

static void
message(struct front *f)
{
	uint8_t request = get_u8(&f->in), flags = get_u8(&f->in);
	enum beside kind = get_u8(&f->in) % KINDS;
	size_t len = get_u8(&f->in);
	const uint8_t *payload = get_bytes(&f->in, len);
	uint8_t out[12 + 256], drop[8192];
	struct writer w = writer_of(out, sizeof(out));

	if (!payload)
		return;
	put_le(&w, request, 4);
	put_le(&w, flags & 0xf, 4);
	put_le(&w, flags & LIES ? len * 64 + 1 : len, 4);
	put_bytes(&w, payload, len);
	say(f, out, writer_len(&w), kind);
	if (flags & LIES)
		shutdown(f->fd, SHUT_WR);
	turn(f);
	while (recv(f->fd, drop, sizeof(drop), MSG_DONTWAIT) > 0)
		continue;
	if (flags & LIES)
		join(f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr_un nameless = {.sun_family = AF_UNIX};
	struct front f = {.in = cursor_of(data, size), .fd = -1};
	struct gmem mem = {.count = 0};
	struct vhost_user_config config = {.mem = &mem};
	struct vhost_user *vhost;
	struct err e = ERR_INIT;

	/* Bound to a name that the kernel finds. */
	f.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(f.listener, (struct sockaddr *)&nameless,
		sizeof(sa_family_t)) < 0 ||
	    listen(f.listener, 4) < 0)
		__builtin_trap();
	f.loop = loop_new("fuzz", &e);
	config.device = rng_new(f.loop, &mem, &e);
	config.listener = f.listener;
	vhost = vhost_user_new(&config, &e);
	if (!vhost)
		__builtin_trap();
	join(&f);
	for (int i = 0; i < MESSAGES_MAX && f.in.left > 0 && !f.in.bad; i++)
		message(&f);
	fd_close(&f.fd);
	turn(&f);
	vhost_user_free(vhost);
	virtio_device_free(config.device);
	loop_free(f.loop);
	return 0;
}
