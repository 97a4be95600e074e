/* SPDX-License-Identifier: MIT */
/* net.c - fuzz target: the network device, hostile driver and hostile peer */
#include "cmd/vk-boot/virtio/net.h"

#include "tests/fuzz/vk-boot/device.h"

#include <sys/socket.h>
#include <unistd.h>

static int peer;

/* An ANSWER, with features to come. */
static const uint8_t answer[] = {0, 0, 0, 26, 0x01, 0x80, 0xc2, 0, 0, 0x0e, 2,
    1, 2, 3, 4, 5, 0x88, 0xb5, 'v', 'k', 's', 'w', 1, 2, 0, 0, 0, 0, 0};

static void
peer_writes(const void *from, size_t len)
{
	if (from && len > 0 && send(peer, from, len, MSG_NOSIGNAL) < 0)
		return;
}

/* The peer sends bytes or frames, reads, agrees, leaves. */
static void
peer_does(struct fuzz *f)
{
	static uint8_t bytes[1 << 16];
	uint8_t what = get_u8(&f->in), len = get_u8(&f->in);
	uint32_t length;

	if (peer < 0)
		return;
	if (what < 40) {
		peer_writes(answer, sizeof(answer));
		peer_writes((uint8_t[]){len}, 1);
	} else if (what < 120) {
		length = __builtin_bswap32(len);
		if (len > f->in.left)
			return;
		peer_writes(&length, 4);
		peer_writes(get_bytes(&f->in, len), len);
	} else if (what < 160) {
		length = __builtin_bswap32(len * 250u);
		peer_writes(&length, 4);
		peer_writes(bytes, len * 250u);
	} else if (what < 200) {
		if (len <= f->in.left)
			peer_writes(get_bytes(&f->in, len), len);
	} else if (what < 250) {
		while (recv(peer, bytes, sizeof(bytes), 0) > 0)
			;
	} else {
		close(peer);
		peer = -1;
	}
}

static void
post(struct fuzz *f)
{
	for (unsigned i = 0; i < 64; i++)
		driver_add(&f->d, 0,
		    (struct driver_part[]){
			{DRIVER_BUFFERS + 0x20000 + i * 2048u, 2048, true}},
		    1);
	driver_kick(&f->d, 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct net_config config = {.mtu = 1500};
	struct fuzz f = {.special = peer_does, .begin = post};
	struct err e = ERR_INIT;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		pair) < 0)
		abort();
	config.fd = pair[0];
	peer = pair[1];
	driver_init(&f.d);
	driver_use(&f.d, net_new(f.d.loop, &f.d.mem, &config, &e));
	fuzz_run(&f, data, size);
	driver_release(&f.d);
	if (peer >= 0)
		close(peer);
	return 0;
}
