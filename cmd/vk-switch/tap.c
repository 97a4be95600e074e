/* SPDX-License-Identifier: MIT */
/* tap.c - a tap of the kernel as a port */
#include "cmd/vk-switch/tap.h"

#include "cmd/vk-switch/port.h"
#include "common/cursor.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* What one read may give. */
#define READ_MAX (FRAME_MAX + VNET_LEN)

int
tap_prepare(int fd, struct err *e)
{
	struct ifreq r = {.ifr_flags = 0};
	int size = VNET_LEN, yes = 1;

	/* Only a tap's descriptor knows this call. */
	if (ioctl(fd, TUNGETIFF, &r) < 0)
		return TAP_NONE;
	if ((r.ifr_flags & (IFF_TAP | IFF_NO_PI)) != (IFF_TAP | IFF_NO_PI))
		return err_set(
		    e, EX_USAGE, "%s: not a tap without IFF_PI", r.ifr_name);
	if (!(r.ifr_flags & IFF_VNET_HDR))
		return TAP_PLAIN;
	/* virtio 1.2, 5.1.6: little-endian on every machine. */
	if (ioctl(fd, TUNSETVNETHDRSZ, &size) < 0 ||
	    ioctl(fd, TUNSETVNETLE, &yes) < 0 ||
	    ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) < 0)
		return err_errno(e, EX_OSERR, "%s", r.ifr_name);
	return TAP_HEADERS;
}

ssize_t
tap_read(int fd, uint8_t *into, size_t size)
{
	size_t have = 0;

	while (size - have >= LENGTH_LEN + READ_MAX) {
		struct writer w = writer_of(into + have, LENGTH_LEN);
		ssize_t n = read(fd, into + have + LENGTH_LEN, READ_MAX);

		if (n <= 0)
			break;
		put_be(&w, (uint64_t)n, LENGTH_LEN);
		have += LENGTH_LEN + (size_t)n;
	}
	return have ? (ssize_t)have : -1;
}

ssize_t
tap_write(int fd, const uint8_t *from, size_t len)
{
	struct cursor c = cursor_of(from, len);

	while (c.left > 0) {
		size_t frame = get_be32(&c);
		const uint8_t *at = get_bytes(&c, frame);

		/* EIO: the interface is down, and so on: lost. */
		if (at && write(fd, at, frame) < 0 && errno == EBADFD)
			return -1;
	}
	return (ssize_t)len;
}
