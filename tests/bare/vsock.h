/* SPDX-License-Identifier: MIT */
/* vsock.h - what a vsock device is told and says (virtio 1.2, 5.10.6) */
#ifndef TESTS_BARE_VSOCK_H
#define TESTS_BARE_VSOCK_H

#include <stdint.h>

#define VSOCK_HOST   2
#define VSOCK_STREAM 1

enum { REQUEST = 1, RESPONSE, RST, SHUTDOWN, RW, CREDIT, CREDIT_REQUEST };

struct __attribute__((packed)) packet {
	uint64_t source, destination;
	uint32_t source_port, destination_port, len;
	uint16_t type, operation;
	uint32_t flags, buffer, forwarded;
};

#endif
