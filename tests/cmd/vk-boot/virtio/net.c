/* SPDX-License-Identifier: MIT */
#include "cmd/vk-boot/virtio/net.h"

#include "cmd/vk-boot/virtio/net_peer.h"
#include "tests/cmd/vk-boot/driver.h"
#include "tests/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { RX, TX };

#define CSUM       (1ull << 0)
#define GUEST_CSUM (1ull << 1)
#define GUEST_TSO4 (1ull << 7)
#define HOST_TSO4  (1ull << 11)
#define MERGE      (1ull << 15)

static const uint8_t mac[6] = {0x02, 1, 2, 3, 4, 5};
static const struct err no_err = ERR_INIT;

struct header {
	uint8_t flags, gso;
	uint16_t header_len, gso_size, start, offset, buffers;
};

/* The device with a pair of sockets, of which one is the peer's. */
static int
setup(struct driver *d, bool offloads)
{
	struct net_config config = {.mtu = 1500, .no_offloads = !offloads};
	struct err e = no_err;
	int pair[2];

	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	config.fd = pair[0];
	memcpy(config.mac, mac, 6);
	driver_init(d);
	driver_use(d, net_new(d->loop, &d->mem, &config, &e));
	return pair[1];
}

static bool
is_up(struct driver *d)
{
	uint16_t status;

	virtio_config_read(d->dev, 6, &status, 2);
	return status & 1;
}

/* The guest sends a frame: its header, and its bytes in pieces. */
static void
guest_sends(
    struct driver *d, const struct header *h, const void *frame, uint32_t len)
{
	struct driver_part parts[3] = {
	    {0x90000, 12, false},
	    {0x90010, len < 100 ? len : 100, false},
	    {0x90010 + 100, len < 100 ? 0 : len - 100, false},
	};

	memcpy(driver_at(d, 0x90000, 12), h, 12);
	memcpy(driver_at(d, 0x90010, len), frame, len);
	assert(driver_add(d, TX, parts, 3) >= 0);
	driver_kick(d, TX);
}

static const struct header plain = {0};

/* The next frame at the peer's end, with its virtio-net header if headers;
 * -1: none. */
static ssize_t
peer_takes(int fd, void *into, size_t size)
{
	uint32_t length;

	if (recv(fd, &length, 4, MSG_DONTWAIT) != 4)
		return -1;
	length = __builtin_bswap32(length);
	if (length > size)
		return -2;
	return recv(fd, into, length, MSG_DONTWAIT | MSG_WAITALL);
}

static void
peer_sends(struct driver *d, int fd, const void *frame, uint32_t len)
{
	uint32_t length = __builtin_bswap32(len);

	if (write(fd, &length, 4) != 4 || write(fd, frame, len) != (ssize_t)len)
		printf("# short write\n");
	if (d)
		driver_turn(d);
}

/* The agreement's frames, byte for byte. */
static void
hello(uint8_t kind, uint32_t features, uint8_t frame[26])
{
	static const uint8_t start[] = {0x01, 0x80, 0xc2, 0, 0, 0x0e, 0x02, 1,
	    2, 3, 4, 5, 0x88, 0xb5, 'v', 'k', 's', 'w', 1};

	memset(frame, 0, 26);
	memcpy(frame, start, sizeof(start));
	frame[19] = kind;
	frame[25] = (uint8_t)features;
}

static void
post(struct driver *d, unsigned count, uint32_t size)
{
	static uint64_t at;

	for (unsigned i = 0; i < count; i++) {
		struct driver_part part = {0x100000 + at, size, true};

		/* not over what is posted still */
		at = (at + size) % 0x200000;

		driver_add(d, RX, &part, 1);
	}
	driver_kick(d, RX);
}

