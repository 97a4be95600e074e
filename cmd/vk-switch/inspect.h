/* SPDX-License-Identifier: MIT */
/*
 * inspect.h - what name a connection asks for
 *
 * A flow that is allowed only for its name has its first bytes held back until
 * they show what is wanted: the server name of a TLS ClientHello (RFC 6066, 3;
 * over any number of records) or the Host of an HTTP/1 request, of any method
 * (and the authority of an absolute request target). With that the rules are
 * asked again (policy.h). On the ports where TLS and HTTP are at home what is
 * neither has no name; on others it passes as it is.
 *
 * Left out: later requests on one HTTP connection; what is inside TLS.
 */
#ifndef VK_SWITCH_INSPECT_H
#define VK_SWITCH_INSPECT_H

#include "cmd/vk-switch/policy.h"
#include "cmd/vk-switch/share.h"

#include <stddef.h>
#include <stdint.h>

/* Connections that show their name at the same moment. */
#define INSPECTIONS_MAX 256
/* Of one VM. */
#define INSPECTIONS_PER_PORT 64
/* A ClientHello with post-quantum keys has 2 KiB; servers cap headers at 8. */
#define INSPECT_SIZE 16384

enum inspection {
	INSPECT_MORE,    /* not all is here */
	INSPECT_NAME,    /* it asks for this name */
	INSPECT_FOREIGN, /* neither TLS nor HTTP */
	INSPECT_BAD,     /* hides its name, or is broken */
};

struct inspect_place {
	struct share share;
	uint32_t flow; /* index */
	size_t have;
	uint8_t data[INSPECT_SIZE];
};

struct lan;
struct flow;

/* The decision about first bytes; name is set for INSPECT_NAME. */
enum inspection inspect_bytes(
    const uint8_t *data, size_t len, char name[NAME_MAX_TEXT + 1]);

bool inspect_start(struct lan *, struct flow *);
void inspect_take(struct lan *, struct flow *, const uint8_t *data, size_t len);
/* The VM says no more: what has said nothing asks for nothing, and may listen
 * (a server may be the first to speak, or the only one). */
void inspect_end(struct lan *, struct flow *);
/* How much more it takes. */
uint32_t inspect_room(const struct lan *, const struct flow *);
void inspect_free(struct lan *, struct flow *);

#endif
