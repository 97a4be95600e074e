/* SPDX-License-Identifier: MIT */
/*
 * vk-tap.c - a network namespace as a VM: joins a tap to a switch's socket
 *
 *	vk-tap [-o] [-m MTU] [-a MAC] SOCKET IFACE
 *	vk-tap [-o] [-m MTU] [-a MAC] -n NETNS IFACE COMMAND [ARG...]
 *
 * Makes the tap IFACE in the namespace that it runs in, connects to SOCKET
 * (vk-switch, passt, QEMU), prints one line when both stand, and carries
 * frames until either ends. -o asks for offloads as vk-boot does. A tool for
 * tests: it trusts its switch.
 *
 * With -n it makes the tap in that namespace, and becomes COMMAND where it
 * was started, with the tap as descriptor 3. -o then gives the tap headers.
 */
#include "cmd/vk-switch/vnet.h"
#include "common/hello.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BUFFER    (256 * 1024)
#define FRAME_TOP (65536 + 64)

static uint8_t up[BUFFER], down[BUFFER];
static size_t up_have, up_done, down_have;
static int tap, sock;
static bool headers; /* of ours: on both sides the same 12 bytes */

_Noreturn static void
fail(const char *what)
{
	fprintf(stderr, "vk-tap: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int
open_tap(const char *name, bool offload, int mtu, const char *mac)
{
	struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned b[6];

	if (offload)
		r.ifr_flags |= IFF_VNET_HDR;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (fd < 0 || control < 0 || ioctl(fd, TUNSETIFF, &r) < 0)
		fail("tap");
	if (mac && sscanf(mac, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3],
		       &b[4], &b[5]) == 6) {
		r.ifr_hwaddr.sa_family = 1; /* ARPHRD_ETHER */
		for (int i = 0; i < 6; i++)
			r.ifr_hwaddr.sa_data[i] = (char)b[i];
		if (ioctl(control, SIOCSIFHWADDR, &r) < 0)
			fail("MAC");
	}
	r.ifr_mtu = mtu;
	if (ioctl(control, SIOCSIFMTU, &r) < 0)
		fail("MTU");
	r.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(control, SIOCSIFFLAGS, &r) < 0)
		fail("up");
	close(control);
	return fd;
}

static int
connect_switch(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int size = 4 << 20;

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		fail(path);
	return fd;
}

static void
read_fully(void *into, size_t len)
{
	for (size_t have = 0; have < len;) {
		ssize_t n = read(sock, (char *)into + have, len - have);

		if (n <= 0)
			fail("switch");
		have += (size_t)n;
	}
}

static void
say_hello(enum hello_kind kind, uint32_t features)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};
	uint8_t frame[4 + HELLO_LEN];
	struct writer w = writer_of(frame, sizeof(frame));

	put_be(&w, HELLO_LEN, 4);
	hello_put(&w, kind, mac, features);
	if (write(sock, frame, writer_len(&w)) != (ssize_t)writer_len(&w))
		fail("hello");
}

/* The three steps of hello.h, then the tap is told what to give. */
static void
negotiate(void)
{
	uint8_t answer[4 + HELLO_LEN];
	uint32_t features;
	int size = VNET_LEN;
	unsigned offload = 0;

	say_hello(HELLO_OFFER, OFFLOADS_ALL);
	read_fully(answer, sizeof(answer));
	if (hello_parse(answer + 4, HELLO_LEN, &features) != HELLO_ANSWER)
		fail("no answer to the offer");
	say_hello(HELLO_CONFIRM, features);
	if (features & OFFLOAD_SEND_CSUM)
		offload |= TUN_F_CSUM;
	if (features & OFFLOAD_SEND_TSO4)
		offload |= TUN_F_TSO4;
	if (features & OFFLOAD_SEND_TSO6)
		offload |= TUN_F_TSO6;
	if (ioctl(tap, TUNSETVNETHDRSZ, &size) < 0 ||
	    ioctl(tap, TUNSETOFFLOAD, offload) < 0)
		fail("offload");
	headers = true;
}

/* Frames of the tap to the switch. */
static bool
tap_input(void)
{
	while (up_have + 4 + FRAME_TOP <= sizeof(up)) {
		struct writer w = writer_of(up + up_have, 4);
		ssize_t n = read(tap, up + up_have + 4, FRAME_TOP);

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0)
			return false;
		put_be(&w, (uint64_t)n, 4);
		up_have += 4 + (size_t)n;
	}
	return true;
}

static bool
switch_output(void)
{
	while (up_done < up_have) {
		ssize_t n = send(sock, up + up_done, up_have - up_done,
		    MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN;
		up_done += (size_t)n;
	}
	up_done = up_have = 0;
	return true;
}

static bool
switch_input(void)
{
	ssize_t n = recv(
	    sock, down + down_have, sizeof(down) - down_have, MSG_DONTWAIT);
	struct cursor c;

	if (n < 0 && errno == EAGAIN)
		return true;
	if (n <= 0)
		return false;
	down_have += (size_t)n;
	c = cursor_of(down, down_have);
	while (c.left >= 4) {
		struct cursor next = c;
		size_t len = get_be32(&next);
		const uint8_t *frame = get_bytes(&next, len);

		if (!frame)
			break;
		/* A full queue of the tap loses it, as a ring does. */
		if (write(tap, frame, len) < 0 && errno != EAGAIN &&
		    errno != EINVAL)
			return false;
		c = next;
	}
	memmove(down, c.at, c.left);
	down_have = c.left;
	return true;
}

/* open_tap() of a namespace; we come back. */
static int
open_tap_in(
    const char *netns, const char *name, bool offload, int mtu, const char *mac)
{
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int there = open(netns, O_RDONLY | O_CLOEXEC), fd;

	if (here < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0)
		fail(netns);
	fd = open_tap(name, offload, mtu, mac);
	if (setns(here, CLONE_NEWNET) < 0)
		fail(netns);
	return fd;
}

_Noreturn static void
become(int fd, char **argv)
{
	/* A copy is not closed by exec; a descriptor that is 3 is. */
	if (fd == 3 ? fcntl(fd, F_SETFD, 0) < 0 : dup2(fd, 3) < 0)
		fail("descriptor 3");
	execvp(argv[0], argv);
	fail(argv[0]);
}

int
main(int argc, char **argv)
{
	const char *mac = NULL, *netns = NULL;
	bool offload = false;
	int mtu = 1500, option;

	while ((option = getopt(argc, argv, "+oa:m:n:")) != -1) {
		if (option == 'o')
			offload = true;
		else if (option == 'a')
			mac = optarg;
		else if (option == 'm')
			mtu = (int)strtol(optarg, NULL, 10);
		else if (option == 'n')
			netns = optarg;
		else
			return 64;
	}
	if (netns && argc - optind >= 2)
		become(open_tap_in(netns, argv[optind], offload, mtu, mac),
		    argv + optind + 1);
	if (argc - optind != 2)
		return 64;
	tap = open_tap(argv[optind + 1], offload, mtu, mac);
	sock = connect_switch(argv[optind]);
	if (offload)
		negotiate();
	puts("ready");
	fflush(stdout);
	for (;;) {
		bool full = up_have > 0;
		struct pollfd p[2] = {{.fd = tap, .events = full ? 0 : POLLIN},
		    {.fd = sock, .events = full ? POLLIN | POLLOUT : POLLIN}};

		if (poll(p, 2, -1) < 0)
			fail("poll");
		if ((p[0].revents && !full && !tap_input()) ||
		    !switch_output() ||
		    (p[1].revents & ~POLLOUT && !switch_input()))
			return 0;
	}
}