/* A frame for the guest out of however many buffers; its length, -1. */
static ssize_t
guest_takes(struct driver *d, struct header *h, uint8_t *frame)
{
	size_t at = 0;
	uint16_t buffers = 1;

	for (uint16_t i = 0; i < buffers; i++) {
		uint32_t len;
		int head = driver_used(d, RX, &len);
		uint8_t *from;

		if (head < 0)
			return -1;
		from =
		    driver_at(d, driver_desc(d, RX, (unsigned)head)->addr, len);
		if (i == 0) {
			memcpy(h, from, 12);
			buffers = h->buffers;
			from += 12;
			len -= 12;
		}
		memcpy(frame + at, from, len);
		at += len;
	}
	return (ssize_t)at;
}

static void
test_plain(void)
{
	static uint8_t frame[70000], got[70000];
	uint8_t expected[26], config[12];
	struct net_stats stats;
	struct header h;
	struct driver d;
	int fd = setup(&d, true);

	hello(1, 0x3f, expected);
	ok(peer_takes(fd, got, sizeof(got)) == 26 && !memcmp(got, expected, 26),
	    "OFFER is the first frame");
	driver_start(&d, ~0ull);
	ok(!(d.dev->features & (CSUM | GUEST_CSUM | HOST_TSO4)),
	    "no offloads without an answer");
	virtio_config_read(d.dev, 0, config, 12);
	ok(!memcmp(config, mac, 6) && config[10] == 1500 % 256 &&
		config[11] == 1500 / 256 && is_up(&d),
	    "MAC, MTU, link up");
	for (unsigned i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 7);
	guest_sends(&d, &plain, frame, 60);
	ok(peer_takes(fd, got, sizeof(got)) == 60 && !memcmp(got, frame, 60),
	    "a frame of the guest");
	ok(driver_used(&d, TX, NULL) >= 0, "used");
	guest_sends(&d, &plain, frame, 1514);
	ok(peer_takes(fd, got, sizeof(got)) == 1514 &&
		!memcmp(got, frame, 1514),
	    "a larger one");
	guest_sends(&d, &plain, frame, 13);
	guest_sends(&d, &plain, frame, 65554);
	h = (struct header){.flags = 1, .start = 34, .offset = 16};
	guest_sends(&d, &h, frame, 100);
	h = (struct header){.gso = 1, .gso_size = 1000};
	guest_sends(&d, &h, frame, 100);
	guest_sends(&d, &plain, expected, 26);
	is_int(peer_takes(fd, got, sizeof(got)), -1,
	    "too short, too long, not agreed, forged: dropped");
	ok(!d.needs_reset, "and nothing more");
	guest_sends(&d, &plain, frame, 65553);
	ok(peer_takes(fd, got, sizeof(got)) == 65553 &&
		!memcmp(got, frame, 65553),
	    "the largest");

	peer_sends(&d, fd, frame, 100);
	is_int(guest_takes(&d, &h, got), -1, "no buffer for the guest");
	is_int(loop_turn(d.loop, 20), 0, "nobody spins");
	post(&d, 20, 2000);
	ok(guest_takes(&d, &h, got) == 100 && !memcmp(got, frame, 100) &&
		h.buffers == 1 && h.flags == 0 && h.gso == 0,
	    "a frame for the guest, when it has one");
	ok(driver_called(&d, RX), "interrupts");
	peer_sends(&d, fd, frame, 9000);
	ok(guest_takes(&d, &h, got) == 9000 && !memcmp(got, frame, 9000) &&
		h.buffers == 5,
	    "in five buffers");
	peer_sends(&d, fd, frame, 65553);
	is_int(guest_takes(&d, &h, got), -1, "not enough buffers");
	post(&d, 30, 2000);
	ok(guest_takes(&d, &h, got) == 65553 && !memcmp(got, frame, 65553),
	    "until there are");
	net_stats(d.dev, &stats);
	ok(stats.from_guest_frames == 3 && stats.from_guest_dropped == 5 &&
		stats.from_guest_bytes == 60 + 1514 + 65553 &&
		stats.to_guest_frames == 3 &&
		stats.to_guest_bytes == 100 + 9000 + 65553,
	    "counted");

	driver_start(&d, ~0ull & ~MERGE);
	post(&d, 3, 2000);
	peer_sends(&d, fd, frame, 3000);
	peer_sends(&d, fd, frame, 1500);
	ok(guest_takes(&d, &h, got) == 1500 && h.buffers == 1,
	    "without merging what does not fit is dropped");
	driver_start(&d, ~0ull);
	post(&d, 2, 11);
	peer_sends(&d, fd, frame, 60);
	ok(guest_takes(&d, &h, got) == -1, "buffers smaller than a header");
	ok(is_up(&d), "the link is still up");
	close(fd);
	driver_turn(&d);
	ok(!is_up(&d) && d.interrupts > 0, "the peer goes: link down");
	guest_sends(&d, &plain, frame, 60);
	ok(driver_used(&d, TX, NULL) >= 0, "frames are dropped");
	is_int(loop_turn(d.loop, 20), 0, "nobody spins");
	driver_release(&d);
}

