/* SPDX-License-Identifier: MIT */
/* vsock.c - fuzz target: vsock, with a hostile driver and busy programs */
#include "cmd/vk-boot/virtio/vsock.h"

#include "cmd/vk-boot/virtio/vsock_flow.h"
#include "tests/fuzz/vk-boot/device.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROGRAMS 4
#define PORT     7 /* answered */

static int programs[PROGRAMS];
static uint32_t dialled_port; /* of the host's newest connection */

static void
keep(int fd, unsigned at)
{
	if (fd < 0)
		return;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (programs[at % PROGRAMS] >= 0)
		close(programs[at % PROGRAMS]);
	programs[at % PROGRAMS] = fd;
}

/* The device has the other end of each pair, made just before ours: it gets a
 * small buffer, so that a program that does not read is noticed soon. */
static void
make_small(int fd)
{
	int size = 1;

	setsockopt(fd - 1, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static void
accepted(void *owner, int fd)
{
	(void)owner;
	make_small(fd);
	keep(fd, (unsigned)fd);
}

static void
send_packet(struct fuzz *f, const struct vsock_header *header)
{
	struct driver_part parts[2] = {
	    {DRIVER_BUFFERS, 44, false},
	    {DRIVER_BUFFERS + 64, header->len, false},
	};

	memcpy(driver_at(&f->d, DRIVER_BUFFERS, 44), header, 44);
	driver_add(&f->d, 1, parts, 2);
	driver_kick(&f->d, 1);
}

/* Buffers are posted, and two connections made by the guest. */
static void
begin(struct fuzz *f)
{
	struct vsock_header header = {
	    .src_cid = VSOCK_CID_GUEST,
	    .dst_cid = VSOCK_CID_HOST,
	    .dst_port = PORT,
	    .type = VSOCK_TYPE_STREAM,
	    .op = VSOCK_OP_REQUEST,
	    .buf_alloc = 4096,
	};
	struct driver_part part = {DRIVER_BUFFERS + 0x20000, 1024, true};

	for (unsigned i = 0; i < 32; i++)
		driver_add(&f->d, 0, &part, 1);
	driver_kick(&f->d, 0);
	for (; header.src_port < 2; header.src_port++)
		send_packet(f, &header);
}

/* A packet that has some sense: most of its fields are right. */
static void
packet(struct fuzz *f)
{
	uint8_t op = get_u8(&f->in), ports = get_u8(&f->in);
	uint8_t len = get_u8(&f->in), credit = get_u8(&f->in);
	struct vsock_header header = {
	    .src_cid = VSOCK_CID_GUEST,
	    .dst_cid = VSOCK_CID_HOST,
	    .src_port = ports & 3,
	    .dst_port = ports & 0x80 ? PORT : dialled_port + (ports >> 4) % 4,
	    .len = len * (op & 0x80 ? 257u : 1u),
	    .type = VSOCK_TYPE_STREAM,
	    .op = op & 15,
	    .flags = op >> 5,
	    .buf_alloc = credit & 0x80 ? UINT32_MAX : credit * 8u,
	    .fwd_cnt = credit & 0x40 ? 0 : credit,
	};

	send_packet(f, &header);
}

/* Buffers for the guest, and packets taken out of them. */
static void
post(struct fuzz *f)
{
	uint8_t count = get_u8(&f->in), size = get_u8(&f->in);
	struct vsock_header header;

	while (driver_used(&f->d, 0, NULL) >= 0) {
		memcpy(&header, driver_at(&f->d, DRIVER_BUFFERS + 0x20000, 44),
		    44);
		if (header.op == VSOCK_OP_REQUEST)
			dialled_port = header.src_port;
	}
	for (unsigned i = 0; i < count % 16; i++)
		driver_add(&f->d, 0,
		    (struct driver_part[]){
			{DRIVER_BUFFERS + 0x20000, 46u + size * 16u, true}},
		    1);
	driver_kick(&f->d, 0);
}

/* A program on the host writes, reads, half closes, closes. */
static void
program(struct fuzz *f)
{
	static uint8_t bytes[1 << 16];
	uint8_t what = get_u8(&f->in), len = get_u8(&f->in);
	int *fd = &programs[what % PROGRAMS];

	if (*fd < 0) {
		int new = vsock_dial(f->d.dev, len & 3);

		if (new >= 0)
			make_small(new);
		keep(new, what);
		return;
	}
	switch (what / PROGRAMS % 8) {
	case 0:
	case 1:
	case 2:
		if (send(*fd, bytes, len * 64u, MSG_NOSIGNAL) < 0)
			break;
		break;
	case 3:
	case 4:
		if (recv(*fd, bytes, len * 256u, 0) < 0)
			break;
		break;
	case 5:
		shutdown(*fd, len & 1 ? SHUT_WR : SHUT_RD);
		break;
	default:
		close(*fd);
		*fd = -1;
	}
}

static void
special(struct fuzz *f)
{
	uint8_t what = get_u8(&f->in);

	if (what < 120)
		packet(f);
	else if (what < 180)
		post(f);
	else
		program(f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Small, so that limits are met. */
	struct vsock_config config = {
	    .run_folder = -1, .limit = 6, .buffer = 8192};
	struct fuzz f = {.special = special, .begin = begin};
	struct err e = ERR_INIT;
	struct vsock_stats stats;

	for (unsigned i = 0; i < PROGRAMS; i++)
		programs[i] = -1;
	dialled_port = 0x40000001;
	driver_init(&f.d);
	driver_use(&f.d, vsock_new(f.d.loop, &f.d.mem, &config, &e));
	vsock_answer(f.d.dev, PORT, accepted, NULL);
	fuzz_run(&f, data, size);
	for (unsigned i = 0; i < PROGRAMS; i++)
		if (programs[i] >= 0)
			close(programs[i]);
	driver_turn(&f.d);
	/* Driver and programs are gone: so is every connection. */
	vsock_stats(f.d.dev, &stats);
	if (stats.connections != 0)
		abort();
	driver_release(&f.d);
	return 0;
}
