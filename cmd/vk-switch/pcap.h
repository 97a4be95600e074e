/* SPDX-License-Identifier: MIT */
/*
 * pcap.h - a record of the frames, in the format of tcpdump
 *
 * Frames of both directions of all ports, or of one, cut at PCAP_SNAP bytes.
 * Records are gathered in a buffer and written when it is full and every
 * tick. A reader that does not keep up (the file may be a pipe) loses records,
 * never the VMs their frames; PCAP_FILE_MAX ends a file.
 */
#ifndef VK_SWITCH_PCAP_H
#define VK_SWITCH_PCAP_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCAP_SNAP     65535
#define PCAP_BUFFER   (512 * 1024)
#define PCAP_FILE_MAX ((uint64_t)1 << 30)

struct pcap {
	bool open;
	int fd;
	char port[64]; /* of this VM only; empty: all */
	uint64_t written, lost;
	size_t have;
	uint8_t buffer[PCAP_BUFFER];
};

struct lan;
struct port;

/* path "-": stdout, which must not be a terminal. */
int pcap_open(struct lan *, const char *path, struct err *);
void pcap_release(struct lan *);
void pcap_record(
    struct lan *, const struct port *, const void *frame, size_t len);
/* Frames with their prefixes, as they go out. */
void pcap_record_sent(
    struct lan *, const struct port *, const uint8_t *data, size_t len);
void pcap_flush(struct lan *);

#endif