/* A frame of 65553 bytes with its header, in buffers of 2000. */
#define WHOLE 33

struct watcher {
	const uint16_t *index; /* of the used ring */
	atomic_bool stop;
	unsigned torn;
};

static void *
watch(void *with)
{
	struct watcher *w = with;

	while (!atomic_load(&w->stop))
		w->torn += __atomic_load_n(w->index, __ATOMIC_ACQUIRE) % WHOLE;
	return NULL;
}

/* A driver that is at work finds a frame of many buffers whole: by the first it
 * knows how many there are, and drops a frame that has fewer. */
static void
test_whole(void)
{
	static uint8_t frame[65553], got[70000];
	struct watcher w = {.torn = 0};
	unsigned taken = 0;
	struct header h;
	struct driver d;
	int fd = setup(&d, false);
	pthread_t thread;

	driver_start(&d, ~0ull);
	w.index = &driver_used_ring(&d, RX)->idx;
	if (pthread_create(&thread, NULL, watch, &w) != 0)
		return;
	for (unsigned i = 0; i < 200; i++) {
		post(&d, WHOLE, 2000);
		peer_sends(&d, fd, frame, sizeof(frame));
		taken += guest_takes(&d, &h, got) == sizeof(frame);
	}
	atomic_store(&w.stop, true);
	pthread_join(thread, NULL);
	is_int(taken, 200, "frames in %d buffers", WHOLE);
	is_int(w.torn, 0, "none of which is seen in part");
	close(fd);
	driver_release(&d);
}

static void
test_wrong_peer(void)
{
	struct driver d;
	uint8_t got[100];
	int fd = setup(&d, false);

	is_int(peer_takes(fd, got, sizeof(got)), -1, "no OFFER if not wanted");
	driver_start(&d, ~0ull);
	peer_sends(&d, fd, got, 13);
	ok(!is_up(&d), "a frame of 13 bytes is the peer's end");
	close(fd);
	driver_release(&d);
	fd = setup(&d, false);
	driver_start(&d, ~0ull);
	ok(write(fd, "\0\1\0\22", 4) == 4, "a length");
	driver_turn(&d);
	ok(!is_up(&d), "of 65554 bytes, too");
	close(fd);
	driver_release(&d);
}

