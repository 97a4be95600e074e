/* SPDX-License-Identifier: MIT */
/* pcap.c - a record of the frames, in the format of tcpdump */
#include "cmd/vk-switch/pcap.h"

#include "cmd/vk-switch/lan.h"
#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <strings.h>
#include <time.h>

/* Little-endian whatever the machine: readers take both. */
#define PCAP_MAGIC_NANOSECONDS 0xa1b23c4du
#define LINKTYPE_ETHERNET      1
#define RECORD_HEADER          16

int
pcap_open(struct lan *lan, const char *path, struct err *e)
{
	struct pcap *p = &lan->pcap;
	struct writer w = writer_of(p->buffer, sizeof(p->buffer));

	if (strcmp(path, "-") == 0) {
		if (isatty(STDOUT_FILENO))
			return err_set(e, EX_USAGE,
			    "packets are not written to a terminal");
		p->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	} else {
		p->fd = open(path,
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		    0600);
	}
	if (p->fd < 0)
		return err_errno(e, 0, "%s", path);
	put_le(&w, PCAP_MAGIC_NANOSECONDS, 4);
	put_le(&w, 2, 2);
	put_le(&w, 4, 2);
	put_le(&w, 0, 8);
	put_le(&w, PCAP_SNAP, 4);
	put_le(&w, LINKTYPE_ETHERNET, 4);
	p->have = writer_len(&w);
	p->open = true;
	io_nonblock(p->fd, 1);
	return 0;
}

void
pcap_release(struct lan *lan)
{
	if (!lan->pcap.open)
		return;
	pcap_flush(lan);
	fd_close(&lan->pcap.fd);
	lan->pcap.open = false;
}

void
pcap_flush(struct lan *lan)
{
	struct pcap *p = &lan->pcap;
	size_t done = 0;

	while (p->open && done < p->have) {
		ssize_t n = write(p->fd, p->buffer + done, p->have - done);

		if (n >= 0) {
			done += (size_t)n;
		} else if (errno == EAGAIN) {
			break;
		} else if (errno != EINTR) {
			log_warn("pcap: %s", strerror(errno));
			p->open = false;
		}
	}
	p->written += done;
	p->have -= done;
	memmove(p->buffer, p->buffer + done, p->have);
	if (p->written > PCAP_FILE_MAX && p->open) {
		log_warn("pcap: the file has reached its limit");
		p->open = false;
	}
}

void
pcap_record(
    struct lan *lan, const struct port *port, const void *frame, size_t len)
{
	struct pcap *p = &lan->pcap;
	size_t kept = len < PCAP_SNAP ? len : PCAP_SNAP;
	struct timespec now;
	struct writer w;

	if (p->port[0] && strcasecmp(p->port, port_name(lan, port)) != 0)
		return;
	if (sizeof(p->buffer) - p->have < RECORD_HEADER + kept)
		pcap_flush(lan);
	if (sizeof(p->buffer) - p->have < RECORD_HEADER + kept) {
		p->lost++;
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	w = writer_of(p->buffer + p->have, RECORD_HEADER + kept);
	put_le(&w, (uint64_t)now.tv_sec, 4);
	put_le(&w, (uint64_t)now.tv_nsec, 4);
	put_le(&w, kept, 4);
	put_le(&w, len, 4);
	put_bytes(&w, frame, kept);
	p->have += writer_len(&w);
}

void
pcap_record_sent(
    struct lan *lan, const struct port *port, const uint8_t *data, size_t len)
{
	struct cursor c = cursor_of(data, len);
	size_t header = port_overhead(port) - LENGTH_LEN;

	while (c.left > 0 && !c.bad) {
		size_t size = get_be32(&c);
		const uint8_t *frame = get_bytes(&c, size);

		if (frame && size >= header)
			pcap_record(lan, port, frame + header, size - header);
	}
}