static void
test_offloads(void)
{
	static uint8_t frame[70000], got[70000];
	uint8_t said[26], expected[26];
	struct header h = {0};
	struct driver d;
	int fd = setup(&d, true);

	peer_takes(fd, got, sizeof(got));
	hello(2, 0x1b, said); /* CSUM and TSO4, both ways */
	peer_sends(&d, fd, said, 26);
	driver_start(&d, ~0ull);
	is_int(d.dev->features & (CSUM | GUEST_CSUM | GUEST_TSO4 | HOST_TSO4 |
				     1 << 8 | 1 << 12),
	    CSUM | GUEST_CSUM | GUEST_TSO4 | HOST_TSO4,
	    "what was answered is offered");
	hello(3, 0x1b, expected);
	ok(peer_takes(fd, got, sizeof(got)) == 26 && !memcmp(got, expected, 26),
	    "CONFIRM at the driver's start");
	ok(is_up(&d), "link up");
	h = (struct header){.flags = 0xff,
	    .gso = 1,
	    .gso_size = 1448,
	    .start = 34,
	    .offset = 16,
	    .header_len = 66,
	    .buffers = 77};
	frame[12] = 8;
	guest_sends(&d, &h, frame, 65000);
	is_int(peer_takes(fd, got, sizeof(got)), 65012, "a large one, header");
	ok(got[0] == 1 && got[1] == 1 && got[10] == 1 && got[11] == 0 &&
		!memcmp(got + 2, (uint8_t *)&h + 2, 8) &&
		!memcmp(got + 12, frame, 65000),
	    "and all; only known flags");
	for (unsigned i = 0; i < 7; i++) {
		static const struct header wrong[] = {
		    {.flags = 1, .gso = 4, .gso_size = 9, .start = 34},
		    {.flags = 1, .gso = 3, .gso_size = 9, .start = 34},
		    {.flags = 1, .gso = 1, .gso_size = 0, .start = 34},
		    {.flags = 0, .gso = 1, .gso_size = 9, .start = 34},
		    {.flags = 1, .start = 13},
		    {.flags = 1, .start = 99, .offset = 0},
		    {.flags = 1, .start = 34, .offset = 65535},
		};

		guest_sends(&d, &wrong[i], frame, 100);
	}
	is_int(peer_takes(fd, got, sizeof(got)), -1,
	    "headers that say more are dropped");
	post(&d, 50, 2000);
	memcpy(got, &h, 12);
	memcpy(got + 12, frame, 65000);
	peer_sends(&d, fd, got, 65012);
	memset(got, 1, sizeof(got));
	ok(guest_takes(&d, &h, got) == 65000 && h.flags == 1 && h.gso == 1 &&
		h.gso_size == 1448 && h.start == 34 && h.buffers == 33 &&
		!memcmp(got, frame, 65000),
	    "a large one for the guest");
	h.gso = 4;
	memcpy(got, &h, 12);
	peer_sends(&d, fd, got, 112);
	is_int(guest_takes(&d, &h, got), -1, "not one it cannot take");

	/* the next driver takes less, and the one after it gets no more */
	driver_start(&d, ~0ull & ~(HOST_TSO4 | GUEST_TSO4));
	hello(3, 0x09, expected);
	ok(peer_takes(fd, got, sizeof(got)) == -1, "agreed once and for all");
	h = (struct header){.flags = 1, .start = 34, .offset = 16};
	guest_sends(&d, &h, frame, 1000);
	is_int(peer_takes(fd, got, sizeof(got)), 1012, "sums are missing");
	close(fd);
	driver_release(&d);

	fd = setup(&d, true);
	peer_takes(fd, got, sizeof(got));
	peer_sends(&d, fd, said, 26);
	driver_start(&d, CSUM | 1ull << 32);
	hello(3, 0x01, expected);
	ok(peer_takes(fd, got, sizeof(got)) == 26 && !memcmp(got, expected, 26),
	    "a driver that takes less");
	driver_start(&d, ~0ull);
	is_int(d.dev->features & (CSUM | GUEST_CSUM | HOST_TSO4), CSUM,
	    "narrows what the next one is offered");
	close(fd);
	driver_turn(&d);
	ok(!is_up(&d), "down");
	driver_release(&d);

	/* an answer after the start */
	fd = setup(&d, true);
	peer_takes(fd, got, sizeof(got));
	driver_start(&d, ~0ull);
	peer_sends(&d, fd, said, 26);
	hello(3, 0, expected);
	ok(peer_takes(fd, got, sizeof(got)) == 26 && !memcmp(got, expected, 26),
	    "a late answer is confirmed with nothing");
	guest_sends(&d, &plain, frame, 60);
	is_int(peer_takes(fd, got, sizeof(got)), 72, "but for headers");
	close(fd);
	driver_release(&d);
}

/* The peer does not read: the guest waits, and nothing is lost or mixed up. */
static void
test_slow_peer(void)
{
	static uint8_t frame[9000], got[70000];
	unsigned sent = 0, received = 0, wrong = 0;
	struct driver d;
	int fd = setup(&d, false);

	driver_start(&d, ~0ull);
	while (received < 3000) {
		/* each frame in memory of its own, until the ring is full */
		while (sent < 3000) {
			uint32_t len = 60 + sent * 37 % 8000;
			uint64_t at = 0x100000 + (uint64_t)(sent % 128) * 9216;
			struct driver_part parts[2] = {
			    {at, 12, false}, {at + 12, len, false}};

			if (sent - received >= 128 ||
			    driver_add(&d, TX, parts, 2) < 0)
				break;
			memset(driver_at(&d, at, 12), 0, 12);
			memset(driver_at(&d, at + 12, len), (uint8_t)sent, len);
			sent++;
		}
		driver_kick(&d, TX);
		for (unsigned i = 0; i < 1 + sent % 100; i++) {
			uint32_t len = 60 + received * 37 % 8000;
			ssize_t n = peer_takes(fd, got, sizeof(got));

			if (n < 0)
				break;
			driver_turn(&d);
			memset(frame, (uint8_t)received, len);
			wrong += n != (ssize_t)len || memcmp(got, frame, len);
			received++;
		}
		while (driver_used(&d, TX, NULL) >= 0)
			;
	}
	is_int(wrong, 0, "3000 frames through a full socket");
	is_int(loop_turn(d.loop, 20), 0, "nobody spins");
	close(fd);
	driver_release(&d);
}

static void
test_reconnect(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct net_config config = {.path = address.sun_path};
	char folder[] = "/tmp/vk-net.XXXXXX";
	uint8_t got[100], said[26];
	struct err e = no_err;
	struct driver d;
	int s, fd;

	if (!mkdtemp(folder))
		return;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", folder);
	driver_init(&d);
	ok(!net_new(d.loop, &d.mem, &config, &e) && e.status == EX_NOINPUT &&
		strstr(e.text, "/s: No such file"),
	    "nobody there: %s", e.text);
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bind(s, (void *)&address, sizeof(address));
	listen(s, 1);
	memcpy(config.mac, mac, 6);
	driver_use(&d, net_new(d.loop, &d.mem, &config, &e));
	fd = accept(s, NULL, NULL);
	peer_takes(fd, got, sizeof(got));
	hello(2, 1, said);
	peer_sends(&d, fd, said, 26);
	driver_start(&d, ~0ull);
	ok(is_up(&d), "connected");
	close(fd);
	driver_turn(&d);
	ok(!is_up(&d), "the peer is gone");
	loop_turn(d.loop, 1000);
	fd = accept(s, NULL, NULL);
	is_int(peer_takes(fd, got, sizeof(got)), 26, "and back, OFFER");
	ok(!is_up(&d), "down until it carries what the guest uses");
	peer_sends(&d, fd, said, 26);
	ok(is_up(&d), "up again");
	hello(3, 1, said);
	ok(peer_takes(fd, got, sizeof(got)) == 26 && !memcmp(got, said, 26),
	    "confirmed");
	close(s);
	unlink(address.sun_path);
	close(fd);
	driver_turn(&d);
	loop_turn(d.loop, 1000);
	loop_turn(d.loop, 1000);
	ok(!is_up(&d), "gone for longer");
	driver_release(&d);
	rmdir(folder);
}

int
main(void)
{
	test_plain();
	test_whole();
	test_wrong_peer();
	test_offloads();
	test_slow_peer();
	test_reconnect();
	return tap_done();
}
